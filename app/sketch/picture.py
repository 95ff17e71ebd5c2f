"""An image of a line drawing to QuickDraw's 28x28 raster, whatever its size, colours and width of pen.

The ink is found by its distance from the paper's colour, made as thick or thin as QuickDraw's pen would have drawn it,
and placed by the box of its lines' middles. What is no line drawing is refused: photos, noise, filled shapes.
"""

import cv2
import numpy as np
import numpy.typing as npt

from app.sketch.raster import BOX, PEN, SIDE, SQUARE, NotADrawing, NothingDrawn

Ink = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LARGEST = 768  # pixels: larger images are scaled down first, by the least whole number that makes them no larger
FINE = 400  # pixels of the longer side of the ink's box when its width is measured and changed
# Pixels of the longer side that are enough to find the paper's colour by.
ENOUGH_PAPER = 128
# Steps of 255 by which ink must differ from paper; and, of full ink's 255, below which a pixel counts as paper.
LEAST_CONTRAST = 48
PAPER = 48
# Least share of the image that must be paper, of a bitmap as well; and most, of as many pixels as have ink, that may be
# neither paper nor ink, rims of lines aside.
LEAST_PAPER = 0.5
LEAST_PAPER_OF_BITMAP = 0.25
MOST_BETWEEN = 0.15
# Most separate marks of a drawing; the greatest half width of its pen as a share of its box; and the most of its ink
# that may lie deeper than twice that half width, as in a filled shape.
MOST_MARKS = 150
THICKEST = 0.1
MOST_FILLED = 0.1
# OpenCV's approximate distances: within 2 % of the precise ones, a fiftieth of a pixel of the raster, in a third of the
# time.
DISTANCES = cv2.DIST_MASK_5
# The least longer side of a drawing, as a share of the image's longer side, and the fewest pixels.
LEAST_EXTENT = 0.04
LEAST_PIXELS = 12

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
    ink = _ink(_smaller(rgb))
    marks = _marks(ink)
    x, y, width, height = cv2.boundingRect(marks)
    if max(width, height) < LEAST_EXTENT * max(marks.shape) or np.count_nonzero(marks) < LEAST_PIXELS:
        raise NothingDrawn
    _check_paper(ink, marks)
    if rgb.shape[:2] == (SIDE, SIDE):
        return ink
    # A pixel of paper all around keeps the rims of lines at the image's edge.
    fine = _scaled(np.pad(ink, 1)[y : y + height + 2, x : x + width + 2], FINE)
    return _with_pen(_marks(np.pad(fine, 2)))


