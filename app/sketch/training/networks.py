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
        return Small(words)
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


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Small(nn.Module):
    """Convolutions at 14, 7 and 3 pixels, average pooling and a linear layer."""

    def __init__(self, words: int, widths: tuple[int, int, int] = (32, 48, 96)):
        super().__init__()
        a, b, c = widths
        self.features = nn.Sequential(
            *(_convolution(1, a, stride=2), _convolution(a, a), nn.MaxPool2d(2)),
            *(_convolution(a, b), _convolution(b, b), nn.MaxPool2d(2)),
            _convolution(b, c),
        )
        self.head = nn.Sequential(nn.AvgPool2d(3), nn.Flatten(), nn.Dropout(0.2), nn.Linear(c, words))

    def forward(self, bitmaps: torch.Tensor) -> torch.Tensor:
        """(N, 1, 28, 28) to (N, words)."""
        logits: torch.Tensor = self.head(self.features(bitmaps))
        return logits
