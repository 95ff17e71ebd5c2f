"""The two networks, the original one and a better small one: from (N, 1, 28, 28) in 0..1 to logits."""

import torch
from torch import nn

NAMES = ("small", "baseline")


def build(name: str, words: int) -> nn.Module:
    """A new network with one output per word.

    Raises:
        ValueError: there is no network of this name.
    """
    if name == "baseline":
        return baseline(words)
    if name == "small":
        return small(words)
    raise ValueError(f"The networks are {' and '.join(NAMES)}.")


def baseline(words: int) -> nn.Module:
    """The network of the original drawing app, without its softmax, which the loss and serving apply."""
    return nn.Sequential(
        *(nn.Conv2d(1, 30, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(30, 15, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.2), nn.Flatten()),
        *(nn.Linear(375, 128), nn.ReLU()),
        *(nn.Linear(128, 50), nn.ReLU()),
        nn.Linear(50, words),
    )


def _convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions whose output is added to their input (He et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) to the same shape."""
        added: torch.Tensor = features + self.second(self.first(features))
        return torch.relu(added)


def small(words: int) -> nn.Module:
    """Convolutions at 14, 7 and 3 pixels, average pooling and a linear layer."""
    return nn.Sequential(
        *(_convolution(1, 32, size=5, stride=2), _convolution(32, 32), nn.MaxPool2d(2)),
        *(_convolution(32, 64), Residual(64), nn.MaxPool2d(2)),
        *(_convolution(64, 96), nn.AvgPool2d(3)),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(96, words)),
    )
