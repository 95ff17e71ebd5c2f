"""What a detector of MMDetection is, in the terms of an engine: its preprocessing, anchors, pooling and limits.

Says it of any two-stage detector with a feature pyramid, a proposal network with delta coding, a shared box head and,
if it has one, a mask head, and names what it meets in any other. Needs torch and mmdet.

`python -m app.vision.analyses.objects.describe` writes the blueprints of the catalogue's detectors.
"""

from pathlib import Path
from typing import Any

from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from app.vision.analyses.objects.blueprint import Blueprint, Network, blueprint_file
from app.vision.analyses.objects.mmdet_build import build_untrained, read_config, telling_line
from app.vision.analyses.objects.pipeline import preprocessing
from app.vision.analyses.objects.spec import BoxSpec, EngineSpec, MaskSpec, PoolSpec, ProposalSpec
from app.vision.catalogue.models import load_catalogue
from app.vision.engine.record import EngineError

# Instances of lower scores are never answered.
SCORE_FLOOR = 0.05
# What comes of a detector unlike those that this module knows, and of an operation that OpenVINO does not.
UNEXPECTED = (
    *(AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError),
    *(GeneralFailure, NotImplementedFailure, OpConversionFailure, OpValidationFailure),
)


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


def main() -> None:
    """Write the blueprint of every detector in the catalogue."""
    for model in load_catalogue().values():
        if model.analyzer == "objects":
            assert model.config is not None
            blueprint(model.config).write(model.config)
            print(blueprint_file(model.config))


if __name__ == "__main__":
    main()
