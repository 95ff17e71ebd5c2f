"""Pre- and postprocessing of a classifier, common to its engines: the input crop, and the best labels."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.vision.analyses.labels.result import Labels

TOP = 5
CROP = 224


@dataclass(frozen=True)
class Preparation:
    """shorter: the photo's shorter side after resizing; bicubic: else bilinear; mean, std: of pixels in 0..1."""

    shorter: int
    bicubic: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# The values that Lite0 was trained with; torchvision's for ResNet-50 (IMAGENET1K_V2).
LITE0 = Preparation(256, True, (127 / 255,) * 3, (128 / 255,) * 3)
RESNET50 = Preparation(232, False, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def prepare(rgb: np.ndarray, how: Preparation) -> np.ndarray:
    """(1, 3, 224, 224) float32: the middle of a photo, (H, W, 3) uint8, its shorter side resized, normalised."""
    height, width = rgb.shape[:2]
    factor = how.shorter / min(height, width)
    w, h = max(CROP, int(width * factor)), max(CROP, int(height * factor))
    # Only what the crop needs is resized, however long the photo is.
    left, top = (w - CROP) / 2 / w * width, (h - CROP) / 2 / h * height
    box = (left, top, left + CROP / w * width, top + CROP / h * height)
    kernel = Image.Resampling.BICUBIC if how.bicubic else Image.Resampling.BILINEAR
    crop = np.asarray(Image.fromarray(rgb).resize((CROP, CROP), kernel, box=box), np.float32) / 255
    normal = (crop - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def best(logits: np.ndarray, names: tuple[str, ...]) -> Labels:
    """The labels of the highest of (classes,) float32 logits, with their softmax."""
    powers = np.exp(logits - logits.max())
    order = np.argsort(-logits, kind="stable")[:TOP]
    scores = powers[order] / powers.sum()
    return Labels(tuple(names[i] for i in order), tuple(float(score) for score in scores))


@functools.cache
def class_names() -> tuple[str, ...]:
    """ImageNet's 1,000 classes in the order of the logits, named as by torchvision, with underscores."""
    return tuple(Path(__file__).with_name("imagenet.txt").read_text().split())
