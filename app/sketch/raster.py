"""From strokes to a bitmap of 28x28, the way QuickDraw makes its own. Training and serving use the same code.

QuickDraw scales a drawing into a box of 0 to 255 and draws it with a round pen of 16 units, centred by its box, on a
square of 304 units (the box, the pen and a margin of 16 on each side), which becomes 28x28 pixels; see
`vector_to_raster` in https://github.com/googlecreativelab/quickdraw-dataset/issues/19. There the drawing was simplified
before (Ramer-Douglas-Peucker, 2 units). That moves no line by more than a fifth of a pixel and is left out here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

# Each stroke is (N, 2) float: x to the right and y down, in any unit.
Strokes = Sequence[npt.NDArray[np.float64]]

SIDE = 28  # pixels of the bitmap
BOX = 255.0  # units: the longer side of every drawing
PEN = 16.0
SQUARE = 304.0
# The bitmap is averaged from one this many times larger, in which 16 of 304 units are 30.9 pixels. OpenCV's pen, an odd
# number of pixels, is 31 wide.
OVERSAMPLING = 21
_THICKNESS = 30  # OpenCV draws even widths one pixel wider.
_SHIFT = 4  # fractional bits of coordinates
_PER_UNIT = SIDE * OVERSAMPLING / SQUARE * (1 << _SHIFT)
# Minimum longer side of a drawing, relative to the canvas; anything smaller is a dot.
MIN_EXTENT = 0.04


class NothingDrawn(ValueError):
    """There is no drawing: nothing, or only a dot."""

    def __init__(self) -> None:
        super().__init__("Draw something first.")


class NotADrawing(ValueError):
    """An image that is not a line drawing; the message is one sentence for users."""


def raster(strokes: Strokes, canvas: float | None = None) -> npt.NDArray[np.uint8]:
    """Draw strokes as QuickDraw does.

    Args:
        strokes: each (N, 2), x to the right and y down, in any unit. A stroke of one point is a dot.
        canvas: side of the canvas in the same unit; a drawing smaller than a 25th of it counts as nothing drawn.

    Returns:
        (28, 28) uint8, white on black.

    Raises:
        NothingDrawn: no strokes, or all points at one place.
        ValueError: a stroke of another shape, or a coordinate that is not finite.
    """
    boxed = to_box(strokes, canvas)
    fine = np.zeros((SIDE * OVERSAMPLING, SIDE * OVERSAMPLING), np.uint8)
    # OpenCV's coordinates are those of a pixel's centre.
    lines = [np.rint(stroke * _PER_UNIT - (1 << _SHIFT) / 2).astype(np.int32) for stroke in boxed]
    lines = [line if len(line) > 1 else np.repeat(line, 2, axis=0) for line in lines]
    cv2.polylines(fine, lines, False, (255,), _THICKNESS, cv2.LINE_8, _SHIFT)
    return cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def to_box(strokes: Strokes, canvas: float | None = None) -> list[npt.NDArray[np.float64]]:
    """Scale and centre strokes on the square of 304 units, with a bounding box of 255. Raises like `raster`."""
    drawn = [np.asarray(stroke, np.float64) for stroke in strokes]
    if any(stroke.ndim != 2 or stroke.shape[1] != 2 for stroke in drawn):
        raise ValueError("A stroke is a list of points of two coordinates.")
    drawn = [stroke for stroke in drawn if len(stroke)]
    if not drawn:
        raise NothingDrawn
    points = np.concatenate(drawn)
    if not np.isfinite(points).all():
        raise ValueError("Coordinates must be finite numbers.")
    low, high = points.min(axis=0), points.max(axis=0)
    # Halved first, because the difference of two large numbers may overflow.
    half = float((high / 2 - low / 2).max())
    if half <= 0 or not _has_extent(low, high) or (canvas is not None and 2 * half < MIN_EXTENT * canvas):
        raise NothingDrawn
    centre = low / 2 + high / 2
    return [(stroke / 2 - centre / 2) / half * BOX + SQUARE / 2 for stroke in drawn]


def _has_extent(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> bool:
    """Whether the extent of a box is larger than a rounding error."""
    span = np.abs(np.stack([low, high])).max()
    return bool((high / 2 - low / 2).max() > 1e-9 * span)
