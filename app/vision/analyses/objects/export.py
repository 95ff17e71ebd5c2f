"""From an MMDetection detector to an engine folder: three OpenVINO graphs and `engine.json`.

Works for any two-stage detector with a feature pyramid, a proposal network with delta coding, a shared box head and,
if it has one, a mask head. Needs torch and mmdet; serving does not.
"""

from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import openvino as ov
import torch
from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure
from torch import nn

from app.vision.analyses.objects.mmdet_build import build, telling_line
from app.vision.analyses.objects.pipeline import preprocessing
from app.vision.analyses.objects.spec import BoxSpec, EngineSpec, MaskSpec, PoolSpec, ProposalSpec
from app.vision.catalogue.checkpoints import load_weights
from app.vision.catalogue.models import Model
from app.vision.engine.record import EngineError

# Greatest difference between a graph and what it was converted from, as a share of the greatest value.
TOLERANCE = 1e-3
# What comes of a detector unlike those that this module knows, and of an operation that OpenVINO does not.
UNEXPECTED = (
    *(AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError),
    *(GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure),
)


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
        return self.head(regions.permute(0, 3, 1, 2)).sigmoid()


def _foreground(score: torch.Tensor) -> torch.Tensor:
    """Softmax objectness, (1, A * 2, h, w) -> (1, A, h, w); the object's channel comes first in MMDetection 2."""
    pairs = score.unflatten(1, (-1, 2))
    return pairs.softmax(dim=2)[:, :, 0]


