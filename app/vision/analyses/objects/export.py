"""From an MMDetection detector to an engine folder: three OpenVINO graphs and `engine.json`.

Works for any two-stage detector with a feature pyramid, a proposal network with delta coding, a shared box head and,
if it has one, a mask head. Needs torch and mmdet; serving does not, nor does `build` with a blueprint.
"""

import contextlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import nn

from app.vision.analyses.objects.build import graphs, save
from app.vision.analyses.objects.describe import SCORE_FLOOR, UNEXPECTED, describe, network_of
from app.vision.analyses.objects.mmdet_build import build, read_config, telling_line
from app.vision.analyses.objects.spec import EngineSpec
from app.vision.catalogue.checkpoints import load_weights
from app.vision.catalogue.models import Model
from app.vision.engine.record import EngineError
from app.vision.engine.runtime import core

# What an engine made here depends on besides OpenVINO.
TOOLS = ("torch", "mmcv-full", "mmdet")
# Greatest difference between a graph and what it was converted from, as a share of the greatest value.
TOLERANCE = 1e-3


class DenseGraph(nn.Module):
    """Backbone, pyramid and proposal network; all outputs channels-last.

    (1, 3, H, W) -> the levels that the heads pool from (1, h, w, C), then objectness in 0..1 (1, h, w, A) and deltas
    (1, h, w, A * 4) of every level.
    """

    def __init__(self, detector: Any, pooled: int):
        super().__init__()
        self.backbone: Any = detector.backbone
        self.neck: Any = detector.neck
        self.rpn: Any = detector.rpn_head
        self.sigmoid, self.pooled = bool(self.rpn.use_sigmoid_cls), pooled

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pyramid = self.neck(self.backbone(image))
        scores, deltas = self.rpn(pyramid)
        scores = [score.sigmoid() for score in scores] if self.sigmoid else [_foreground(score) for score in scores]
        maps = (*pyramid[: self.pooled], *scores, *deltas)
        return tuple(m.permute(0, 2, 3, 1) for m in maps)


class BoxGraph(nn.Module):
    """The box head: pooled regions (N, s, s, C) -> class probabilities (N, classes + 1) and deltas (N, 4 * K)."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores, deltas = self.head(regions.permute(0, 3, 1, 2))
        return scores.softmax(dim=-1), deltas


class MaskGraph(nn.Module):
    """The mask head: pooled regions (N, s, s, C) -> mask probabilities (N, classes or 1, S, S)."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, regions: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(regions.permute(0, 3, 1, 2))
        return logits.sigmoid()


def _foreground(score: torch.Tensor) -> torch.Tensor:
    """Softmax objectness, (1, A * 2, h, w) -> (1, A, h, w); the object's channel comes first in MMDetection 2."""
    pairs: torch.Tensor = score.unflatten(1, (-1, 2))
    return pairs.softmax(dim=2)[:, :, 0]


def export_model(model: Model, checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
    """Build a catalogue entry's detector and write its engine. Raises EngineError, CheckpointError."""
    path = model.path(checkpoints)
    assert path is not None
    loaded = load_weights(path, model)
    try:
        assert model.config is not None
        config = read_config(model.config)
        detector = build(config, loaded, SCORE_FLOOR)
    except (ImportError, KeyError, TypeError, AssertionError) as error:
        raise EngineError(f"its config cannot be built: {telling_line(error)}.") from error
    tools = {tool: metadata.version(tool) for tool in TOOLS}
    export_detector(detector, config, model.classes or loaded.classes, folder, source | tools)


def export_detector(
    detector: Any, config: Any, classes: tuple[str, ...], folder: Path, source: dict[str, str]
) -> EngineSpec:
    """Write the engine of a built detector with its weights loaded.

    Args:
        config: its MMDetection config (for the test pipeline and test settings).
        source: what the engine records of its origin; see `EngineSpec`.

    Raises:
        EngineError: the detector is of a kind that cannot be exported.
    """
    try:
        spec = describe(detector, config, classes, source)
        folder.mkdir(parents=True, exist_ok=True)
        _graphs(detector.eval(), spec, folder)
    except EngineError:
        raise
    except UNEXPECTED as error:
        raise EngineError(
            f"{type(detector).__name__} cannot be converted: {telling_line(error.__cause__ or error)}."
        ) from error
    spec.write(folder)
    return spec


def _graphs(detector: Any, spec: EngineSpec, folder: Path) -> None:
    heads, pool = detector.roi_head, spec.boxes.pool
    state = {name: value.numpy() for name, value in detector.state_dict().items()}
    built = graphs(state, network_of(detector), spec)
    with torch.no_grad():
        dense = DenseGraph(detector, len(pool.strides))
        save(_graph(dense, built["dense"], (1, 3, 224, 320), (1, 3, 160, 256)), folder / "dense.xml")
        regions = (pool.size, pool.size, heads.bbox_roi_extractor.out_channels)
        boxes = BoxGraph(heads.bbox_head)
        save(_graph(boxes, built["boxes"], (2, *regions), (3, *regions)), folder / "boxes.xml")
        if spec.masks:
            size = spec.masks.pool.size
            regions = (size, size, heads.mask_roi_extractor.out_channels)
            masks = MaskGraph(heads.mask_head)
            save(_graph(masks, built["masks"], (2, *regions), (3, *regions)), folder / "masks.xml")


def _graph(graph: nn.Module, build: Callable[[], ov.Model], shape: tuple[int, ...], other: tuple[int, ...]) -> ov.Model:
    """The graph as it is built without PyTorch, where that repeats what PyTorch computes; else converted.

    shape: of the example to convert with; other: of the input to try it on. Where they differ, any size will do.
    """
    with contextlib.suppress(EngineError):
        model = build()
        if _repeats(graph, model, other):
            return model
    free = [size if size == tried else -1 for size, tried in zip(shape, other, strict=True)]
    model = ov.convert_model(graph.eval(), example_input=torch.zeros(shape), input=[ov.PartialShape(free)])
    if not _repeats(graph, model, other):
        raise EngineError(f"OpenVINO's {type(graph).__name__} does not repeat what PyTorch computes.")
    return model


def _repeats(graph: nn.Module, model: ov.Model, shape: tuple[int, ...]) -> bool:
    """Whether a graph answers random input as PyTorch does.

    An operation that mmcv brings itself, such as a deformable convolution, is converted to zeros without a word.
    """
    example = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    wanted = graph(example)
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled(example.numpy()).to_tuple()
    references = [value.numpy() for value in (wanted if isinstance(wanted, tuple) else (wanted,))]
    return len(answers) == len(references) and all(map(_close, answers, references))


def _close(answer: np.ndarray, reference: np.ndarray) -> bool:
    if answer.shape != reference.shape:
        return False
    return bool(np.abs(answer - reference).max() <= TOLERANCE * np.abs(reference).max())
