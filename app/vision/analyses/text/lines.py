"""Lines of text as they are read: which way up each is, cut out of the photo, and in which order."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

# (H, W, 3) uint8 RGB, and its scale beside the photo.
Picture = tuple[np.ndarray, float]
# Height of a line as the networks see it, in pixels.
HEIGHT = 48
# A line that is longer than this share of its thickness says by its shape in which direction it runs.
ELONGATED = 1.5


def upright(rectangles: np.ndarray) -> np.ndarray:
    """Rectangles, (N, 4, 2) clockwise, each from the corner where its line begins, or ends where it is upside down.

    A line runs along its longer side, to the right or else downwards. Nearly square ones, such as a single digit, run
    as most of the long ones do: on a page that lies on its side, downwards too.
    """
    lengths = np.linalg.norm(np.roll(rectangles, -1, axis=1) - rectangles, axis=2)[:, :2]
    elongated = lengths.max(axis=1) >= ELONGATED * lengths.min(axis=1)
    along = _rolled(rectangles, lengths.argmax(axis=1))
    downwards = runs_down(along)
    weights = np.where(elongated, lengths.max(axis=1), 0)
    page_lies = weights[downwards].sum() > weights.sum() / 2
    along = _rolled(along, (~elongated & (downwards != page_lies)).astype(int))
    steps = along[:, 1] - along[:, 0]
    backwards = np.where(runs_down(along), steps[:, 1], steps[:, 0]) < 0
    return turned(along, backwards)


def runs_down(rectangles: np.ndarray) -> np.ndarray:
    """Which lines run more down or up than to a side, (N,) bool."""
    steps = np.abs(rectangles[:, 1] - rectangles[:, 0])
    flags: np.ndarray = steps[:, 1] > steps[:, 0]
    return flags


def turned(rectangles: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The rectangles, those that (N,) bool flags name read the other way round."""
    return _rolled(rectangles, 2 * which)


def upside_down(rectangles: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which lines are upside down, and which of these answers are doubtful, (N,) bool each.

    Lines that run alike mostly stand alike, so all that run across are decided together, as are all that run down, by
    the mean chance with the weight of their lengths. A line of which the classifier says otherwise is doubtful.

    chances: (N,) of each line to be upside down.
    """
    flags = np.zeros(len(rectangles), bool)
    down = runs_down(rectangles)
    lengths = np.linalg.norm(rectangles[:, 1] - rectangles[:, 0], axis=1)
    for group in (down, ~down):
        if group.any():
            flags[group] = np.average(chances[group], weights=lengths[group]) > 0.5
    return flags, (chances > 0.5) != flags


def largest(rectangles: np.ndarray, max_columns: int, step: int, max_width: int) -> np.ndarray:
    """Of rectangles as `upright` gives them those of the largest area, together at most `max_columns` wide as read."""
    sides = np.linalg.norm(np.roll(rectangles, -1, axis=1) - rectangles, axis=2)[:, :2]
    order = np.argsort(-sides.prod(axis=1), kind="stable")
    widths = [padded(width_of(rectangle, max_width), step) for rectangle in rectangles[order]]
    kept: np.ndarray = rectangles[order[np.cumsum(widths) <= max_columns]]
    return kept


def width_of(rectangle: np.ndarray, max_width: int) -> int:
    """Pixels that a line of HEIGHT is wide; a longer one is squeezed. rectangle: (4, 2), from where the line begins."""
    length, thickness = (float(np.linalg.norm(rectangle[i + 1] - rectangle[i])) for i in (0, 1))
    return max(1, min(max_width, round(length * HEIGHT / max(thickness, 1e-3))))


def padded(width: int, step: int) -> int:
    """A width up to the next multiple of `step`."""
    return -(-width // step) * step


def strip(pictures: Sequence[Picture], rectangle: np.ndarray, width: int) -> np.ndarray:
    """A line cut out and stood up, (HEIGHT, width, 3) uint8.

    From the smallest picture in which it is at least as thick as it will be: what is larger would have to be smoothed.

    pictures: the smallest first; rectangle: (4, 2), in pixels of the photo.
    """
    thickness = float(np.linalg.norm(rectangle[2] - rectangle[1]))
    picture, scale = next((pair for pair in pictures if thickness * pair[1] >= HEIGHT), pictures[-1])
    corners = np.array([(0, 0), (width, 0), (width, HEIGHT)], np.float32)
    matrix = cv2.getAffineTransform((rectangle[:3] * scale).astype(np.float32), corners)
    return cv2.warpAffine(picture, matrix, (width, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def reading_order(rectangles: np.ndarray) -> np.ndarray:
    """The indices of lines in the order in which one reads: row by row as most of them lie, each from its start."""
    steps = rectangles[:, 1] - rectangles[:, 0]
    page = steps.sum(axis=0)
    page = page / (np.linalg.norm(page) or 1)
    middles = rectangles.mean(axis=1)
    along, down = middles @ page, middles @ np.array((-page[1], page[0]))
    thickness = np.linalg.norm(rectangles[:, 2] - rectangles[:, 1], axis=1)
    row, rows = 0, np.zeros(len(rectangles), int)
    order = np.argsort(down, kind="stable")
    for before, index in itertools.pairwise(order):
        row += bool(down[index] - down[before] > min(thickness[index], thickness[before]) / 2)
        rows[index] = row
    ordered: np.ndarray = np.lexsort((along, rows))
    return ordered


def _rolled(rectangles: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Each rectangle from its corner number `by`, (N,)."""
    return np.take_along_axis(rectangles, ((np.arange(4) + by[:, None]) % 4)[:, :, None], axis=1)
