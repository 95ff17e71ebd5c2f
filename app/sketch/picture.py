"""From an image of a line drawing to QuickDraw's 28x28 bitmap, independent of its size, colours and pen width.

Ink is what differs from the paper's colour. It is made as thick as QuickDraw's pen and placed by the bounding box of
its centre lines. Images that are not line drawings are rejected: photos, noise, filled shapes.
"""

import cv2
import numpy as np
import numpy.typing as npt

from app.sketch.raster import BOX, PEN, SIDE, SQUARE, NotADrawing, NothingDrawn

Ink = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

MAX_SIDE = 768  # pixels: larger images are first scaled down, by the smallest whole number that suffices
BOX_SIDE = 400  # pixels: longer side of the ink's bounding box while the pen width is measured and changed
PAPER_SIDE = 128  # pixels: longer side at which the paper's colour is determined
MIN_CONTRAST = 48  # of 255, between ink and paper
MAX_PAPER_INK = 48  # of 255: with less ink a pixel counts as paper
# Share of an image, and of a bitmap, that must be paper.
MIN_PAPER = 0.5
MIN_PAPER_OF_BITMAP = 0.25
MAX_BETWEEN = 0.15  # pixels that are neither paper nor ink nor the edge of a line, relative to the pixels with ink
MAX_MARKS = 150  # separate marks of a drawing
MAX_HALF_WIDTH = 0.1  # of the pen, relative to the drawing's bounding box
MAX_FILLED = 0.1  # share of the ink that lies deeper than twice the pen's half width, as in a filled shape
# OpenCV's approximate distances take a third of the time of the exact ones and are within 2 % of them, which is a
# fiftieth of a pixel of the bitmap.
DISTANCE_MASK = cv2.DIST_MASK_5
MIN_EXTENT = 0.04  # longer side of a drawing, relative to the image's longer side
MIN_PIXELS = 12  # with ink

_NOT_LINES = "This does not look like a line drawing. Use dark lines on plain paper, or light lines on dark paper."


