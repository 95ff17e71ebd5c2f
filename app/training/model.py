"""A detector made ready for training: configuration, frozen parts, classes carried over from its base."""

import copy
from collections.abc import Callable, Sequence
from functools import wraps
from types import MethodType
from typing import Any

import torch
from mmcv import Config, ConfigDict
from mmdet.models import build_detector
from torch import nn
from torch.utils._pytree import tree_map

from app.training.dataset import Normalisation
from app.training.partial_masks import PartialMaskRoIHead


class TrainingError(RuntimeError):
    """Training cannot begin or go on; the message says why in one sentence."""


ROI_HEADS = ("StandardRoIHead", PartialMaskRoIHead.__name__)
# MMDetection's own training settings of Faster and Mask R-CNN (configs/_base_/models/mask_rcnn_r50_fpn.py), with half
# the regions a photo, for configs that bring none.
TRAIN_CFG = ConfigDict(
    rpn={
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.7,
            "neg_iou_thr": 0.3,
            "min_pos_iou": 0.3,
            "match_low_quality": True,
        },
        "sampler": {"type": "RandomSampler", "num": 256, "pos_fraction": 0.5, "add_gt_as_proposals": False},
        "allowed_border": -1,
        "pos_weight": -1,
        "debug": False,
    },
    rpn_proposal={"nms_pre": 500, "max_per_img": 300, "nms": {"type": "nms", "iou_threshold": 0.7}, "min_bbox_size": 0},
    rcnn={
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.5,
            "neg_iou_thr": 0.5,
            "min_pos_iou": 0.5,
            "match_low_quality": True,
        },
        "sampler": {"type": "RandomSampler", "num": 192, "pos_fraction": 0.25, "add_gt_as_proposals": True},
        "mask_size": 28,
        "pos_weight": -1,
        "debug": False,
    },
)


def training_config(cfg: Config, classes: Sequence[str]) -> Config:
    """A copy of a detector's config that trains on these classes, with masks where the data has them.

    Raises TrainingError for detectors of a kind that cannot be trained here.
    """
    cfg = copy.deepcopy(cfg)
    model = cfg.model
    roi_head = model.get("roi_head")
    known = roi_head.type in ROI_HEADS if roi_head else isinstance(model.get("bbox_head"), dict)
    if not known:
        kind = roi_head.type if roi_head else model.type
        raise TrainingError(f"Detectors with a {kind} cannot be fine-tuned; Faster and Mask R-CNN and RetinaNet can.")
    model.pop("pretrained", None)
    if model.backbone.get("init_cfg"):
        model.backbone.init_cfg = None
    if not model.get("train_cfg") and not cfg.get("train_cfg"):
        model.train_cfg = TRAIN_CFG
    if roi_head is not None:
        if roi_head.get("mask_head"):
            roi_head.type = PartialMaskRoIHead.__name__
        for head in (roi_head.bbox_head, roi_head.get("mask_head")):
            if head:
                head.num_classes = len(classes)
    else:
        model.bbox_head.num_classes = len(classes)
    return cfg


def normalisation(cfg: Config) -> Normalisation:
    """The Normalize step of a config's test pipeline, or its `img_norm_cfg`."""
    values = cfg.get("img_norm_cfg") or _find_step(cfg.data.test.pipeline, "Normalize")
    return Normalisation(tuple(values["mean"]), tuple(values["std"]), bool(values.get("to_rgb", True)))


