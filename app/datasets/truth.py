"""What is in a photo by a person's word: its objects, as data sets keep them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from app.vision import masks
from app.vision.rows import RLE, Box, Row

MAX_NAME = 80
# How far a box may reach beyond the photo, in pixels: tools round, and count from 0 or from 1.
OVERSHOOT = 2.0


@dataclass(frozen=True)
class Truth:
    """One object.

    name: its class; box: x1 y1 x2 y2 in pixels of the upright photo; mask: of the photo's size, None where only the box
    is known; crowd: a region of many objects, neither learned nor counted.
    """

    name: str
    box: Box
    mask: RLE | None = None
    crowd: bool = False

    def renamed(self, name: str) -> "Truth":
        """The same object under another name."""
        return replace(self, name=name)

    def to_row(self) -> Row:
        """The object as a row of a result, which exports write and pictures show."""
        return Row("object", self.name, 1.0, self.box, self.mask)

    def to_dict(self) -> dict[str, Any]:
        """JSON values. The mask's size is the photo's, and not repeated."""
        known: dict[str, Any] = {"class": self.name, "box": list(self.box)}
        return known | ({"mask": self.mask.counts} if self.mask else {}) | ({"crowd": True} if self.crowd else {})

    @classmethod
    def from_dict(cls, data: dict[str, Any], size: tuple[int, int]) -> "Truth":
        """What `to_dict` gave. size: (height, width) of the photo."""
        mask = RLE(size, data["mask"]) if data.get("mask") else None
        x1, y1, x2, y2 = data["box"]
        return cls(data["class"], (x1, y1, x2, y2), mask, data.get("crowd", False))


def class_name(name: str) -> str:
    """A name of a class, without control characters and needless spaces. Raises ValueError for none or a long one."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not name:
        raise ValueError("has no class")
    if len(name) > MAX_NAME:
        raise ValueError(f"has a class of more than {MAX_NAME} characters")
    return name


def from_box(name: str, box: Sequence[float], size: tuple[int, int], *, crowd: bool = False) -> Truth:
    """An object of which the box is known. size: (height, width) of the photo.

    Raises ValueError, to follow the name of its photo: it has no name, or its box is empty or outside the photo.
    """
    return Truth(class_name(name), _box(box, size), crowd=crowd)


def from_rings(name: str, rings: Sequence[Sequence[float]], size: tuple[int, int], *, crowd: bool = False) -> Truth:
    """An object inside outlines, each x y x y ... in pixels. Raises ValueError as `from_box`, or for a bad outline."""
    kept = [np.asarray(ring, np.float64) for ring in rings]
    if not kept or any(
        ring.ndim != 1 or ring.size < 6 or ring.size % 2 or not np.isfinite(ring).all() for ring in kept
    ):
        raise ValueError("has an outline that is not a list of at least three points")
    points = np.concatenate(kept).reshape(-1, 2)
    box = _box([*points.min(0), *points.max(0)], size)
    inside = [np.clip(ring.reshape(-1, 2), 0, size[::-1]).ravel().tolist() for ring in kept]
    merged = coco_mask.merge(coco_mask.frPyObjects(inside, *size))
    mask = RLE(size, merged["counts"].decode("ascii"))
    return Truth(class_name(name), box, mask if masks.area(mask) else None, crowd)


def from_mask(name: str, mask: RLE, *, crowd: bool = False) -> Truth:
    """An object that is a mask of its photo's size. Raises ValueError: it has no name, or no pixel."""
    x, y, w, h = masks.bounds(mask)
    if not w or not h:
        raise ValueError("has an empty mask")
    return Truth(class_name(name), (float(x), float(y), float(x + w), float(y + h)), mask, crowd)


def _box(box: Sequence[float], size: tuple[int, int]) -> Box:
    height, width = size
    x1, y1, x2, y2 = (float(v) for v in box)
    if not np.isfinite([x1, y1, x2, y2]).all() or x2 <= x1 or y2 <= y1:
        raise ValueError("has an empty box")
    if min(x1, y1) < -OVERSHOOT or x2 > width + OVERSHOOT or y2 > height + OVERSHOOT:
        raise ValueError(f"has a box outside the {width} x {height} photo")
    x1, y1, x2, y2 = (round(float(v), 2) for v in np.clip((x1, y1, x2, y2), 0, [width, height] * 2))
    if x2 <= x1 or y2 <= y1:
        raise ValueError("has an empty box")
    return x1, y1, x2, y2
