"""What is exported: photos with their results, as rows that every format writes in its own way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.vision import masks
from app.vision.analyses.registry import ordered
from app.vision.results import Analysed
from app.vision.rows import Box, Category, Point, Row
from app.vision.view import View

Results = Mapping[str, Analysed]


@dataclass(frozen=True)
class ExportItem:
    """A photo with its results.

    name: of the file as it was sent; load_photo: gives its bytes, called only by formats that hold pixels;
    width, height: of the upright photo; results: stored results by analyzer, or a function that loads them, so that
    a long export need not hold all at once; spend: told how many pixels are about to be decoded or made, it may raise.
    """

    name: str
    load_photo: Callable[[], bytes]
    width: int
    height: int
    results: Results | Callable[[], Results]
    spend: Callable[[int], None] = lambda pixels: None

    def load_results(self) -> Results:
        """The stored results by analyzer."""
        return self.results() if callable(self.results) else self.results


def export_rows(results: Results, item: ExportItem, view: View) -> list[Row]:
    """The rows with boxes that a view selects of a photo's results, as `rows_of` gives them."""
    return [row for analysed in ordered(results) for row in rows_of(analysed, item, view)]


def rows_of(analysed: Analysed, item: ExportItem, view: View) -> list[Row]:
    """The rows with boxes that a view selects of one result: scores at four decimals, coordinates at two, inside the
    photo; a mask without pixels is None."""
    limits = (item.width, item.height)
    return [_export_row(row, row.box, limits) for row in view.select(analysed.result.rows()) if row.box is not None]


def labels(results: Results) -> dict[str, float]:
    """What the whole photo shows, by name, with its probability at four decimals."""
    rows = [row for analysed in ordered(results) for row in analysed.result.rows()]
    return {row.name: row.shown_score for row in rows if row.box is None}


def categories(results: Results) -> list[Category]:
    """All classes that rows of these results can have, also those that were not found, each once."""
    known: dict[str, Category] = {}
    for analysed in ordered(results):
        for category in analysed.result.categories():
            known.setdefault(category.name, category)
    return list(known.values())


def box_of(row: Row) -> Box:
    """The box of an export row."""
    assert row.box is not None
    return row.box


def area(row: Row) -> float:
    """In pixels: of the mask, else of the quadrilateral, else of the box."""
    if row.mask:
        return float(masks.area(row.mask))
    if row.corners:
        return round(masks.ring_area(np.array(row.corners)), 2)
    x1, y1, x2, y2 = box_of(row)
    return (x2 - x1) * (y2 - y1)


def components(row: Row) -> list[masks.Component]:
    """Outline and holes of every piece of the mask, simplified as far as a screen does not show it; without a mask the
    quadrilateral, else the box."""
    if row.mask:
        return masks.components(row.mask, masks.unseen_tolerance(row.mask))
    x1, y1, x2, y2 = box_of(row)
    return [masks.Component(np.array(row.corners or [(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64), [])]


def polygons(row: Row) -> list[np.ndarray]:
    """One polygon for each of `components`, (K, 2) x y in pixels, with cuts to its holes."""
    return [masks.join(component.outline, component.holes) for component in components(row)]


def _export_row(row: Row, box: Box, limits: tuple[int, int]) -> Row:
    x1, y1, x2, y2 = np.clip(box, 0, 2 * limits).round(2).tolist()
    return replace(
        row,
        score=row.shown_score,
        box=(x1, y1, max(x1, x2), max(y1, y2)),
        mask=row.mask if row.mask and masks.area(row.mask) else None,
        corners=_clipped(row.corners, limits),
        points=tuple((name, (round(x, 2), round(y, 2))) for name, (x, y) in row.points),
    )


def _clipped(corners: Sequence[Point], limits: tuple[int, int]) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in np.clip(np.reshape(corners, (-1, 2)), 0, limits).round(2).tolist())
