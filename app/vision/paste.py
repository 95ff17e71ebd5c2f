"""Pastes a mask head's small square of probabilities into its box in the photo."""

import numpy as np

# Rows are pasted in bands of at most this many pixels, to limit the memory for a mask over a whole 40-megapixel photo.
BAND_PIXELS = 4_000_000


def paste(
    probabilities: np.ndarray, box: np.ndarray, size: tuple[int, int], threshold: float
) -> tuple[np.ndarray, int, int]:
    """The mask of one instance, in a window just around its box.

    Bilinear interpolation is separable, so the window is `Y @ probabilities @ X.T`: the same pixels as
    `_do_paste_mask` of mmdet/models/roi_heads/mask_heads/fcn_mask_head.py (grid_sample, align_corners=False).

    Args:
        probabilities: (S, S) float32; box: (4,) float32, x1 y1 x2 y2 in pixels of the photo; size: (height, width).

    Returns:
        (window, x, y): (h, w) bool, and where in the photo its upper left corner lies.
    """
    height, width = size
    x0, y0 = (max(int(np.floor(v)) - 1, 0) for v in box[:2])
    x1, y1 = min(int(np.ceil(box[2])) + 1, width), min(int(np.ceil(box[3])) + 1, height)
    across = _weights(x0, x1, box[0], box[2], probabilities.shape[1]).T
    down = _weights(y0, y1, box[1], box[3], probabilities.shape[0])
    window = np.empty((max(y1 - y0, 0), max(x1 - x0, 0)), bool)
    rows = max(1, BAND_PIXELS // max(1, window.shape[1]))
    for top in range(0, window.shape[0], rows):
        band = down[top : top + rows] @ probabilities @ across
        np.greater_equal(band, threshold, out=window[top : top + rows])
    return window, x0, y0


def _weights(first: int, last: int, start: np.float32, end: np.float32, cells: int) -> np.ndarray:
    """(last - first, cells) float32: how much each cell counts for each pixel centre; zero beyond the square."""
    pixels = np.arange(first, last, dtype=np.float32) + np.float32(0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (pixels - start) / (end - start) * cells - np.float32(0.5)
    at[np.isinf(at)] = cells / 2 - 0.5
    weights: np.ndarray = np.maximum(1 - np.abs(at[:, None] - np.arange(cells, dtype=np.float32)), 0)
    return weights
