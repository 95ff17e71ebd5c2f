"""The engine's three graphs in ONNX Runtime instead of OpenVINO, to compare the two; f32."""

from pathlib import Path
from typing import cast

import mmcv
import numpy as np
import onnxruntime
import torch

from app.vision.analyses.objects.export import BoxGraph, DenseGraph, MaskGraph
from app.vision.analyses.objects.openvino import OpenVINODetector
from app.vision.analyses.objects.pytorch import build
from app.vision.analyses.objects.spec import EngineSpec
from app.vision.catalogue.checkpoints import load_weights
from app.vision.catalogue.models import Model
from app.vision.engine.runtime import Graph, Runtime
from app.vision.results import ModelCard


class OnnxGraph:
    """As `app.vision.engine.runtime.Graph`."""

    def __init__(self, path: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, value: np.ndarray) -> list[np.ndarray]:
        return list(self.session.run(None, {self.input: value}))

    def release(self) -> None:
        """ONNX Runtime keeps its arena."""


class OnnxDetector(OpenVINODetector):
    """The same NumPy between other graphs."""

    def _graph(self, name: str, *, exact: bool = False, narrow: int = 0) -> Graph:
        return cast(Graph, OnnxGraph(self.folder / f"{name}.onnx", self.runtime.threads))


def export_onnx(model: Model, checkpoints: Path, folder: Path) -> None:
    """Write the three graphs as ONNX files into an engine folder that is there already."""
    assert model.config is not None
    spec = EngineSpec.read(folder)
    detector = build(mmcv.Config.fromfile(str(model.config)), load_weights(checkpoints / model.file, model), 0.05)
    detector.eval()
    assert spec.masks is not None
    channels = detector.neck.out_channels
    _write(
        DenseGraph(detector, len(spec.boxes.pool.strides)), (1, 3, 224, 320), {2: "h", 3: "w"}, folder / "dense.onnx"
    )
    heads = {"boxes": (BoxGraph(detector.roi_head.bbox_head), spec.boxes.pool)}
    heads |= {"masks": (MaskGraph(detector.roi_head.mask_head), spec.masks.pool)}
    for name, (graph, pool) in heads.items():
        _write(graph, (2, pool.size, pool.size, channels), {0: "n"}, folder / f"{name}.onnx")


def _write(graph: torch.nn.Module, shape: tuple[int, ...], dynamic: dict[int, str], path: Path) -> None:
    with torch.no_grad():
        torch.onnx.export(
            graph,
            (torch.zeros(shape),),
            str(path),
            input_names=["input"],
            dynamic_axes={"input": dynamic},
            dynamo=False,
        )


def make_onnx(folder: Path, threads: int) -> OnnxDetector:
    """The detector of an engine folder that has the ONNX files too."""
    card = ModelCard("objects", "r50", "R50", "onnx", "", EngineSpec.read(folder).classes)
    return OnnxDetector(folder, EngineSpec.read(folder), card, Runtime("f32", threads))
