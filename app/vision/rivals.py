"""Rival guesses: the same thing, found under two classes or more.

A detector suppresses what overlaps within a class, not across classes, so that a dog can also be found as a bear.
Lists, pictures and tallies show such guesses as one shape; exports keep each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pycocotools import mask as coco

from app.vision.rows import Row
from app.vision.view import View, percent

OVERLAP: Final = 0.8  # Intersection over union.


@dataclass(frozen=True)
class Shape:
    """What is shown as one: a row, its place among the rows, and the weaker guesses at the same thing, best first."""

    row: Row
    index: int
    rivals: tuple[Row, ...] = ()

    @property
    def alternative(self) -> str:
        """The best of the other guesses, `or bear 80 %`; empty without any."""
        return f"or {self.rivals[0].name} {percent(self.rivals[0].shown_score)}" if self.rivals else ""


def shapes(rows: Sequence[Row], view: View) -> list[Shape]:
    """The rows of one result that a view shows, rivals together, in the rows' order."""
    first = surest(rows)
    groups: dict[int, list[int]] = {}
    for i in _best_first(rows):
        if view.reaches(rows[i]) and view.shows_row(rows[i]):
            groups.setdefault(first[i], []).append(i)
    return [Shape(rows[i], i, tuple(rows[j] for j in others)) for i, *others in sorted(groups.values())]


def counted(rows: Sequence[Row]) -> list[Row]:
    """The rows of one result that count where every class is shown: all but the rivals of a surer one."""
    return [row for i, (row, first) in enumerate(zip(rows, surest(rows), strict=True)) if i == first]


def surest(rows: Sequence[Row]) -> list[int]:
    """For each row of one result, the place of the surest guess at the same thing; its own without a surer rival.

    A row is a rival of a surer one of another class if their boxes overlap by more than `OVERLAP`, and their masks too
    where both have one. Rows with a text, with points or without a box have none, and no class is named twice.
    """
    places = list(range(len(rows)))
    guesses = [i for i in _best_first(rows) if rows[i].box and not rows[i].text and not rows[i].points]
    if len(guesses) < 2:
        return places
    boxes = np.array([rows[i].box for i in guesses], np.float64)
    close = _overlaps(boxes) > OVERLAP
    led: dict[int, set[str]] = {}
    for n, i in enumerate(guesses):
        leader = next((j for j in led if close[n, j] and _is_rival(rows[i], rows[guesses[j]], led[j])), n)
        led.setdefault(leader, set()).add(rows[i].name)
        places[i] = guesses[leader]
    return places


def _best_first(rows: Sequence[Row]) -> list[int]:
    return sorted(range(len(rows)), key=lambda i: -rows[i].score)


def _is_rival(row: Row, surer: Row, named: set[str]) -> bool:
    """Whether a row whose box is nearly a surer one's is a guess at the same thing that is not named yet."""
    if row.name in named:
        return False
    if row.mask is None or surer.mask is None:
        return True
    return float(coco.iou([row.mask.to_coco()], [surer.mask.to_coco()], [0])[0, 0]) > OVERLAP


def _overlaps(boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of each of (N, 4) boxes x1 y1 x2 y2 with each: (N, N)."""
    upper_left = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    lower_right = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(lower_right - upper_left, 0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    overlaps: np.ndarray = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9)
    return overlaps
