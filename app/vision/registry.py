"""Which analyzers this installation can offer, and with which model each.

The one place where an analysis, a model and an engine meet. Nothing here imports torch: an analyzer's module is
imported when it is chosen.
"""

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from app.vision.analyzer import Analyzer
from app.vision.catalogue import CatalogueError, Model, load_catalogue
from app.vision.checkpoints import CheckpointError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """What can be had: analyzers by analysis; and for each analysis that cannot, the one step that adds it."""

    analyzers: dict[str, Analyzer]
    missing: dict[str, str]


def offer(settings: Settings) -> Offer:
    """Make the analyzers named in ANALYSES, each with the model that MODEL and what is installed decide.

    Nothing is loaded yet. An analysis that cannot be offered is in `missing`; nothing is raised for it.
    """
    found = Offer({}, {})
    for name in settings.analysis_names:
        try:
            found.analyzers[name] = analyzer(name, settings)
        except (CheckpointError, CatalogueError) as error:
            found.missing[name] = str(error)
    return found


def available_analyzers(settings: Settings) -> dict[str, Analyzer]:
    """`offer` without what is missing."""
    return offer(settings).analyzers


def analyzer(name: str, settings: Settings) -> Analyzer:
    """The analyzer of one analysis. Raises CheckpointError or CatalogueError with the one step that adds it."""
    if name not in MAKERS:
        raise CatalogueError(f"There is no analysis {name!r}; ANALYSES takes {', '.join(MAKERS)}.")
    return MAKERS[name](settings)


def choose(analysis: str, settings: Settings) -> Model:
    """The model of an analysis: MODEL if it names one of this analysis, else the best that is installed.

    Raises CheckpointError where none is installed, or not the one that is named.
    """
    candidates = [model for model in load_catalogue().values() if model.analyzer == analysis]
    folder = settings.checkpoints_path
    if analysis == "objects" and settings.model != "auto":
        model = next((m for m in candidates if m.name == settings.model), None)
        if model is None:
            raise CatalogueError(f"MODEL={settings.model} is not in the catalogue.")
        if not installed(model, folder):
            raise CheckpointError(f"{model.title} is not installed; run `make weights MODEL={model.name}`.")
        return model
    present = [model for model in candidates if installed(model, folder)]
    if not present:
        raise CheckpointError(f"No model for {analysis} is installed; run `make weights`.")
    return max(present, key=lambda model: model.rank)


def installed(model: Model, folder: Path) -> bool:
    """Whether a model's weights are in the checkpoints folder, or its package is there."""
    path = model.path(folder)
    if path is None:
        return importlib.util.find_spec(model.package.replace("-", "_")) is not None
    return path.is_file()


def _objects(settings: Settings) -> Analyzer:
    model = choose("objects", settings)
    names = tuple(ENGINES) if settings.engine == "auto" else (settings.engine,)
    for name in names:
        made = ENGINES[name](model, settings) if name in ENGINES else None
        if made is not None:
            return made
    raise CheckpointError(f"{model.title} cannot run on ENGINE={settings.engine} here.")


def _mmdet(model: Model, settings: Settings) -> Analyzer | None:
    if importlib.util.find_spec("mmdet") is None:
        return None
    from app.vision.analyzers.mmdet import MMDetector

    return MMDetector(model, settings.checkpoints_path / model.file, settings.score_floor)


def _faces(settings: Settings) -> Analyzer:
    model = choose("faces", settings)
    from app.vision.analyzers.faces import FaceFinder

    return FaceFinder(model)


def _labels(settings: Settings) -> Analyzer:
    model = choose("labels", settings)
    from app.vision.analyzers.labels import PhotoLabels

    return PhotoLabels(model, model.path(settings.checkpoints_path))


# What can run a detector, best first: makes its analyzer, or None where it cannot run this model here.
ENGINES: dict[str, Callable[[Model, Settings], Analyzer | None]] = {"mmdet": _mmdet}
MAKERS: dict[str, Callable[[Settings], Analyzer]] = {"objects": _objects, "faces": _faces, "labels": _labels}
