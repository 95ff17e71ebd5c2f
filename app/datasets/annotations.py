"""One annotation of a COCO file, checked, in the form that training and evaluation read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from app.vision import masks
from app.vision.rows import RLE

# Rings of x y x y ... in pixels, or a mask of the photo's size.
Outline = list[list[float]] | RLE
# COCO's own boxes and outlines reach beyond the photo by up to a rounding step.
OVERSHOOT = 2.0
# Larger than any photo; JSON's integers can be too large for a float.
MAX_NUMBER = 1e15


@dataclass(frozen=True)
class Annotation:
    """One object or crowd of a photo.

    box: x, y, width, height in pixels, as in the file; outline: None where there is none; crowd: a region of many
    objects, neither learned nor counted; area: in pixels, that of the box where the file's own is missing or larger
    than the photo.
    """

    category_id: int
    box: tuple[float, float, float, float]
    outline: Outline | None
    crowd: bool
    area: float

    def to_coco(self, number: int, image_id: int) -> dict[str, Any]:
        """Everything that pycocotools reads. number: the annotation's id, from 1: pycocotools takes 0 for unmatched."""
        outline = self.outline.to_coco() if isinstance(self.outline, RLE) else self.outline or []
        known = {"id": number, "image_id": image_id, "category_id": self.category_id, "bbox": list(self.box)}
        return {**known, "area": self.area, "iscrowd": int(self.crowd), "segmentation": outline}


def read_annotation(
    a: Mapping[str, Any], size: tuple[int, int], categories: Sequence[int], *, brushed: bool = False
) -> Annotation:
    """Check one annotation of a photo.

    Args:
        size: (width, height) of the photo; categories: the known ids.
        brushed: masks marked as crowds are objects: CVAT marks everything painted with its brush so.

    Raises:
        ValueError: what is wrong with it, to follow "annotation 7".
    """
    if a.get("category_id") not in categories:
        raise ValueError(f"has the unknown category {a.get('category_id')}")
    x, y, w, h = _box(a.get("bbox"))
    if x < -OVERSHOOT or y < -OVERSHOOT or x + w > size[0] + OVERSHOOT or y + h > size[1] + OVERSHOOT:
        raise ValueError(f"has a box outside the {size[0]} x {size[1]} photo")
    outline = _outline(a.get("segmentation"), size)
    crowd = bool(a.get("iscrowd")) and not (brushed and isinstance(outline, RLE))
    area: Any = a.get("area")
    known = _is_number(area) and 0 < area <= size[0] * size[1]
    return Annotation(a["category_id"], (x, y, w, h), outline, crowd, float(area) if known else w * h)


def draw_outline(outline: Outline, size: tuple[int, int], mask: np.ndarray) -> None:
    """Draw an outline into a bitmap of another size.

    Args:
        size: (height, width) of the photo that the outline belongs to.
        mask: (h, w) uint8; pixels inside the outline become 1.
    """
    if isinstance(outline, RLE):
        mask[:] = cv2.resize(masks.decode(outline), mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
        return
    ratio = np.array([mask.shape[1] / size[1], mask.shape[0] / size[0]])
    for ring in outline:
        cv2.fillPoly(mask, [np.round(np.reshape(ring, (-1, 2)) * ratio - 0.5).astype(np.int32)], 1)


def _box(box: Any) -> tuple[float, float, float, float]:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError("has no box")
    if box[2] <= 0 or box[3] <= 0:
        raise ValueError("has an empty box")
    return box[0], box[1], box[2], box[3]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER


def _outline(value: Any, size: tuple[int, int]) -> Outline | None:
    if isinstance(value, dict):
        return _mask(value, size)
    if not value or value == [[]]:
        return None
    rings: list[Any] = value if isinstance(value, list) else [None]
    for ring in rings:
        if not isinstance(ring, list) or len(ring) < 6 or len(ring) % 2 or not all(map(_is_number, ring)):
            raise ValueError("has an outline that is not a list of at least three points")
        if any(not -OVERSHOOT <= v <= size[i % 2] + OVERSHOOT for i, v in enumerate(ring)):
            raise ValueError(f"has an outline outside the {size[0]} x {size[1]} photo")
    return rings


def _mask(value: Mapping[str, Any], size: tuple[int, int]) -> RLE:
    """A run-length encoding, compressed or as a list of counts."""
    shape: tuple[int, int] = (size[1], size[0])
    counts: Any = value.get("counts")
    if value.get("size") != list(shape):
        raise ValueError("has a mask of another size than the photo")
    try:
        if isinstance(counts, list):
            counts = coco_mask.frPyObjects({"size": list(shape), "counts": counts}, *shape)["counts"].decode("ascii")
        runs = masks.run_lengths(counts)
    except (TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise ValueError("has a broken mask") from error
    if runs.sum() != shape[0] * shape[1] or np.any(runs < 0):
        raise ValueError("has a broken mask")
    return RLE(shape, counts)
