"""Where torch runs a model."""

import torch

from app.vision.checkpoints import CheckpointError


def torch_device(name: str) -> torch.device:
    """The device of a setting: `cpu`, `cuda`, or `auto` for CUDA where there is some.

    Raises CheckpointError when CUDA is asked for and not there.
    """
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise CheckpointError("DEVICE=cuda, but torch finds no CUDA here; set DEVICE=auto or install torch with CUDA.")
    return torch.device("cuda:0" if cuda and name != "cpu" else "cpu")
