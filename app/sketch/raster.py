"""Strokes to a bitmap of 28x28, as QuickDraw makes its own: the one raster of training and serving.

QuickDraw scales a drawing into a box of 0 to 255 and draws it with a round pen of 16 units, centred by its box, on a
square of 304 units (the box, the pen and a margin of 16 on each side), which becomes 28x28 pixels; see
`vector_to_raster` in https://github.com/googlecreativelab/quickdraw-dataset/issues/19. There the drawing was thinned
out before (Ramer-Douglas-Peucker, 2 units). That moves no line by more than a fifth of a pixel, and is left out here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

# Each (N, 2) float: x to the right and y down, in any unit.
Strokes = Sequence[npt.NDArray[np.float64]]

SIDE = 28  # pixels of the bitmap
BOX = 255.0  # units: the longer side of every drawing
PEN = 16.0
SQUARE = 304.0
# The bitmap is averaged from one this many times finer: there OpenCV's pen, an odd number of pixels, is 31 wide, where
# 16 of 304 units are 30.9.
FINER = 21
_THICKNESS = 30  # OpenCV draws even widths one pixel wider.
_SHIFT = 4  # binary places after the point in coordinates
_PER_UNIT = SIDE * FINER / SQUARE * (1 << _SHIFT)
# The least longer side of a drawing, as a share of the canvas's side: below it is a dot.
LEAST_EXTENT = 0.04


class NothingDrawn(ValueError):
    """There is no drawing: nothing at all, or a dot."""

    def __init__(self) -> None:
        super().__init__("Draw something first.")


class NotADrawing(ValueError):
    """An image that is no line drawing; the message is one sentence for people."""


def raster(strokes: Strokes, canvas: float | None = None) -> npt.NDArray[np.uint8]:
    """Draw strokes as QuickDraw does.

    Args:
        strokes: each (N, 2), x to the right and y down, in any unit. A stroke of one point is a dot.
        canvas: side of the canvas in that unit; with it, a drawing smaller than a 25th of it counts as none.

    Returns:
        (28, 28) uint8, white on black.

    Raises:
        NothingDrawn: no strokes, or all their points in one place.
        ValueError: a stroke of another shape, or a coordinate that is no finite number.
    """
    boxed = to_box(strokes, canvas)
    fine = np.zeros((SIDE * FINER, SIDE * FINER), np.uint8)
    # A pixel's coordinates are those of its middle.
    lines = [np.rint(stroke * _PER_UNIT - (1 << _SHIFT) / 2).astype(np.int32) for stroke in boxed]
    lines = [line if len(line) > 1 else np.repeat(line, 2, axis=0) for line in lines]
    cv2.polylines(fine, lines, False, (255,), _THICKNESS, cv2.LINE_8, _SHIFT)
    return cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def to_box(strokes: Strokes, canvas: float | None = None) -> list[npt.NDArray[np.float64]]:
    """Scale and centre strokes on the square of 304 units; the longer side of their box is 255. Raises as `raster`."""
    drawn = [np.asarray(stroke, np.float64) for stroke in strokes]
    if any(stroke.ndim != 2 or stroke.shape[1] != 2 for stroke in drawn):
        raise ValueError("A stroke is a list of points of two coordinates.")
    drawn = [stroke for stroke in drawn if len(stroke)]
    if not drawn:
        raise NothingDrawn
    points = np.concatenate(drawn)
    if not np.isfinite(points).all():
        raise ValueError("Coordinates must be finite numbers.")
    least, greatest = points.min(axis=0), points.max(axis=0)
    # Halved first: the difference of two great numbers may be too great for a float.
    half = float((greatest / 2 - least / 2).max())
    if half <= 0 or not _apart(least, greatest) or (canvas is not None and 2 * half < LEAST_EXTENT * canvas):
        raise NothingDrawn
    middle = least / 2 + greatest / 2
    return [(stroke / 2 - middle / 2) / half * BOX + SQUARE / 2 for stroke in drawn]


def _apart(least: npt.NDArray[np.float64], greatest: npt.NDArray[np.float64]) -> bool:
    """Whether a box has an extent beyond what rounding may make of one place."""
    span = np.abs(np.stack([least, greatest])).max()
    return bool((greatest / 2 - least / 2).max() > 1e-9 * span)
