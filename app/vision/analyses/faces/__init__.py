"""Faces with five landmarks: MTCNN."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from app.vision.analyses.analysis import Analysis, Analyzer, EngineExport
from app.vision.analyses.faces.result import Faces

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


def _make_openvino(model: "Model", folder: Path, settings: "Settings") -> Analyzer:
    from app.vision.analyses.faces.openvino import make

    return make(model, folder, settings)


def _make_pytorch(model: "Model", settings: "Settings") -> Analyzer | None:
    # The package may be there for its weights alone.
    if any(importlib.util.find_spec(package) is None for package in ("facenet_pytorch", "torch")):
        return None
    from app.vision.analyses.faces.pytorch import FaceFinder

    return FaceFinder(model)


def _export(model: "Model", checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
    from app.vision.analyses.faces.build import build_faces

    build_faces(model, folder, source)


analysis = Analysis(
    name="faces",
    title="Faces",
    summary="Each face, with eyes, nose and mouth",
    result=Faces,
    make_openvino=_make_openvino,
    make_pytorch=_make_pytorch,
    export=EngineExport("1", ("openvino",), _export),
    memory_mb=190,
)
