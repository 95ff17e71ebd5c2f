"""From an MMDetection detector to an engine folder: three OpenVINO graphs and `engine.json`.

Works for any two-stage detector with a feature pyramid, a proposal network with delta coding, a shared box head and,
if it has one, a mask head. Needs torch and mmdet; serving does not, nor does `build` with a blueprint.

`python -m app.vision.analyses.objects.export` writes the blueprints of the catalogue's detectors.
"""

import contextlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from app.vision.analyses.objects.blueprint import Blueprint, Network, blueprint_file
from app.vision.analyses.objects.build import graphs, save
from app.vision.analyses.objects.mmdet_build import build, build_untrained, read_config, telling_line
from app.vision.analyses.objects.pipeline import preprocessing
from app.vision.analyses.objects.spec import BoxSpec, EngineSpec, MaskSpec, PoolSpec, ProposalSpec
from app.vision.catalogue.checkpoints import load_weights
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.record import EngineError
from app.vision.engine.runtime import core

# What an engine made here depends on besides OpenVINO.
TOOLS = ("torch", "mmcv-full", "mmdet")
# Instances of lower scores are never answered.
SCORE_FLOOR = 0.05
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


def network_of(detector: Any) -> Network:
    """What a detector's weights do not say about its network; a guess for one that `build` may not know."""
    backbone = detector.backbone
    kind = "resnet-caffe" if getattr(backbone, "style", "") == "caffe" else "resnet"
    heads = detector.roi_head
    parts = {"backbone": backbone, "neck": detector.neck, "boxes": heads.bbox_head}
    if heads.with_mask:
        parts["masks"] = heads.mask_head
    return Network(
        getattr(backbone, "variant", kind),
        tuple(getattr(backbone, "out_indices", (0, 1, 2, 3))),
        {name: _epsilon(part) for name, part in parts.items()},
    )


def _epsilon(part: nn.Module) -> float:
    """Of a part's norms; of none, PyTorch's."""
    return next((float(each.eps) for each in part.modules() if isinstance(each, _BatchNorm)), 1e-5)


def blueprint(config: Path) -> Blueprint:
    """The blueprint of a detector by its config. Raises EngineError where it cannot be exported."""
    cfg = read_config(config)
    detector = build_untrained(cfg, SCORE_FLOOR)
    try:
        spec = describe(detector, cfg, (), {})
        return Blueprint(network_of(detector), spec)
    except EngineError:
        raise
    except UNEXPECTED as error:
        raise EngineError(f"{type(detector).__name__} cannot be described: {telling_line(error)}.") from error


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
        type(generator).__name__ == "TorchvisionAnchorGenerator",
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


def main() -> None:
    """Write the blueprint of every detector in the catalogue."""
    for model in load_catalogue().values():
        if model.analyzer == "objects":
            assert model.config is not None
            blueprint(model.config).write(model.config)
            print(blueprint_file(model.config))


if __name__ == "__main__":
    main()
