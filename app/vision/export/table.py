"""A table of everything found, as comma-separated values (RFC 4180), one row an object, a face or a label."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from app.vision.analyses.registry import ordered
from app.vision.export.files import ExportFile, base_name, spool, unique_names
from app.vision.export.items import ExportItem, area, box_of, rows_of
from app.vision.view import View

COLUMNS: Final = (
    *("photo", "photo_width", "photo_height", "kind", "class", "score"),
    *("x1", "y1", "x2", "y2", "area", "landmarks", "model"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # A spreadsheet would run a text that begins so.


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One file for all photos. landmarks: five `x y`, separated by semicolons."""
    with spool() as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        rows = csv.writer(text)
        rows.writerow(COLUMNS)
        for item, name in zip(items, unique_names(items), strict=True):
            rows.writerows([_cell(value) for value in row] for row in _rows(item, name, view))
        text.flush()
        text.detach()
    return ExportFile(f"{base_name(items)}.csv", "text/csv", file)


def _rows(item: ExportItem, name: str, view: View) -> Iterator[tuple[object, ...]]:
    photo = (name, item.width, item.height)
    for analysed in ordered(item.load_results()):
        model = analysed.card.model
        for row in rows_of(analysed, item, view):
            points = ";".join(f"{x:g} {y:g}" for _, (x, y) in row.points)
            yield (*photo, row.kind, row.name, row.score, *box_of(row), round(area(row), 2), points, model)
        for row in analysed.result.rows():
            if row.box is None:
                yield (*photo, row.kind, row.name, row.shown_score, "", "", "", "", "", "", model)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
