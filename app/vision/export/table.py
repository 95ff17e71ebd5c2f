"""A table of everything found, as comma-separated values (RFC 4180), one line per row of a result.

It begins with a byte order mark, by which spreadsheets know that it is UTF-8.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.vision.analyses.registry import ordered
from app.vision.export.files import ExportFile, spool
from app.vision.export.items import ExportItem, area, box_of, rows_of
from app.vision.export.names import base_name, own_paths
from app.vision.rows import Point
from app.vision.view import View

COLUMNS: Final = (
    *("photo", "photo_width", "photo_height", "kind", "class", "score"),
    *("x1", "y1", "x2", "y2", "area", "landmarks", "model"),
)
# Only where something has a text.
TEXT_COLUMNS: Final = ("text", "corners")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")  # A spreadsheet would run a text that begins so.


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One file for all photos. landmarks and corners: `x y`, separated by semicolons."""
    records = [r for item, name in zip(items, own_paths(items), strict=True) for r in _records(item, name, view)]
    columns = COLUMNS + (TEXT_COLUMNS if any("text" in record for record in records) else ())
    with spool() as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        rows = csv.writer(text)
        rows.writerow(columns)
        rows.writerows([_cell(record.get(column, "")) for column in columns] for record in records)
        text.flush()
        text.detach()
    return ExportFile(f"{base_name(items)}.csv", "text/csv", file)


def _records(item: ExportItem, name: str, view: View) -> Iterator[dict[str, object]]:
    """The values of each line by column; those that a line has not are left out."""
    photo = {"photo": name, "photo_width": item.width, "photo_height": item.height}
    for analysed in ordered(item.load_results()):
        model = {"model": analysed.card.model}
        for row in rows_of(analysed, item, view):
            box = dict(zip(("x1", "y1", "x2", "y2"), box_of(row), strict=True))
            record = {"kind": row.kind, "class": row.name, "score": row.score, **box, "area": round(area(row), 2)}
            landmarks = {"landmarks": _points(point for _, point in row.points)}
            written = {"text": row.text, "corners": _points(row.corners)} if row.text else {}
            yield {**photo, **record, **landmarks, **model, **written}
        for row in analysed.result.rows():
            if row.box is None:
                yield {**photo, "kind": row.kind, "class": row.name, "score": row.shown_score, **model}


def _points(points: Iterable[Point]) -> str:
    return ";".join(f"{x:g} {y:g}" for x, y in points)


def _cell(value: object) -> object:
    """Full-width signs count as their plain forms, as some spreadsheets read them, and blanks before them do not."""
    if not isinstance(value, str):
        return value
    plain = unicodedata.normalize("NFKC", value)
    return f"'{value}" if plain.startswith(_FORMULA) or plain.lstrip().startswith(_FORMULA) else value
