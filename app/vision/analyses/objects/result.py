"""The result of the objects analysis, after detectron2's `structures/instances.py`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.vision import masks
from app.vision.coco import GROUPS
from app.vision.results import Result
from app.vision.rows import RLE, Category, Row
from app.vision.view import View


@dataclass(frozen=True)
class Instances(Result):
    """The objects in one photo, best first: parallel arrays of one length, indexable as one value.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; scores: (N,) float32 in 0..1; labels: (N,) int64, indices into
    `classes`; masks: N RLEs of the photo's size, None for one that a person drew as a box, or None for a model that
    gives boxes only.
    size: (height, width) of the upright photo.
    """

    kind = "instances"
    noun = "object"

    size: tuple[int, int]
    classes: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: tuple[RLE | None, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or len(self.labels) != n or (self.masks is not None and len(self.masks) != n):
            raise ValueError("boxes, scores, labels and masks must have one length")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> "Instances":
        """The instances chosen by a slice, an index array or a boolean array of length N."""
        chosen = np.arange(len(self))[index]
        masks = None if self.masks is None else tuple(self.masks[i] for i in chosen)
        return Instances(self.size, self.classes, self.boxes[chosen], self.scores[chosen], self.labels[chosen], masks)

    @property
    def names(self) -> list[str]:
        """Class name of each instance."""
        return [self.classes[label] for label in self.labels]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "size": list(self.size),
            "classes": list(self.classes),
            "boxes": [[float(v) for v in box] for box in self.boxes],
            "scores": [float(s) for s in self.scores],
            "labels": [int(label) for label in self.labels],
            "masks": None if self.masks is None else [m and m.counts for m in self.masks],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Instances":
        size = (int(data["size"][0]), int(data["size"][1]))
        masks = None if data["masks"] is None else tuple(counts and RLE(size, counts) for counts in data["masks"])
        return cls(
            size,
            tuple(data["classes"]),
            np.asarray(data["boxes"], np.float32).reshape(-1, 4),
            np.asarray(data["scores"], np.float32),
            np.asarray(data["labels"], np.int64),
            masks,
        )

    def rows(self) -> list[Row]:
        masks = self.masks or [None] * len(self)
        columns = zip(self.names, self.scores, self.boxes.astype(float).tolist(), masks, strict=True)
        return [Row(self.noun, name, float(score), tuple(box), mask) for name, score, box, mask in columns]

    def layers(self) -> tuple[str, ...]:
        return () if self.masks is None else ("masks",)

    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(name, GROUPS.get(name, "")) for name in self.classes)

    def to_json(self, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
        instances = [
            {
                "class": row.name,
                "score": row.shown_score,
                "box": (np.array(row.box) * np.tile(scale, 2)).tolist(),
                "mask": mask_json(row.mask, scale, mask_form),
            }
            for row in view.select(self.rows())
        ]
        return {"kind": self.kind, "instances": instances}


def mask_json(mask: RLE | None, scale: np.ndarray, form: str) -> Any:
    """COCO's RLE, polygons as lists of points, or None."""
    if mask is None or form == "none":
        return None
    if form == "rle":
        return {"size": list(mask.size), "counts": mask.counts}
    return [(polygon * scale).tolist() for polygon in masks.polygons(mask)]
