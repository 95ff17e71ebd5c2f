"""Rows: one line of any result, as lists, overlays, drawing, exports and the search index need it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class RLE:
    """One binary mask in COCO's compressed run-length encoding (pycocotools).

    size: (height, width) of the photo; counts: the encoding as an ASCII string.
    """

    size: tuple[int, int]
    counts: str

    def to_coco(self) -> dict[str, Any]:
        """The dict that `pycocotools.mask` functions take, with `counts` as bytes."""
        return {"size": list(self.size), "counts": self.counts.encode("ascii")}


@dataclass(frozen=True)
class Row:
    """One line of any result: all that lists, overlays, drawing, exports and the search index need.

    kind: the noun under which it is counted: object, face, label; name: its class; score: 0..1, as stored.
    box: x1 y1 x2 y2 in pixels of the upright photo; None if the row is about the whole photo.
    mask: of the photo's size; corners: four x y, clockwise from the upper left one in reading direction, if the outline
    is a quadrilateral; points: named landmarks, x y; text: the text that was read.
    layer: the flag of a view that must be on for the row to be shown, or empty.
    tagged: whether a tag in the picture names it.
    """

    kind: str
    name: str
    score: float
    box: Box | None = None
    mask: RLE | None = None
    corners: tuple[Point, ...] = ()
    points: tuple[tuple[str, Point], ...] = ()
    text: str = ""
    layer: str = ""
    tagged: bool = True

    @property
    def shown_score(self) -> float:
        """The score as it is shown and compared everywhere."""
        return shown_score(self.score)


class Category(NamedTuple):
    """A class that a result can have: its name, the group it belongs to, and the names of its landmarks."""

    name: str
    group: str = ""
    points: tuple[str, ...] = ()


def shown_score(score: float) -> float:
    """A score as it is shown and compared everywhere: at four decimals, so that server and browser agree."""
    return round(score * 10_000) / 10_000