def _smaller(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image at most LARGEST; OpenCV averages whole numbers of pixels many times faster than parts of them."""
    by = -(-max(rgb.shape[:2]) // LARGEST)
    if by == 1:
        return np.ascontiguousarray(rgb)
    height, width = (max(1, length // by) for length in rgb.shape[:2])
    whole = rgb[: height * by, : width * by]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """The image with its longer side made so many pixels."""
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def _ink(rgb: npt.NDArray[np.uint8]) -> Ink:
    """How much ink each pixel has, 0 to 255: its distance from the paper's colour, over that of the fullest ink."""
    red, green, blue = cv2.split(cv2.absdiff(rgb, _paper(rgb)))
    distance = cv2.max(cv2.max(red, green), blue)
    inked = distance[distance >= LEAST_CONTRAST]
    if not inked.size:
        raise NothingDrawn
    # Of a bitmap the very fullest, so that it goes through as it is; elsewhere a glint may be fuller than all lines.
    full = float(np.percentile(inked, 100 if distance.shape == (SIDE, SIDE) else 90))
    return np.asarray(cv2.convertScaleAbs(distance, alpha=255.0 / full), np.uint8)


def _paper(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The paper's colour: the commonest of 16x16x16, as the median of its pixels; of a bitmap, that of its rim."""
    if rgb.shape[:2] == (SIDE, SIDE):
        return np.median(np.concatenate([rgb[[0, -1]], rgb[:, [0, -1]].swapaxes(0, 1)]), axis=(0, 1)).astype(np.uint8)
    step = max(1, max(rgb.shape[:2]) // ENOUGH_PAPER)
    pixels = rgb[::step, ::step].reshape(-1, 3)
    cells = (pixels >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    return np.median(pixels[cells == np.bincount(cells).argmax()], axis=0).astype(np.uint8)


def _marks(ink: Ink) -> Ink:
    return (ink >= 128).astype(np.uint8)


def _check_paper(ink: Ink, marks: Ink) -> None:
    """Refuse what has too little plain paper, or too much that is neither ink nor paper."""
    rims = cv2.dilate(marks, np.ones((5, 5), np.uint8))
    between = np.count_nonzero((ink >= PAPER) & (rims == 0))
    least = LEAST_PAPER_OF_BITMAP if ink.shape == (SIDE, SIDE) else LEAST_PAPER
    if np.count_nonzero(ink < PAPER) < least * ink.size:
        raise NotADrawing(_NOT_LINES)
    if between > MOST_BETWEEN * np.count_nonzero(marks):
        raise NotADrawing(_NOT_LINES)


def _with_pen(marks: Ink) -> npt.NDArray[np.uint8]:
    """Marks (H, W) of 0 and 1, drawn as if with QuickDraw's pen.

    The half width of the pen they were drawn with is the median depth of the ridges of the ink.
    """
    depth = cv2.distanceTransform(marks, cv2.DIST_L2, DISTANCES).astype(np.float32)
    ridges = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    half = float(np.median(depth[ridges])) - 0.5  # A pixel's depth counts to the middle of the first one outside.
    filled = np.count_nonzero(depth > 2 * half + 3) / np.count_nonzero(marks)
    x, y, width, height = cv2.boundingRect(marks)
    if half > THICKEST * max(width, height) or filled > MOST_FILLED or _count(marks) > MOST_MARKS:
        raise NotADrawing(_NOT_LINES)
    unit = (max(width, height) - 2 * half) / BOX  # pixels
    placed = _placed(marks, (x + width / 2, y + height / 2), round(SQUARE * unit))
    wanted = PEN / 2 * unit
    drawn = _thicker(placed, wanted - half) if wanted > half else _thinner(placed, half - wanted, wanted)
    return np.rint(cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)


def _count(marks: Ink) -> int:
    return cv2.connectedComponents(marks)[0] - 1


def _placed(marks: Ink, middle: tuple[float, float], side: int) -> Ink:
    """Marks moved so that a point of them is the middle of a square."""
    shift = np.array([[1, 0, round(side / 2 - middle[0])], [0, 1, round(side / 2 - middle[1])]], np.float32)
    return np.asarray(cv2.warpAffine(marks, shift, (side, side), flags=cv2.INTER_NEAREST), np.uint8)


def _thicker(marks: Ink, by: float) -> Floats:
    """Marks grown by so many pixels, with a soft rim."""
    distance = cv2.distanceTransform(1 - marks, cv2.DIST_L2, DISTANCES)
    return np.clip(by + 1 - distance, 0, 1).astype(np.float32)


def _thinner(marks: Ink, by: float, half: float) -> Floats:
    """Marks shrunk by so many pixels, with a soft rim; where they are too thin for that, as the pen would draw them."""
    depth = cv2.distanceTransform(marks, cv2.DIST_L2, DISTANCES).astype(np.float32)
    thin = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth < by + half)
    shrunk = np.clip(depth - by, 0, 1)
    if thin.any():
        away = cv2.distanceTransform((~thin).astype(np.uint8), cv2.DIST_L2, DISTANCES)
        shrunk = np.maximum(shrunk, np.clip(half + 0.5 - away, 0, 1) * marks)
    return shrunk.astype(np.float32)
