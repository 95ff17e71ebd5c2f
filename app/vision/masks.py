"""Binary masks as COCO run-length encodings, converted from and to crops, without a bitmap of the whole photo.

COCO counts runs of 0 and 1 down the columns and packs the counts six bits to a character
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, `rleToString`). So a mask of a
twelve-megapixel photo takes a few kilobytes, and its bitmap would take twelve megabytes.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from pycocotools import mask as coco

from app.intake.budget import pixel_budget
from app.vision.rows import RLE

_SCREEN: Final = 1600  # Pixels of a screen along the longer side of a photo.
# Maximum tolerance as a share of an object's extent, so that small objects keep their shape.
_SHARE: Final = 1 / 40


class Component(NamedTuple):
    """One connected piece of a mask: rings of (K, 2) float64 x y in pixels, along the edges of pixels, not closed."""

    outline: np.ndarray
    holes: list[np.ndarray]


def encode(crop: np.ndarray, x: int, y: int, size: tuple[int, int]) -> RLE:
    """Encode a mask given by its crop.

    Args:
        crop: (h, w), true where the object is; may be all false or empty.
        x, y: column and row of the crop's upper left pixel in the photo.
        size: (height, width) of the photo, which holds the whole crop.
    """
    height, width = size
    h, w = crop.shape
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise ValueError(f"a crop of {w} x {h} at {x}, {y} does not lie within {width} x {height}")
    if crop.dtype != bool:
        crop = crop != 0
    columns = np.zeros((w, h + 2), np.uint8)
    if crop.size:
        columns[:, 1:-1] = cv2.transpose(np.ascontiguousarray(crop).view(np.uint8))
    # Every column begins and ends with a zero, so its changes are starts and ends in turn.
    changes = np.flatnonzero((columns[:, 1:] != columns[:, :-1]).ravel())
    places = (x + changes // (h + 1)) * height + y + changes % (h + 1)
    starts, ends = places[0::2], places[1::2]
    whole = np.flatnonzero(ends[:-1] == starts[1:])  # The run continues in the next column.
    starts, ends = np.delete(starts, whole + 1), np.delete(ends, whole)
    edges = np.concatenate([[0], np.stack([starts, ends], 1).ravel(), [height * width]])
    counts = np.diff(edges)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    packed = coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return RLE((height, width), packed["counts"].decode("ascii"))


def from_bitmap(mask: np.ndarray) -> RLE:
    """Encode a mask of the photo's own size, (H, W), true where the object is."""
    return encode(mask, 0, 0, (mask.shape[0], mask.shape[1]))


