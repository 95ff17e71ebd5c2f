"""A table of everything found, as comma-separated values (RFC 4180), one row an object, a face or a label."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from app.vision.export.files import ExportFile, base_name, spool, unique_names
from app.vision.export.items import ExportItem, found, labels
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
    results = item.load_results()
    photo = (name, item.width, item.height)
    for row in found(results, item, view):
        points = ";".join(f"{x:g} {y:g}" for x, y in row.landmarks)
        kind = "face" if row.is_face else "object"
        yield (*photo, kind, row.name, row.score, *row.box, round(row.area, 2), points, row.card.model)
    models = [analysed.card.model for name, analysed in results.items() if analysed.card.analyzer == "labels"]
    for label, score in labels(results).items():
        yield (*photo, "label", label, score, "", "", "", "", "", "", *models[:1])


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