def export_model(model: Model, checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
    """Build a catalogue entry's detector and write its engine. Raises EngineError, CheckpointError."""
    path = model.path(checkpoints)
    assert path is not None
    loaded = load_weights(path, model)
    try:
        config = mmcv.Config.fromfile(str(model.config))
        detector = build(config, loaded, 0.05)
    except (ImportError, KeyError, TypeError, AssertionError) as error:
        raise EngineError(f"its config cannot be built: {telling_line(error)}.") from error
    export_detector(detector, config, model.classes or loaded.classes, folder, source)


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
    with torch.no_grad():
        dense = DenseGraph(detector, len(pool.strides))
        _save(dense, (1, 3, 224, 320), (1, 3, 160, 256), folder / "dense.xml")
        regions = (pool.size, pool.size, heads.bbox_roi_extractor.out_channels)
        _save(BoxGraph(heads.bbox_head), (2, *regions), (3, *regions), folder / "boxes.xml")
        if spec.masks:
            size = spec.masks.pool.size
            regions = (size, size, heads.mask_roi_extractor.out_channels)
            _save(MaskGraph(heads.mask_head), (2, *regions), (3, *regions), folder / "masks.xml")


def _save(graph: nn.Module, shape: tuple[int, ...], other: tuple[int, ...], path: Path) -> None:
    """Once with weights in fp16 (half the file, for bf16 and int8), once exactly as they are (for f32).

    OpenVINO folds batch norms into the weights first, so that rounding them afterwards moves scores by up to a
    hundredth even where the checkpoint itself is fp16.

    shape: of the example to convert with; other: of the input to try it on. Where they differ, any size will do.
    """
    free = [size if size == tried else -1 for size, tried in zip(shape, other, strict=True)]
    model = ov.convert_model(graph.eval(), example_input=torch.zeros(shape), input=[ov.PartialShape(free)])
    _compare(graph, model, other, path.stem)
    ov.save_model(model, str(path), compress_to_fp16=True)
    ov.save_model(model, str(path.with_name(f"{path.stem}-f32.xml")), compress_to_fp16=False)


def _compare(graph: nn.Module, model: ov.Model, shape: tuple[int, ...], name: str) -> None:
    """Raises EngineError where a converted graph answers otherwise than what it was made of.

    An operation that mmcv brings itself, such as a deformable convolution, is converted to zeros without a word.
    """
    example = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    wanted = graph(example)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled(example.numpy()).to_tuple()
    for value, answer in zip(wanted if isinstance(wanted, tuple) else (wanted,), answers, strict=True):
        reference = value.numpy()
        if answer.shape != reference.shape or not _close(answer, reference):
            raise EngineError(f"OpenVINO's {name} graph does not repeat what PyTorch computes.")


def _close(answer: np.ndarray, reference: np.ndarray) -> bool:
    return bool(np.abs(answer - reference).max() <= TOLERANCE * np.abs(reference).max())


def describe(detector: Any, config: Any, classes: tuple[str, ...], source: dict[str, str]) -> EngineSpec:
    """Everything but the graphs. Raises EngineError, naming what cannot be exported."""
    roi_head: Any = getattr(detector, "roi_head", None)
    kind = type(roi_head).__name__
    if kind not in ("StandardRoIHead", "PartialMaskRoIHead") or not hasattr(detector, "rpn_head"):
        raise EngineError(f"{type(detector).__name__} is not a two-stage detector with a standard head.")
    if not detector.with_neck:
        raise EngineError(f"This {type(detector).__name__} has no feature pyramid, so it cannot be exported.")
    if type(detector.rpn_head).__name__ != "RPNHead":
        raise EngineError(f"Regions proposed by {type(detector.rpn_head).__name__} cannot be exported.")
    loss = roi_head.bbox_head.loss_cls
    if getattr(loss, "custom_cls_channels", False) or getattr(loss, "custom_activation", False):
        raise EngineError(f"Scores as {type(loss).__name__} defines them cannot be exported.")
    test = config.model.get("test_cfg") or config.test_cfg
    masks = roi_head.mask_head if roi_head.with_mask else None
    return EngineSpec(
        classes,
        preprocessing(config),
        _proposals(detector.rpn_head, test.rpn),
        BoxSpec(
            _pool(roi_head.bbox_roi_extractor),
            *_coder(roi_head.bbox_head.bbox_coder),
            float(test.rcnn.score_thr),
            _iou(test.rcnn.nms),
            _limit(test.rcnn),
        ),
        masks
        and MaskSpec(_pool(roi_head.mask_roi_extractor), bool(masks.class_agnostic), float(test.rcnn.mask_thr_binary)),
        source,
    )


def _proposals(rpn: Any, test: Any) -> ProposalSpec:
    generator = rpn.prior_generator
    anchors = tuple(tuple(tuple(box) for box in level.tolist()) for level in generator.base_anchors)
    return ProposalSpec(
        tuple(int(stride[0]) for stride in generator.strides),
        anchors,
        *_coder(rpn.bbox_coder),
        int(test.nms_pre),
        _limit(test),
        _iou(test.nms),
        float(test.min_bbox_size),
    )


def _coder(coder: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if type(coder).__name__ != "DeltaXYWHBBoxCoder" or coder.add_ctr_clamp or not coder.clip_border:
        raise EngineError(f"Boxes coded by {type(coder).__name__} cannot be exported.")
    return tuple(coder.means), tuple(coder.stds)


def _iou(nms: Any) -> float:
    if nms.type != "nms":
        raise EngineError(f"Suppression by {nms.type} cannot be exported.")
    # How mmcv goes about it, and what it is told to leave out, change nothing.
    unknown = [name for name, value in nms.items() if value and name not in ("type", "iou_threshold", "split_thr")]
    if unknown:
        raise EngineError(f"Suppression with {unknown[0]} cannot be exported.")
    return float(nms.iou_threshold)


def _limit(test: Any) -> int:
    if test.max_per_img < 1:
        raise EngineError(f"A detector without a limit of boxes (max_per_img={test.max_per_img}) cannot be exported.")
    return int(test.max_per_img)


def _pool(extractor: Any) -> PoolSpec:
    if type(extractor).__name__ != "SingleRoIExtractor":
        raise EngineError(f"Regions gathered by {type(extractor).__name__} cannot be exported.")
    layer = extractor.roi_layers[0]
    if type(layer).__name__ != "RoIAlign" or layer.pool_mode != "avg":
        raise EngineError(f"Regions pooled by {type(layer).__name__} cannot be exported.")
    strides = tuple(int(stride) for stride in extractor.featmap_strides)
    finest, aligned = float(extractor.finest_scale), bool(layer.aligned)
    return PoolSpec(int(layer.output_size[0]), int(layer.sampling_ratio), strides, finest, aligned)