def from_polygons(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> RLE:
    """Encode what lies in one of several polygons, (K, 2) x y in pixels: the pixels whose middle is inside.

    Inside is what a line from outside reaches over an odd number of edges, so that `polygons` are turned back into the
    very mask. What lies outside the photo, of `size` (height, width), is left out.
    """
    if not polygons:
        return encode(np.zeros((0, 0), bool), 0, 0, size)
    corners = np.concatenate([np.asarray(polygon, np.float64) for polygon in polygons])
    limits = np.array([size[1], size[0]])
    left, top = (int(v) for v in np.clip(np.floor(corners.min(0)), 0, limits))
    right, bottom = (int(v) for v in np.clip(np.ceil(corners.max(0)), 0, limits))
    with pixel_budget.reserve((bottom - top) * (right - left)):
        crop = np.zeros((bottom - top, right - left), bool)
        for polygon in polygons:
            crop |= _filled(np.asarray(polygon, np.float64) - (left, top), crop.shape)
        return encode(crop, left, top, size)


def check(rle: RLE) -> None:
    """Raises ValueError for an encoding that is malformed or not of the size that it says."""
    try:
        lengths = run_lengths(rle.counts)
    except (IndexError, ValueError) as error:
        raise ValueError("malformed run-length encoding") from error
    if (lengths < 0).any() or lengths.sum() != rle.size[0] * rle.size[1]:
        raise ValueError("the runs do not cover the photo")


def decode(rle: RLE) -> np.ndarray:
    """The whole mask, (H, W) uint8 of 0 and 1: a byte for each pixel of the photo. Prefer `decode_crop`."""
    return np.ascontiguousarray(coco.decode(rle.to_coco()))


def decode_crop(rle: RLE, step: int = 1) -> tuple[int, int, np.ndarray]:
    """The mask's column x, row y and (h, w) bool pixels within its bounds; (0, 0, empty) for an empty mask.

    step: sample only the middle pixel of squares with this side.
    """
    height = rle.size[0]
    starts, ends = _runs(rle)
    x, y, w, h = _bounds(starts, ends, height)
    if w == 0:
        return 0, 0, np.zeros((0, 0), bool)
    # With a run over several columns the crop is as high as the photo, so runs stay runs in the crop.
    begin = (starts // height - x) * h + starts % height - y
    lengths = np.empty(2 * len(starts) + 1, np.int64)
    lengths[1::2] = ends - starts
    lengths[0] = begin[0]
    lengths[2:-1:2] = begin[1:] - begin[:-1] - lengths[1:-2:2]
    lengths[-1] = w * h - lengths[:-1].sum()
    values = np.zeros(len(lengths), np.uint8)
    values[1::2] = 1
    middle = [min(step // 2, side - 1) for side in (w, h)]
    columns = np.repeat(values, lengths).reshape(w, h)[middle[0] :: step, middle[1] :: step]
    return x, y, cv2.transpose(np.ascontiguousarray(columns)).view(bool)


def area(rle: RLE) -> int:
    """Number of the mask's pixels."""
    starts, ends = _runs(rle)
    return int((ends - starts).sum())


def bounds(rle: RLE) -> tuple[int, int, int, int]:
    """Column, row, width and height of the smallest rectangle around the mask; all 0 for an empty one."""
    return _bounds(*_runs(rle), rle.size[0])


def components(rle: RLE, tolerance: float = 0.0) -> list[Component]:
    """The outlines of a mask's connected pieces, largest first.

    With tolerance 0 the rings follow the pixels' edges exactly: pixel (c, r) covers c..c+1, r..r+1. Otherwise they are
    simplified to about that many pixels, and a ring that would vanish keeps its exact shape. (Douglas and Peucker's
    method keeps to the tolerance; OpenCV's second pass over the remaining points can add 0.71 of it.)
    """
    x, y, w, h = bounds(rle)
    # Half of a large tolerance is spent on sampling, which moves edges by half a step.
    step = max(1, int(tolerance / 2))
    with pixel_budget.reserve(w * h):
        _, _, crop = decode_crop(rle, step)
        if step > 1 and not crop.any():
            step, crop = 1, decode_crop(rle)[2]
        outlined = outline_crop(crop, (tolerance - step / 2) / step if step > 1 else tolerance)

    corner, max_xy = np.array([x, y]), np.array([w, h])

    def place(ring: np.ndarray) -> np.ndarray:
        placed: np.ndarray = np.minimum(ring * step, max_xy) + corner
        return placed

    return [Component(place(c.outline), [place(hole) for hole in c.holes]) for c in outlined]


def unseen_tolerance(rle: RLE) -> float:
    """How far an outline may be simplified without being seen: a pixel of a screen, less for small objects."""
    return min(max(1.0, max(rle.size) / _SCREEN), math.sqrt(area(rle)) * _SHARE)


def outline_crop(crop: np.ndarray, tolerance: float = 0.0) -> list[Component]:
    """`components` of a mask given as its (h, w) pixels, in pixels of the crop."""
    if not crop.any():
        return []
    # At twice the size every pixel has its own left, right, upper and lower cell. The contour runs through the cells
    # along the border, and rounding a cell's index to the nearer edge of its pixel puts it on the edge itself.
    double = cv2.resize(np.ascontiguousarray(crop).view(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, tree = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [_ring(contour[:, 0], tolerance) for contour in contours]
    outer = {i: Component(rings[i], []) for i, node in enumerate(tree[0]) if node[3] < 0}
    for i, node in enumerate(tree[0]):
        if node[3] >= 0:
            outer[node[3]].holes.append(rings[i])
    return sorted(outer.values(), key=lambda component: -ring_area(component.outline))


def run_lengths(packed: str) -> np.ndarray:
    """The lengths of a mask's runs, of 0 and 1 in turn, (K,) int64.

    Undoes `rleToString`: six bits per character, of which the sixth means that the number continues, and the fifth of
    the last character that it is negative; from the fourth number on each is the difference from the one two before.
    Raises ValueError or IndexError for malformed text.
    """
    if not packed:
        return np.zeros(0, np.int64)
    code = np.frombuffer(packed.encode("ascii"), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(code < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(code)) - np.repeat(first, last - first + 1)
    numbers = np.add.reduceat((code & 31) << (5 * place), first)
    numbers -= np.where(code[last] & 16, np.int64(1) << (5 * (last - first + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def polygons(rle: RLE, tolerance: float = 0.0) -> list[np.ndarray]:
    """The mask as simple polygons, one per connected piece, largest first: (K, 2) float64 x y in pixels, K >= 3.

    For formats without holes, a cut of zero width leads from the outline to each hole and back, so that the hole of a
    filled polygon stays empty. `components` returns outlines and holes separately.
    """
    return [join(component.outline, component.holes) for component in components(rle, tolerance)]


def join(ring: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """Several rings as one polygon, connected by cuts of zero width."""
    for other in sorted(others, key=lambda o: float(o[:, 0].min())):
        distance = ((ring[:, None] - other[None]) ** 2).sum(-1) if len(ring) * len(other) < 250_000 else None
        if distance is None:
            j = int(other[:, 0].argmin())
            i = int(((ring - other[j]) ** 2).sum(-1).argmin())
        else:
            i, j = divmod(int(distance.argmin()), len(other))
        loop = np.concatenate([other[j:], other[: j + 1]])
        ring = np.concatenate([ring[: i + 1], loop, ring[i:]])
    return ring


def ring_area(ring: np.ndarray) -> float:
    """Area inside a ring of (K, 2) points in either direction (the shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _filled(ring: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels, of an (h, w) crop, whose middle is inside a ring: row by row, edges turn it on and off."""
    height, width = shape
    turns = np.zeros((height, width + 1), bool)
    for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, 0), strict=True):
        if y1 == y2:
            continue
        low, high = (math.ceil(y - 0.5) for y in sorted((y1, y2)))
        rows = np.arange(max(low, 0), min(high, height))
        crossed = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
        turns[rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(int)] ^= True
    filled: np.ndarray = np.logical_xor.accumulate(turns, axis=1)[:, :width]
    return filled


def _ring(cells: np.ndarray, tolerance: float) -> np.ndarray:
    """A contour in cells of half a pixel as a ring along the pixels' edges: corners only, simplified if asked."""
    ring = (cells + 1) // 2
    if tolerance > 0:
        simple = cv2.approxPolyDP(ring, tolerance, True)[:, 0].astype(np.float64)
        if len(simple) >= 3 and ring_area(simple) > 0:
            return simple
    ring = ring[np.any(ring != np.roll(ring, 1, 0), 1)]
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    corners: np.ndarray = ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return corners.astype(np.float64)


def _runs(rle: RLE) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last index, counted down the columns, of every non-empty run of ones."""
    edges = np.cumsum(run_lengths(rle.counts))
    ends = edges[1::2]
    starts = edges[0::2][: len(ends)]
    filled = ends > starts
    return starts[filled], ends[filled]


def _bounds(starts: np.ndarray, ends: np.ndarray, height: int) -> tuple[int, int, int, int]:
    if len(starts) == 0:
        return 0, 0, 0, 0
    left, right = int(starts[0]) // height, int(ends[-1] - 1) // height
    if np.any(starts // height != (ends - 1) // height):
        return left, 0, right - left + 1, height
    top, bottom = int((starts % height).min()), int(((ends - 1) % height).max())
    return left, top, right - left + 1, bottom - top + 1
