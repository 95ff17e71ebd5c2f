"""Where torch runs a model."""

import warnings

import torch

from app.vision.catalogue.checkpoints import CheckpointError

# MMCV 1 announces MMCV 2, at every import.
warnings.filterwarnings("ignore", "On January 1, 2023, MMCV will release", UserWarning)


def torch_device(name: str) -> torch.device:
    """The device of a setting: `cpu`, `cuda`, or `auto` for CUDA where there is some.

    Raises CheckpointError when CUDA is asked for and not there.
    """
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise CheckpointError("DEVICE=cuda, but torch finds no CUDA here; set DEVICE=auto or install torch with CUDA.")
    return torch.device("cuda:0" if cuda and name != "cpu" else "cpu")


def mmcv_device(name: str) -> torch.device:
    """`torch_device` for models that use MMCV's operations, which may have been built for the CPU alone.

    Raises CheckpointError when CUDA is asked for and they were.
    """
    device = torch_device(name)
    if device.type == "cpu" or mmcv_has_cuda():
        return device
    if name == "cuda":
        raise CheckpointError("DEVICE=cuda, but mmcv-full was built without CUDA; build it with FORCE_CUDA=1.")
    return torch.device("cpu")


def mmcv_has_cuda() -> bool:
    """Whether MMCV's operations were built for CUDA too."""
    from mmcv.ops import get_compiling_cuda_version

    return get_compiling_cuda_version() != "not available"
