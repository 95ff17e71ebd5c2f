"""Objects with boxes and masks: two-stage detectors of MMDetection."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.vision.analyses.analysis import Analysis, Analyzer, EngineExport
from app.vision.analyses.objects.result import Instances
from app.vision.engine.record import EngineError

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


def _make_openvino(model: "Model", folder: Path, settings: "Settings") -> Analyzer:
    from app.vision.analyses.objects.openvino import make

    return make(model, folder, settings)


def _make_pytorch(model: "Model", settings: "Settings") -> Analyzer | None:
    path = model.path(settings.checkpoints_path)
    if importlib.util.find_spec("mmdet") is None or path is None or not path.is_file():
        return None
    from app.vision.analyses.objects.memory import check_pytorch_memory
    from app.vision.engine.device import uses_cuda

    if settings.engine == "auto" and not uses_cuda(settings):
        check_pytorch_memory(model, path, settings)  # Before torch is imported, which alone may be too much.
    from app.vision.analyses.objects.pytorch import MMDetector

    return MMDetector(model, path, settings.score_floor)


def _export(model: "Model", checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
    from app.vision.analyses.objects.build import build_model

    if build_model(model, checkpoints, folder, source):
        return
    if importlib.util.find_spec("mmdet") is None:
        raise EngineError("exporting needs mmdet; run `make full`.")
    from app.vision.analyses.objects.export import export_model

    export_model(model, checkpoints, folder, source)


def _quantize(folder: Path, photos: Iterable[np.ndarray]) -> None:
    from app.vision.analyses.objects.quantize import quantize

    quantize(folder, photos)


analysis = Analysis(
    name="objects",
    title="Objects",
    summary="Which objects there are, and where",
    result=Instances,
    make_openvino=_make_openvino,
    make_pytorch=_make_pytorch,
    export=EngineExport("3", ("openvino",), _export, _quantize),
    model_setting="model",
)
