"""The heads of a two-stage detector, trained on regions while its body is frozen."""

import json
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmcv import Config
from mmdet.models import BaseDetector
from torch import nn

from app.datasets.classes import BOTH
from app.training.dataset import TrainingSet
from app.training.loop import make_folder
from app.training.model import class_rows, learn_rows_only
from app.training.regions import RegionReader, RegionSet

# The share of the effort that the features may take; the steps take the rest.
FEATURES = 0.4
# How often the heads see a photo at most. Of 40 photos of a class, 200 passes taught them no more than 60.
PASSES = 60


class Heads(nn.Module):
    """The box head of a detector, and its mask head where that learns, as the trainer calls them.

    Args:
        detector: whose heads these are. Its mask head learns where one of its parameters does.
    """

    _parse_losses = BaseDetector._parse_losses

    def __init__(self, detector: Any):
        super().__init__()
        # Under its name in the detector, so that its weights have theirs.
        self.roi_head = detector.roi_head
        mask_head = getattr(detector.roi_head, "mask_head", None)
        self._masks = mask_head is not None and any(p.requires_grad for p in mask_head.parameters())

    def forward(
        self,
        features: torch.Tensor,
        boxes: torch.Tensor,
        labels: torch.Tensor,
        offsets: torch.Tensor,
        weights: torch.Tensor,
        outlined: torch.Tensor,
        masks: torch.Tensor,
        mask_labels: torch.Tensor,
        **_: Any,
    ) -> dict[str, Any]:
        """The losses of a batch of regions; the arguments are the fields of `Regions`, joined."""
        roi = self.roi_head
        scores, moved = roi.bbox_head(features.float())
        equal = torch.ones_like(labels, dtype=scores.dtype)
        losses: dict[str, Any] = roi.bbox_head.loss(scores, moved, boxes, labels, equal, offsets, weights)
        if self._masks and len(outlined):
            losses |= roi.mask_head.loss(roi.mask_head(outlined.float()), masks.float(), mask_labels)
        return losses


def heads_with_regions(
    detector: Any, photos: TrainingSet, config: Config, classes: Sequence[str], data: Sequence[str], options: Any
) -> tuple[Heads, RegionSet]:
    """A detector's heads, and what they learn from.

    Where the classes of the base are kept, only the rows of the data's classes learn. So photos that are not labelled
    for the others teach nothing of them, and what the base knows of them stays as it is. When whole heads learned
    from 40 photos of one class, the other 79 lost 4.8 points of AP on photos with that class.

    Args:
        config: the detector's, with `classes`; data: names of the classes that the photos are labelled for.
        options: `classes`, `minutes`, `device` and `out` of the training. `prepared.json` in
            `out` tells how far the regions are.
    """
    if options.classes == BOTH:
        prefix = "roi_head."
        rows = {key.removeprefix(prefix): count for key, count in class_rows(config, classes).items()}
        learn_rows_only(detector.roi_head, rows, [classes.index(name) for name in data])
    seconds = FEATURES * 60 * options.minutes if options.minutes else math.inf
    told = make_folder(options.out) / "prepared.json"
    part = told.with_suffix(".part")

    def tell(share: float) -> None:
        part.write_text(json.dumps({"share": share}))
        part.replace(told)  # Whoever reads it meanwhile finds it whole.

    return Heads(detector), RegionSet(photos, RegionReader(detector, options.device), seconds, tell)


def most_steps(photos: int, batch: int) -> int:
    """Steps after which heads learn no more from so many photos."""
    return max(1, PASSES * photos // batch)
