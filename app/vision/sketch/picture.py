"""An image of a line drawing to QuickDraw's 28x28 raster, whatever its size, colours and width of pen.

The ink is found by its distance from the paper's colour, thinned to lines one pixel wide, and drawn again with
QuickDraw's pen. What is no line drawing is refused: photos, noise, filled shapes.
"""

import cv2
import numpy as np
import numpy.typing as npt

from app.vision.sketch.raster import BOX, PEN, SIDE, SQUARE, NotADrawing, NothingDrawn
from app.vision.sketch.thinning import thin

Ink = npt.NDArray[np.uint8]

WORK = 1024  # pixels: larger images are scaled down to this first
# Steps of 255 by which ink must differ from paper, and within which paper counts as even.
LEAST_CONTRAST = 48
EVEN = 24
# Least share of the image that must be even paper, and most that may be neither paper nor full ink.
LEAST_PAPER = 0.5
MOST_BETWEEN = 0.15
# Greatest half width of a line, and most separate marks, beyond which it is no drawing; width of the drawing's box = 1.
THICKEST = 0.16
MOST_MARKS = 150
# The least longer side of a drawing, as a share of the image's longer side.
LEAST_EXTENT = 0.04
LEAST_PIXELS = 12
_FINER = 2  # pixels a unit of the square on which the pen is drawn again

_NOT_LINES = "This does not look like a line drawing; use dark lines on plain paper, or light ones on a dark ground."


def picture(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bring an image of a drawing to the raster that `raster` makes of strokes.

    Args:
        rgb: (H, W, 3) uint8, dark lines on light paper or light ones on dark. A bitmap of 28x28 is taken as it is,
            turned to white on black.

    Returns:
        (28, 28) uint8, white on black.

    Raises:
        NothingDrawn: blank, or no more than a dot.
        NotADrawing: a photo, noise, or filled shapes.
    """
    ink = _ink(_at_most(np.ascontiguousarray(rgb), WORK))
    marks = _marks(ink)
    x, y, width, height = cv2.boundingRect(marks)
    if max(width, height) < LEAST_EXTENT * max(marks.shape) or np.count_nonzero(marks) < LEAST_PIXELS:
        raise NothingDrawn
    if rgb.shape[:2] == (SIDE, SIDE):
        return ink
    _check_paper(ink)
    # A margin of one pixel of paper keeps lines at the edge whole for the thinning.
    padded = np.pad(ink, 1)
    lines = _lines(padded[y : y + height + 2, x : x + width + 2])
    return _drawn_again(lines)


def _at_most(rgb: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    scale = side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _ink(rgb: npt.NDArray[np.uint8]) -> Ink:
    """How much ink each pixel has, 0 to 255: its distance from the paper's colour, over that of the fullest ink."""
    paper = _paper(rgb)
    distance = cv2.absdiff(rgb, np.broadcast_to(paper, rgb.shape).astype(np.uint8)).max(axis=2)
    inked = distance[distance >= LEAST_CONTRAST]
    if not inked.size:
        raise NothingDrawn
    full = float(np.percentile(inked, 90))
    return np.minimum(distance * (255.0 / full), 255).round().astype(np.uint8)


def _paper(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The paper's colour: the commonest of 16x16x16, as the median of its pixels."""
    cells = (rgb >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    counts = np.bincount(cells.ravel(), minlength=4096)
    return np.median(rgb[cells == counts.argmax()], axis=0).astype(np.uint8)


def _marks(ink: Ink) -> Ink:
    return (ink >= 128).astype(np.uint8)


def _check_paper(ink: Ink) -> None:
    """Refuse what has too little plain paper, or too much that is neither ink nor paper."""
    paper = np.count_nonzero(ink < EVEN * 2)
    # The rims of lines are between, on any drawing: they do not count.
    rims = cv2.dilate(_marks(ink), np.ones((7, 7), np.uint8))
    between = np.count_nonzero((ink >= EVEN * 2) & (rims == 0))
    if paper < LEAST_PAPER * ink.size or between > MOST_BETWEEN * ink.size:
        raise NotADrawing(_NOT_LINES)


def _lines(ink: Ink) -> npt.NDArray[np.float64]:
    """The middle of every line, as points (N, 2) x, y in pixels of the ink given, scaled to about 256."""
    height, width = ink.shape
    scale = BOX / max(width, height)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    smooth = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    marks = np.pad((smooth >= 128).astype(np.uint8), 2)
    if cv2.connectedComponents(marks)[0] - 1 > MOST_MARKS:
        raise NotADrawing(_NOT_LINES)
    if cv2.distanceTransform(marks, cv2.DIST_L2, 3).max() > THICKEST * BOX:
        raise NotADrawing(_NOT_LINES)
    rows, columns = np.nonzero(thin(marks))
    if not len(rows):
        raise NothingDrawn
    return np.stack([columns, rows], axis=1).astype(np.float64)


def _drawn_again(points: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Draw QuickDraw's pen at every point, the longer side of their box made 255 units."""
    least, greatest = points.min(axis=0), points.max(axis=0)
    extent = float((greatest - least).max())
    if extent < 2:
        raise NothingDrawn
    placed = (points - (least + greatest) / 2) * (BOX / extent) + SQUARE / 2
    side = int(SQUARE) * _FINER
    far = np.full((side, side), 1, np.uint8)
    columns, rows = np.rint(placed * _FINER - 0.5).astype(int).T
    far[rows, columns] = 0
    distance = cv2.distanceTransform(far, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    pen = np.clip(PEN / 2 * _FINER - distance + 0.5, 0, 1).astype(np.float32)
    return np.rint(cv2.resize(pen, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
