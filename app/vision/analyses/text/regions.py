"""Where text is: the detector's input, and rectangles around lines from the map that it gives.

Differentiable binarisation (Liao et al., arXiv 1911.08947) draws each line thinner than it is, so that neighbours stay
apart; the rectangle around what it drew is grown again. The values are those of PP-OCRv6.
"""

import cv2
import numpy as np

# Of ImageNet's pixels from 0 to 1, in the order of the input: blue, green, red, as the detector was trained with.
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)
# The network's sides are multiples of this; as wide is the margin around the photo, so that text may touch its edge.
STRIDE = 32
# Of a pixel to be text; of a region, as the mean of its pixels.
PIXEL_THRESHOLD, REGION_THRESHOLD = 0.3, 0.5
GROWTH = 1.6
# Pixels of the map: the thinnest region; and a line that is better looked at in a smaller picture.
MIN_THICKNESS, LARGE = 3, 32
# Regions of one map that are looked at, the largest first.
MAX_REGIONS = 1000


def prepare(rgb: np.ndarray) -> np.ndarray:
    """A photo, (H, W, 3) uint8 RGB, as the detector's input, (1, 3, h, w) float32, with a margin of STRIDE."""
    right, bottom = (STRIDE + -side % STRIDE for side in rgb.shape[1::-1])
    framed = cv2.copyMakeBorder(rgb, STRIDE, bottom, STRIDE, right, cv2.BORDER_REPLICATE)
    values = framed[:, :, ::-1].astype(np.float32)
    values /= 255
    values -= MEAN
    values /= STD
    return np.ascontiguousarray(values.transpose(2, 0, 1))[None]


def find_regions(text_map: np.ndarray) -> np.ndarray:
    """Rectangles around lines of text, (N, 4, 2) float32: corners clockwise, in pixels of the picture without margin.

    text_map: (h, w) float32, the probability of each pixel to be text.
    """
    mask = cv2.dilate((text_map > PIXEL_THRESHOLD).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # Of each region the outline; its holes have a parent.
    outlines = [contours[i] for i in range(len(contours)) if hierarchy[0, i, 3] < 0]
    outlines.sort(key=cv2.contourArea, reverse=True)
    grown = [_grown(outline, text_map) for outline in outlines[:MAX_REGIONS]]
    corners = [rectangle for rectangle in grown if rectangle is not None]
    return np.array(corners, np.float32).reshape(-1, 4, 2) - np.float32(STRIDE)


def merge(small: np.ndarray, large: np.ndarray, scale: float) -> np.ndarray:
    """One rectangle for each line, (N, 4, 2) in pixels of the larger picture, from those found in it and a smaller one.

    Large letters fall apart in the larger picture, and single small ones may vanish in it. So a line that is large even
    in the smaller picture is taken from there, any other one from the larger picture, or where only one picture has it.

    small, large: as `find_regions` gives them; scale: of the smaller picture beside the larger one.
    """
    thickness = np.linalg.norm(np.roll(small, -1, axis=1) - small, axis=2).min(axis=1)
    chosen, rest = small[thickness >= LARGE] / scale, small[thickness < LARGE] / scale
    for rectangles in (large, rest):
        chosen = np.concatenate((chosen, rectangles[~_meet(rectangles, chosen)]))
    merged: np.ndarray = chosen
    return merged


def _meet(rectangles: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rectangles have the middle of one of the others inside, or theirs inside one, (N,) bool."""
    inside = _inside(rectangles, others.mean(axis=1)) | _inside(others, rectangles.mean(axis=1)).T
    flags: np.ndarray = inside.any(axis=1)
    return flags


def _inside(rectangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which of (M, 2) points lie in each of (N, 4, 2) rectangles: (N, M) bool."""
    result = np.ones((len(rectangles), len(points)), bool)
    steps = points[None] - rectangles[:, :1]
    for corner in (1, 3):
        edges = rectangles[:, corner] - rectangles[:, 0]
        along = np.einsum("nmk,nk->nm", steps, edges)
        result &= (along >= 0) & (along <= (edges**2).sum(axis=1)[:, None])
    return result


def _grown(outline: np.ndarray, text_map: np.ndarray) -> np.ndarray | None:
    """The rectangle around a region, grown to the whole line; None where it is too thin or too unsure."""
    middle, (width, height), angle = cv2.minAreaRect(outline)
    if min(width, height) < MIN_THICKNESS:
        return None
    if _mean_inside(text_map, cv2.boxPoints((middle, (width, height), angle))) < REGION_THRESHOLD:
        return None
    # Every edge moves outwards by area times ratio by perimeter, as in the paper.
    by = 2 * GROWTH * width * height / (2 * (width + height))
    return cv2.boxPoints((middle, (width + by, height + by), angle))


def _mean_inside(text_map: np.ndarray, corners: np.ndarray) -> float:
    limits = np.array(text_map.shape[::-1]) - 1
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limits)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, limits)
    window = text_map[low[1] : high[1] + 1, low[0] : high[0] + 1]
    inside = np.zeros(window.shape, np.uint8)
    cv2.fillPoly(inside, [(corners - low).astype(np.int32)], 1)
    return float(cv2.mean(window, inside)[0])
