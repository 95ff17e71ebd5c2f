"""The device on which PyTorch runs a model. Imports torch only when needed."""

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.settings import Settings
from app.vision.catalogue.checkpoints import CheckpointError

if TYPE_CHECKING:
    import torch

# MMCV 1 announces MMCV 2 at every import.
warnings.filterwarnings("ignore", "On January 1, 2023, MMCV will release", UserWarning)


def torch_device(name: str) -> "torch.device":
    """The device of a setting: `cpu`, `cuda`, or `auto` for CUDA where there is one.

    Raises CheckpointError if CUDA is required and missing.
    """
    import torch

    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise CheckpointError("DEVICE=cuda, but torch finds no CUDA here; set DEVICE=auto or install torch with CUDA.")
    return torch.device("cuda:0" if cuda and name != "cpu" else "cpu")


def mmcv_device(name: str) -> "torch.device":
    """`torch_device` for models that use MMCV's operations, which may have been built for the CPU only.

    Raises CheckpointError if CUDA is required and they were.
    """
    import torch

    device = torch_device(name)
    if device.type == "cpu" or mmcv_has_cuda():
        return device
    if name == "cuda":
        raise CheckpointError("DEVICE=cuda, but mmcv-full was built without CUDA; build it with FORCE_CUDA=1.")
    return torch.device("cpu")


def mmcv_has_cuda() -> bool:
    """Whether MMCV's operations were built for CUDA too."""
    from mmcv.ops import get_compiling_cuda_version

    return bool(get_compiling_cuda_version() != "not available")


def uses_cuda(settings: Settings) -> bool:
    """Whether MMDetection would run on CUDA here. Imports torch only where there is an NVIDIA device."""
    if settings.device != "auto":
        return settings.device == "cuda"
    return _may_use_cuda() and mmcv_device("auto").type == "cuda"


def expects_cuda(settings: Settings) -> bool:
    """Whether models are likely to run on CUDA here, told without importing torch."""
    if settings.engine == "openvino" or settings.device == "cpu":
        return False
    return settings.device == "cuda" or _may_use_cuda()


def _may_use_cuda() -> bool:
    return Path("/dev/nvidia0").exists() and importlib.util.find_spec("mmdet") is not None