def _find_step(pipeline: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    for step in pipeline:
        if step["type"] == kind:
            return step
        if "transforms" in step:
            return _find_step(step["transforms"], kind)
    raise KeyError(kind)


def build(
    cfg: Config, state: dict[str, torch.Tensor], base: Sequence[str], classes: Sequence[str]
) -> tuple[nn.Module, list[str]]:
    """Build the detector of a training config and load a base checkpoint's weights into it.

    Args:
        cfg: from `training_config` with these classes.
        state: the base's weights, any floating type; base, classes: class names of the base and of the data. Rows of
            the classifying layers go over by name; a class that the base does not know starts at random.

    Returns:
        The detector, and the layers that start at random because the base lacks them or has them in another shape.

    Raises:
        TrainingError: the base has no weights for the config's backbone.
    """
    model = _detector(cfg)
    own = model.state_dict()
    larger = _detector(training_config(cfg, [*classes, "one more"])).state_dict()
    fresh = set()
    for key in own:
        value = state.get(key)
        if value is not None and own[key].shape != larger[key].shape:
            own[key] = _carry_over(own[key], value.float(), base, classes)
        elif value is not None and own[key].shape == value.shape:
            own[key] = value.to(own[key].dtype)
        elif own[key].is_floating_point():  # Not a batch norm's count of batches, which old checkpoints lack.
            fresh.add(key.rpartition(".")[0])
    if any(layer.startswith("backbone.") for layer in fresh):
        raise TrainingError("The weights of the base are of another backbone than the config's.")
    model.load_state_dict(own)
    return model, sorted(fresh)


def _detector(cfg: Config) -> nn.Module:
    return build_detector(cfg.model, train_cfg=cfg.get("train_cfg"), test_cfg=cfg.get("test_cfg"))


def _carry_over(own: torch.Tensor, value: torch.Tensor, base: Sequence[str], classes: Sequence[str]) -> torch.Tensor:
    """A classifying layer's (classes * k [+ 1 background], ...) with the base's rows for the classes that it knows."""
    group, background = divmod(len(value), len(base))
    if background > 1 or own.shape[1:] != value.shape[1:] or len(own) != len(classes) * group + background:
        return own
    result = own.clone()
    for index, name in enumerate(classes):
        if name in base:
            at = list(base).index(name)
            result[index * group : (index + 1) * group] = value[at * group : (at + 1) * group]
    if background:
        result[-1] = value[-1]
    return result


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Keep parameters under these prefixes, and every batch norm, as they are."""
    for name, parameter in model.named_parameters():
        if name.startswith(tuple(prefixes)):
            parameter.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for parameter in module.parameters():
                parameter.requires_grad_(False)


def train_mode(model: nn.Module) -> None:
    """Training mode with every batch norm in evaluation mode: batches are too small for statistics of their own."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def use_channels_last(model: nn.Module) -> None:
    """Compute the backbone with channels last, an eighth less time a step on CPUs; its outputs are contiguous again, as
    mmcv's RoIAlign reads any input as if it were.
    """

    def before(module: nn.Module, inputs: Any) -> Any:
        return tree_map(lambda x: x.contiguous(memory_format=torch.channels_last), inputs)

    def after(module: nn.Module, inputs: Any, outputs: Any) -> Any:
        return tree_map(lambda x: x.contiguous(), outputs)

    backbone = model.get_submodule("backbone")
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    backbone.register_forward_pre_hook(before)
    backbone.register_forward_hook(after)


def use_bf16(model: nn.Module, device: str) -> None:
    """Compute neck and heads, and a backbone without depthwise convolutions, in bfloat16; weights and losses stay
    float32.

    Depthwise convolutions have no fast backward pass in bfloat16 on CPUs, and mmcv's RoIAlign wants float32 there.
    """
    parts = [getattr(model, name, None) for name in ("neck", "rpn_head", "bbox_head")]
    roi_head = getattr(model, "roi_head", None)
    parts += [getattr(roi_head, name, None) for name in ("bbox_head", "mask_head")]
    backbone = model.get_submodule("backbone")
    if not any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in backbone.modules()):
        parts.append(backbone)
    for part in parts:
        if isinstance(part, nn.Module):
            part.forward = MethodType(_in_bf16(type(part).forward, device), part)


def _in_bf16(forward: Callable[..., Any], device: str) -> Callable[..., Any]:
    @wraps(forward)
    def wrapped(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            result = forward(self, *args, **kwargs)
        return tree_map(lambda value: value.float() if isinstance(value, torch.Tensor) else value, result)

    return wrapped


def bf16_is_fast(device: str) -> bool:
    """Whether this processor computes in bfloat16 natively."""
    return torch.cuda.is_bf16_supported() if device == "cuda" else torch.cpu._is_avx512_bf16_supported()
