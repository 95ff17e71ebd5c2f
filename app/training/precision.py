"""How a detector computes while it trains: memory format and number format, chosen for speed."""

from collections.abc import Callable
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

# Modules of mmcv's compiled layers, such as deformable convolutions, and of its weight-standardised convolutions.
COMPILED, STANDARDISED = "mmcv.ops.", "mmcv.cnn.bricks.conv_ws"


def use_channels_last(model: nn.Module) -> None:
    """Compute the backbone in channels-last format, which takes an eighth less time per step on CPUs.

    Its outputs are made contiguous again, because mmcv's compiled layers, RoIAlign included, read any input as if it
    were contiguous. A backbone with compiled layers, or with weight-standardised ones, which do not support channels
    last, is left unchanged.
    """

    def before(module: nn.Module, inputs: Any) -> Any:
        return tree_map(lambda x: x.contiguous(memory_format=torch.channels_last), inputs)

    def after(module: nn.Module, inputs: Any, outputs: Any) -> Any:
        return tree_map(lambda x: x.contiguous(), outputs)

    backbone = model.get_submodule("backbone")
    if _holds(backbone, COMPILED, STANDARDISED):
        return
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    backbone.register_forward_pre_hook(before)
    backbone.register_forward_hook(after)


def use_bf16(model: nn.Module, device: str) -> None:
    """Compute neck, heads and a backbone without depthwise convolutions in bfloat16; weights and losses stay float32.

    Depthwise convolutions have no fast backward pass in bfloat16 on CPUs, and mmcv's compiled layers need float32
    there, so parts that contain either stay in float32.
    """
    parts = [getattr(model, name, None) for name in ("neck", "rpn_head", "bbox_head")]
    roi_head = getattr(model, "roi_head", None)
    parts += [getattr(roi_head, name, None) for name in ("bbox_head", "mask_head")]
    backbone = model.get_submodule("backbone")
    if not any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in backbone.modules()):
        parts.append(backbone)
    for part in parts:
        if isinstance(part, nn.Module) and not _holds(part, COMPILED):
            part.forward = MethodType(_in_bf16(type(part).forward, device), part)


def _holds(part: nn.Module, *places: str) -> bool:
    return any(type(module).__module__.startswith(places) for module in part.modules())


def _in_bf16(forward: Callable[..., Any], device: str) -> Callable[..., Any]:
    @wraps(forward)
    def wrapped(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            result = forward(self, *args, **kwargs)
        return tree_map(lambda value: value.float() if isinstance(value, torch.Tensor) else value, result)

    return wrapped


def bf16_is_fast(device: str) -> bool:
    """Whether the device has native bfloat16 arithmetic."""
    return torch.cuda.is_bf16_supported() if device == "cuda" else torch.cpu._is_avx512_bf16_supported()
