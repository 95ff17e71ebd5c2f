"""What a whole photo shows: one of ImageNet's 1,000 classes, by ResNet-50 or EfficientNet-Lite0."""

import time
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torchvision.models import resnet50

from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.labels.processing import LITE0, RESNET50, best, class_names, prepare
from app.vision.catalogue.checkpoints import CheckpointError, load_weights, read_weights, sha256_of
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import package_weights
from app.vision.engine.device import torch_device
from app.vision.results import Analysed, ModelCard

# Raised when the same weights would answer differently.
VERSION = "labels-1"


class PhotoLabels(Analyzer):
    """The labels analyzer on PyTorch.

    Args:
        model: its catalogue entry; path: the weights of ResNet-50, or None for EfficientNet-Lite0, whose weights
            come inside a package.
    """

    def __init__(self, model: Model, path: Path | None = None):
        self.model, self.path = model, path
        self.preparation = LITE0 if path is None else RESNET50
        digest = sha256_of(path or package_weights(model.package)[0])
        self.card = ModelCard(model.analyzer, model.name, model.title, VERSION, digest, class_names(), model.note)

    def load(self, device: str) -> None:
        """Build the network and read its weights. Raises CheckpointError when they are unusable."""
        self._device = torch_device(device)
        self._net = build(self.model, self.path).to(self._device)

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Name what an upright photo, (H, W, 3) uint8 RGB, shows: five labels."""
        began = time.perf_counter()
        image = torch.from_numpy(prepare(rgb, self.preparation)).to(self._device)
        prepared = time.perf_counter()
        with torch.inference_mode():
            labels = best(self._net(image)[0].cpu().numpy(), class_names())
        return Analysed(self.card, labels, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})


def build(model: Model, path: Path | None) -> nn.Module:
    """The network of `PhotoLabels` with its weights, (1, 3, 224, 224) to (1, 1000) logits, on the CPU.

    Raises CheckpointError when the weights are unusable.
    """
    net: nn.Module
    if path is None:
        net, state = (
            EfficientNet.from_name("efficientnet-lite0"),
            read_weights(package_weights(model.package)[0]).tensors(),
        )
    else:
        net, state = resnet50(), load_weights(path, model).tensors()
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"The weights of {model.name} do not fit its network.") from error
    return net.eval()
