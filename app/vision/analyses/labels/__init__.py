"""Labels of the whole photo: ImageNet classifiers."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from app.vision.analyses.analysis import Analysis, Analyzer, EngineExport
from app.vision.analyses.labels.result import Labels

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


def _make_openvino(model: "Model", folder: Path, settings: "Settings") -> Analyzer:
    from app.vision.analyses.labels.openvino import make

    return make(model, folder, settings)


def _make_pytorch(model: "Model", settings: "Settings") -> Analyzer | None:
    path = model.path(settings.checkpoints_path)
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None or (path is not None and not path.is_file()):
        return None
    from app.vision.analyses.labels.pytorch import PhotoLabels

    return PhotoLabels(model, path)


def _export(model: "Model", checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
    from app.vision.analyses.labels.build import build_labels

    build_labels(model, model.path(checkpoints), folder, source)


analysis = Analysis(
    name="labels",
    title="Whole photo",
    summary="What the photo shows as a whole",
    result=Labels,
    make_openvino=_make_openvino,
    make_pytorch=_make_pytorch,
    export=EngineExport("1", ("openvino",), _export),
    memory_mb=90,
)