def picture(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Convert an image of a drawing to a bitmap like those that `raster` makes of strokes.

    Args:
        rgb: (H, W, 3) uint8, dark lines on light paper or light lines on dark paper. An image of 28x28 pixels is only
            converted to white on black.

    Returns:
        (28, 28) uint8, white on black.

    Raises:
        NothingDrawn: blank, or no more than a dot.
        NotADrawing: a photo, noise, or filled shapes.
    """
    ink = _ink(_smaller(rgb))
    marks = _marks(ink)
    x, y, width, height = cv2.boundingRect(marks)
    if max(width, height) < MIN_EXTENT * max(marks.shape) or np.count_nonzero(marks) < MIN_PIXELS:
        raise NothingDrawn
    _check_paper(ink, marks)
    if rgb.shape[:2] == (SIDE, SIDE):
        return ink
    # A border of paper keeps the edges of lines at the image's border.
    fine = _scaled(np.pad(ink, 1)[y : y + height + 2, x : x + width + 2], BOX_SIDE)
    return _with_pen(_marks(np.pad(fine, 2)))


def _smaller(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image at MAX_SIDE or less. OpenCV averages whole numbers of pixels many times faster than fractions."""
    factor = -(-max(rgb.shape[:2]) // MAX_SIDE)
    if factor == 1:
        return np.ascontiguousarray(rgb)
    height, width = (max(1, length // factor) for length in rgb.shape[:2])
    whole = rgb[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """The image resized to this longer side in pixels."""
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)


def _ink(rgb: npt.NDArray[np.uint8]) -> Ink:
    """The ink of each pixel, 0 to 255: its distance from the paper's colour, relative to that of full ink."""
    red, green, blue = cv2.split(cv2.absdiff(rgb, _paper(rgb)))
    distance = cv2.max(cv2.max(red, green), blue)
    inked = distance[distance >= MIN_CONTRAST]
    if not inked.size:
        raise NothingDrawn
    # A bitmap's maximum, so that it stays as it is. In other images a reflection may exceed all lines.
    full = float(np.percentile(inked, 100 if distance.shape == (SIDE, SIDE) else 90))
    return np.asarray(cv2.convertScaleAbs(distance, alpha=255.0 / full), np.uint8)


def _paper(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The paper's colour: the median of the most frequent of 16x16x16 colour cells; of a bitmap, that of its border."""
    if rgb.shape[:2] == (SIDE, SIDE):
        border = np.concatenate([rgb[[0, -1]], rgb[:, [0, -1]].swapaxes(0, 1)])
        return np.asarray(np.median(border, axis=(0, 1)), np.uint8)
    step = max(1, max(rgb.shape[:2]) // PAPER_SIDE)
    pixels = rgb[::step, ::step].reshape(-1, 3)
    cells = (pixels >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    return np.asarray(np.median(pixels[cells == np.bincount(cells).argmax()], axis=0), np.uint8)


def _marks(ink: Ink) -> Ink:
    return (ink >= 128).astype(np.uint8)


def _check_paper(ink: Ink, marks: Ink) -> None:
    """Raises NotADrawing for too little plain paper, or too many pixels that are neither ink nor paper."""
    rims = cv2.dilate(marks, np.ones((5, 5), np.uint8))
    between = np.count_nonzero((ink >= MAX_PAPER_INK) & (rims == 0))
    min_paper = MIN_PAPER_OF_BITMAP if ink.shape == (SIDE, SIDE) else MIN_PAPER
    if np.count_nonzero(ink < MAX_PAPER_INK) < min_paper * ink.size:
        raise NotADrawing(_NOT_LINES)
    if between > MAX_BETWEEN * np.count_nonzero(marks):
        raise NotADrawing(_NOT_LINES)


def _with_pen(marks: Ink) -> npt.NDArray[np.uint8]:
    """Marks (H, W) of 0 and 1, redrawn with QuickDraw's pen.

    The half width of the pen that drew them is the median depth of the ink's ridges.
    """
    depth = cv2.distanceTransform(marks, cv2.DIST_L2, DISTANCE_MASK).astype(np.float32)
    ridges = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    half = float(np.median(depth[ridges])) - 0.5  # Depth is measured to the centre of the first pixel outside.
    filled = np.count_nonzero(depth > 2 * half + 3) / np.count_nonzero(marks)
    x, y, width, height = cv2.boundingRect(marks)
    if half > MAX_HALF_WIDTH * max(width, height) or filled > MAX_FILLED or _count(marks) > MAX_MARKS:
        raise NotADrawing(_NOT_LINES)
    unit = (max(width, height) - 2 * half) / BOX  # pixels
    placed = _placed(marks, (x + width / 2, y + height / 2), round(SQUARE * unit))
    wanted = PEN / 2 * unit
    drawn = _thicker(placed, wanted - half) if wanted > half else _thinner(placed, half - wanted, wanted)
    return np.rint(cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)


def _count(marks: Ink) -> int:
    return cv2.connectedComponents(marks)[0] - 1


def _placed(marks: Ink, middle: tuple[float, float], side: int) -> Ink:
    """Marks moved so that a point of them is the centre of a square."""
    shift = np.array([[1, 0, round(side / 2 - middle[0])], [0, 1, round(side / 2 - middle[1])]], np.float32)
    return np.asarray(cv2.warpAffine(marks, shift, (side, side), flags=cv2.INTER_NEAREST), np.uint8)


def _thicker(marks: Ink, by: float) -> Floats:
    """Marks dilated by a number of pixels, with a soft edge."""
    distance = cv2.distanceTransform(1 - marks, cv2.DIST_L2, DISTANCE_MASK)
    return np.asarray(np.clip(by + 1 - distance, 0, 1), np.float32)


def _thinner(marks: Ink, by: float, half: float) -> Floats:
    """Marks eroded by a number of pixels, with a soft edge; where they are too thin for that, redrawn by the pen."""
    depth = cv2.distanceTransform(marks, cv2.DIST_L2, DISTANCE_MASK).astype(np.float32)
    thin = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth < by + half)
    shrunk = np.clip(depth - by, 0, 1)
    if thin.any():
        away = cv2.distanceTransform((~thin).astype(np.uint8), cv2.DIST_L2, DISTANCE_MASK)
        shrunk = np.maximum(shrunk, np.clip(half + 0.5 - away, 0, 1) * marks)
    return np.asarray(shrunk, np.float32)
