"""Photos and ground truth for training: randomly resized, flipped and colour-jittered, then normalised."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.core import BitmapMasks
from torch.utils.data import Dataset, Sampler

from app.datasets.annotations import draw_outline
from app.datasets.coco import CocoData, Sample
from app.intake import decode


@dataclass(frozen=True)
class Normalisation:
    """A config's Normalize step: mean and std in the network's channel order; to_rgb as in MMDetection."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    to_rgb: bool


@dataclass(frozen=True)
class Augmentation:
    """short: smallest and largest short side in pixels; long: largest long side; flip, jitter: probabilities."""

    short: tuple[int, int] = (224, 384)
    long: int = 640
    flip: float = 0.5
    jitter: float = 0.5


@dataclass(frozen=True)
class Example:
    """One training photo. image: (3, H, W) float32; the rest as in `Sample`, in pixels of `image`; masks empty (all
    zero) where an instance has none."""

    name: str
    image: torch.Tensor
    boxes: torch.Tensor
    labels: torch.Tensor
    masks: BitmapMasks
    ignored: torch.Tensor


class TrainingSet(Dataset[Example]):
    """The photos with objects, augmented by a random generator seeded with (seed, number of the draw).

    classes: the model's, of which the labels become indices.
    """

    def __init__(
        self, data: CocoData, classes: Sequence[str], norm: Normalisation, augmentation: Augmentation, seed: int
    ):
        numbers = np.array([classes.index(name) for name in data.classes])
        full = [sample for sample in data.samples if len(sample.boxes)]
        self.samples = [replace(sample, labels=numbers[sample.labels]) for sample in full]
        self.norm, self.augmentation, self.seed = norm, augmentation, seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        draw, index = key
        return self._example(self.samples[index], np.random.default_rng((self.seed, draw)))

    def version(self, index: int, number: int) -> Example:
        """One of a few versions of a photo, the same at every call."""
        return self._example(self.samples[index], np.random.default_rng((self.seed, index, number)))

    def _example(self, sample: Sample, rng: np.random.Generator) -> Example:
        a = self.augmentation
        bgr = decode(sample.path.read_bytes())[:, :, ::-1]
        height, width = bgr.shape[:2]
        scale = min(rng.integers(a.short[0], a.short[1] + 1) / min(height, width), a.long / max(height, width))
        bgr = cv2.resize(bgr, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
        masks = draw_masks(sample, bgr.shape[:2])
        ratio = np.array([bgr.shape[1] / width, bgr.shape[0] / height] * 2, np.float32)
        boxes, ignored = sample.boxes * ratio, sample.ignored * ratio
        if rng.random() < a.flip:
            bgr, masks = bgr[:, ::-1], masks[:, :, ::-1]
            boxes, ignored = flip_boxes(boxes, bgr.shape[1]), flip_boxes(ignored, bgr.shape[1])
        if rng.random() < a.jitter:
            bgr = jitter(bgr, rng)
        keep = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        return Example(
            sample.path.name,
            torch.from_numpy(normalise(bgr, self.norm)),
            torch.from_numpy(boxes[keep].copy()),
            torch.from_numpy(sample.labels[keep].copy()),
            BitmapMasks(np.ascontiguousarray(masks[keep]), *bgr.shape[:2]),
            torch.from_numpy(ignored.copy()),
        )

    @staticmethod
    def collate(examples: list[Example], divisor: int = 32) -> dict[str, Any]:
        """The arguments of a detector's `forward_train`, images padded with zeros to one size."""
        height = max(e.image.shape[1] for e in examples)
        width = max(e.image.shape[2] for e in examples)
        padded = (math.ceil(height / divisor) * divisor, math.ceil(width / divisor) * divisor)
        image = torch.zeros(len(examples), 3, *padded)
        metas = []
        for target, e in zip(image, examples, strict=True):
            target[:, : e.image.shape[1], : e.image.shape[2]] = e.image
            shape = (*e.image.shape[1:], 3)
            meta = {"filename": e.name, "img_shape": shape, "ori_shape": shape, "pad_shape": (*padded, 3)}
            metas.append({**meta, "scale_factor": np.ones(4, np.float32)})
        return {
            "img": image,
            "img_metas": metas,
            "gt_bboxes": [e.boxes for e in examples],
            "gt_labels": [e.labels for e in examples],
            "gt_masks": [e.masks.pad(padded) for e in examples],
            "gt_bboxes_ignore": [e.ignored for e in examples],
        }


def draw_masks(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """(N, h, w) uint8 bitmaps of a sample's outlines at another size (height, width); all zero without an outline."""
    masks = np.zeros((len(sample.boxes), *size), np.uint8)
    for mask, outline in zip(masks, sample.outlines, strict=True):
        if outline:
            draw_outline(outline, (sample.height, sample.width), mask)
    return masks


def flip_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """(N, 4) boxes x1 y1 x2 y2 mirrored left to right in a photo of this width."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def jitter(bgr: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast and saturation changed at random by up to a quarter. (H, W, 3) uint8 in and out."""
    contrast, saturation = rng.uniform(0.75, 1.25, 2)
    brightness = rng.uniform(-32, 32)
    grey = bgr.mean(axis=2, keepdims=True)
    changed = (grey + (bgr - grey) * saturation) * contrast + brightness
    kept: np.ndarray = np.clip(changed, 0, 255)
    return kept.astype(np.uint8)


def normalise(bgr: np.ndarray, norm: Normalisation) -> np.ndarray:
    """(H, W, 3) uint8 BGR to (3, H, W) float32 as MMDetection's Normalize step does."""
    pixels = bgr[:, :, ::-1] if norm.to_rgb else bgr
    values = (pixels.astype(np.float32) - np.array(norm.mean, np.float32)) / np.array(norm.std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


class BalancedSampler(Sampler[tuple[int, int]]):
    """Endless draws (number, index): photos of rare classes and photos with masks come more often.

    Repeat factors as in LVIS (Gupta et al., arXiv 1908.03195, section 5.2): max(1, sqrt(t / f)) for the rarest class
    of a photo, f being the share of photos that hold the class. A draw depends on (seed, number) alone, so that a
    resumed training sees what an unbroken one would have seen.
    """

    def __init__(self, samples: Sequence[Sample], seed: int, start: int = 0, rare: float = 0.02, masks: float = 2.5):
        classes = [np.unique(sample.labels) for sample in samples]
        share = np.bincount(np.concatenate(classes), minlength=1) / len(samples)
        weights = [max(1.0, *(math.sqrt(rare / share[c]) for c in labels)) for labels in classes]
        with_masks = [masks if any(sample.outlines) else 1.0 for sample in samples]
        total = np.array(weights) * np.array(with_masks)
        self.weights, self.seed, self.start = total / total.sum(), seed, start

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, size = divmod(self.start, len(self.weights))
        draw, skip = self.start, size
        while True:
            rng = np.random.default_rng((self.seed, epoch, 1))
            for index in rng.choice(len(self.weights), len(self.weights), p=self.weights)[skip:]:
                yield draw, int(index)
                draw += 1
            epoch, skip = epoch + 1, 0
