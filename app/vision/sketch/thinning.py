"""Thinning: wide lines to lines one pixel wide, with the algorithm of Zhang and Suen (1984)."""

import cv2
import numpy as np
import numpy.typing as npt

# The eight neighbours, clockwise from above, as bits of a code.
_BITS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)


def _table(step: int) -> npt.NDArray[np.uint8]:
    """1 for each code of neighbours whose middle pixel one of the two steps keeps."""
    kept = np.ones(256, np.uint8)
    for code in range(256):
        up, _, right, _, down, _, left, _ = around = [code >> bit & 1 for bit in range(8)]
        begins = sum(a < b for a, b in zip(around, around[1:] + around[:1], strict=True))
        if step == 0:
            free = not (up and right and down) and not (right and down and left)
        else:
            free = not (up and right and left) and not (up and down and left)
        kept[code] = not (2 <= sum(around) <= 6 and begins == 1 and free)
    return kept


_KEPT = (_table(0), _table(1))


def thin(marks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Peel marks to lines one pixel wide that join and end where the marks do.

    Args:
        marks: (H, W) uint8 of 0 and 1, 0 along the edge.

    Returns:
        The same shape, of 0 and 1.
    """
    thinned = marks.copy()
    while True:
        before = int(thinned.sum())
        for kept in _KEPT:
            codes = cv2.filter2D(thinned, cv2.CV_8U, _BITS, borderType=cv2.BORDER_CONSTANT)
            thinned &= kept[codes]
        if int(thinned.sum()) == before:
            return thinned
