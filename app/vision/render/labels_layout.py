"""Places the tags of a picture: inside its edges, apart from each other, near their objects.

Each tag in turn, the most certain first, takes the cheapest of 140 places around its box: above it, inside it, below
it, and then in rings further out. Places that cover other tags cost far more than all others.

The page draws its tags by the same rules, in app/static/js/labels_layout.js: tests/vectors/labels_layout.json keeps the
two equal, and is written again after a change here (python -m tests.vectors.labels_layout).
"""

from dataclasses import dataclass

import numpy as np

# What a place costs, in tag heights of distance.
_COVERS_TAG = 100.0
_TOUCHES_TAG = 8.0
_COVERS_OBJECT = 4.0
_COVERS_ITSELF = 6.0
_PER_RANK = 0.12
_SAME_COST = 1e-9  # Rounding must not decide between two places.
_RINGS = (0.0, 0.5, 1.2, 2.0, 3.0, 4.5, 6.5, 9.0)
_DIRECTIONS = 16
_PADDING = 0.06  # Around a tag, as a share of its height.
# A tag that would be covered by others more than this is left out, because nobody could read it.
_MAX_COVERED = 0.15
_FAR = 0.4  # From its box, in tag heights: a leader line is needed.


@dataclass(frozen=True)
class Place:
    """A tag's upper left corner; if it is far from its object, also the end of a leader line on the object."""

    x: int
    y: int
    leader: tuple[int, int] | None = None


def place(
    boxes: np.ndarray,
    tags: np.ndarray,
    size: tuple[int, int],
    taken: np.ndarray | None = None,
) -> list[Place | None]:
    """Find places for tags.

    Args:
        boxes: (N, 4) x1 y1 x2 y2 of the objects, the most important first.
        tags: (N, 2) int widths and heights.
        size: (height, width) of the picture, in the same pixels.
        taken: (M, 4) rectangles that tags should avoid.

    Returns:
        N places; None for a tag that does not fit, or that others would cover.
    """
    height, width = size
    boxes = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0, [width, height, width, height])
    placed = np.zeros((0, 4)) if taken is None else np.asarray(taken, np.float64).reshape(-1, 4)
    places: list[Place | None] = []
    for i, (box, (w, h)) in enumerate(zip(boxes, tags, strict=True)):
        if w > width or h > height:
            places.append(None)
            continue
        corners = _candidates(box, w, h, width, height)
        rectangles = np.concatenate([corners, corners + np.array([w, h])], 1)
        covered = overlap(rectangles, placed).sum(1) / (w * h)
        gaps = _gap(rectangles, box) / h
        others = boxes[:i]  # So that none moves when less important ones come and go.
        cost = _COVERS_TAG * covered + _TOUCHES_TAG * (covered > 0) + gaps + _PER_RANK * np.arange(len(corners))
        cost += _COVERS_OBJECT * _share(rectangles, others).max(1, initial=0)
        cost += _COVERS_ITSELF * _share(rectangles, box[None]).max(1, initial=0)
        best = int(np.flatnonzero(cost <= cost.min() + _SAME_COST)[0])
        if covered[best] > _MAX_COVERED:
            places.append(None)
            continue
        padding = max(1, round(_PADDING * h))
        placed = np.concatenate([placed, rectangles[best : best + 1] + padding * np.array([-1, -1, 1, 1])])
        places.append(_place(rectangles[best], box, far=gaps[best] > _FAR))
    return places


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Areas shared by each of (N, 4) with each of (M, 4) rectangles x1 y1 x2 y2: (N, M)."""
    upper_left = np.maximum(one[:, None, :2], other[None, :, :2])
    lower_right = np.minimum(one[:, None, 2:], other[None, :, 2:])
    areas: np.ndarray = np.clip(lower_right - upper_left, 0, None).prod(2)
    return areas


def _candidates(box: np.ndarray, w: int, h: int, width: int, height: int) -> np.ndarray:
    """Upper left corners, (K, 2) whole numbers, the ones that look best first, all inside the picture."""
    x1, y1, x2, y2 = box
    middle = (x1 + x2 - w) / 2
    near = [(x1, y1 - h), (x1, y1), (x2 - w, y1 - h), (middle, y1 - h), (x1, y2)]
    near += [(x2 - w, y1), (x2 - w, y2), (middle, y2), (x1, y2 - h), (x2 - w, y2 - h), (x1 - w, y1), (x2, y1)]
    angles = 2 * np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], 1)
    directions /= np.abs(directions).max(1, keepdims=True)
    reach = np.array([(x2 - x1 + w) / 2, (y2 - y1 + h) / 2])
    centre = np.array([x1 + x2 - w, y1 + y2 - h]) / 2
    rings = [centre + directions * (reach + ring * h) for ring in _RINGS]
    corners = np.concatenate([np.array(near), *rings])
    return np.clip(np.round(corners), 0, [width - w, height - h])


def _gap(rectangles: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Distance of each of (N, 4) rectangles from a box: (N,)."""
    apart = np.maximum(rectangles[:, :2] - box[2:], box[:2] - rectangles[:, 2:])
    distances: np.ndarray = np.hypot(*np.clip(apart, 0, None).T)
    return distances


def _share(rectangles: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The share of each of (M, 4) boxes that each of (N, 4) rectangles covers: (N, M)."""
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 1, None).prod(1)
    shares: np.ndarray = overlap(rectangles, boxes) / areas
    return shares


def _place(rectangle: np.ndarray, box: np.ndarray, far: bool) -> Place:
    centre = (rectangle[:2] + rectangle[2:]) / 2
    end = np.round(np.clip(centre, box[:2], box[2:])).astype(int)
    return Place(int(rectangle[0]), int(rectangle[1]), (int(end[0]), int(end[1])) if far else None)
