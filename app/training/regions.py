"""What the heads of a two-stage detector learn from while its body is frozen: regions, their features computed once.

The body (backbone, neck and proposals) takes nearly all of a step's time. Where it does not learn, a few augmented
versions of each photo go through it once, and a step is many times faster.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.core import bbox2roi
from torch.utils.data import Dataset
from tqdm import tqdm

from app.training.dataset import Example, TrainingSet
from app.training.errors import TrainingError
from app.training.partial_masks import with_masks

# Versions of a photo, and what all of them take in memory at most.
VERSIONS, MAX_BYTES = 8, 2**31
TOO_MANY = "The regions of so many photos do not fit into memory; train the whole network (--train all)."


@dataclass(frozen=True)
class Regions:
    """Regions of one version of one photo.

    features: (N, C, s, s) float16 of the box head; boxes: (N, 4), x1 y1 x2 y2; labels: (N,), the number of classes for
    background; offsets, weights: (N, 4), what the box is to be moved by, and 1 where that counts; outlined: (M, C, S,
    S) float16 of the mask head; masks: (M, 2S, 2S) uint8; mask_labels: (M,).
    """

    name: str
    features: torch.Tensor
    boxes: torch.Tensor
    labels: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor
    outlined: torch.Tensor
    masks: torch.Tensor
    mask_labels: torch.Tensor

    @property
    def bytes(self) -> int:
        return sum(part.nbytes for part in vars(self).values() if isinstance(part, torch.Tensor))


class RegionSet(Dataset[Regions]):
    """The regions of a few augmented versions of each photo; a draw takes one of the photo's versions at random.

    Args:
        read: makes the regions of an example; seconds: that may be spent on it; every photo gets one version at least.
        tell: called with the share of this that is done, 0 to 1.

    Raises TrainingError: one version of each photo is too much for the memory.
    """

    def __init__(
        self,
        examples: TrainingSet,
        read: Callable[[Example], Regions],
        seconds: float = math.inf,
        tell: Callable[[float], object] = lambda share: None,
    ):
        self.samples, self.seed = examples.samples, examples.seed
        self._regions: list[list[Regions]] = [[] for _ in self.samples]
        began, room = time.monotonic(), MAX_BYTES
        total = VERSIONS * len(self.samples)
        for number in tqdm(range(total), unit="version", desc="Photos"):
            version, index = divmod(number, len(self.samples))
            spent = (time.monotonic() - began) / seconds
            if version and (room < 0 or spent > 1):
                break
            if room < 0:
                raise TrainingError(TOO_MANY)
            regions = read(examples.version(index, version))
            room -= regions.bytes
            self._regions[index].append(regions)
            tell(min(1.0, max((number + 1) / total, spent)))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Regions:
        draw, index = key
        versions = self._regions[index]
        return versions[np.random.default_rng((self.seed, draw)).integers(len(versions))]

    @staticmethod
    def collate(regions: Sequence[Regions]) -> dict[str, Any]:
        """The arguments of `Heads.forward`."""
        parts = {name for name in vars(regions[0]) if name != "name"}
        joined: dict[str, Any] = {name: torch.cat([getattr(each, name) for each in regions]) for name in parts}
        return {**joined, "img_metas": [{"filename": each.name} for each in regions]}


class RegionReader:
    """Makes regions with a detector's body."""

    def __init__(self, detector: Any, device: str):
        self._detector, self._device = detector.to(device), device

    @torch.no_grad()
    def __call__(self, example: Example) -> Regions:
        batch = TrainingSet.collate([example])
        detector, roi = self._detector, self._detector.roi_head
        detector.eval()
        features = detector.extract_feat(batch["img"].to(self._device))
        (proposals,) = self._proposals(features, batch["img_metas"])
        truth, ignored = (batch[name][0].to(self._device) for name in ("gt_bboxes", "gt_bboxes_ignore"))
        classes = batch["gt_labels"][0].to(self._device)
        assigned = roi.bbox_assigner.assign(proposals, truth, ignored, classes)
        sampled = roi.bbox_sampler.sample(assigned, proposals, truth, classes)
        rois = bbox2roi([sampled.bboxes])
        pooled = roi.bbox_roi_extractor(features[: roi.bbox_roi_extractor.num_inputs], rois)
        labels, _, offsets, weights = roi.bbox_head.get_targets([sampled], [truth], [classes], roi.train_cfg)
        return Regions(
            example.name,
            pooled.half(),
            sampled.bboxes,
            labels,
            offsets,
            weights,
            *self._masks(features, sampled, batch["gt_masks"]),
        )

    def _proposals(self, features: Any, metas: Any) -> Any:
        head, train_cfg = self._detector.rpn_head, self._detector.train_cfg
        return head.get_bboxes(*head(features), img_metas=metas, cfg=train_cfg.rpn_proposal)

    def _masks(self, features: Any, sampled: Any, masks: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features, masks and labels of the regions that have an outline."""
        roi = self._detector.roi_head
        kept = with_masks(sampled, masks[0])
        if not roi.with_mask or not len(kept.pos_bboxes):
            return torch.zeros(0), torch.zeros(0, dtype=torch.uint8), torch.zeros(0, dtype=torch.long)
        extractor = roi.mask_roi_extractor
        pooled = extractor(features[: extractor.num_inputs], bbox2roi([kept.pos_bboxes]))
        targets = roi.mask_head.get_targets([kept], masks, roi.train_cfg)
        return pooled.half(), targets.to(torch.uint8), kept.pos_gt_labels
