"""LabelMe's JSON (https://github.com/wkentaro/labelme): one a photo, to be opened beside it and edited.

Pieces of one object share a `group_id`. Labels of the whole photo become flags. Text becomes the
`description`, which LabelMe shows.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from app.vision.export.files import JSON, ExportFile, archive, single
from app.vision.export.items import ExportItem, box_of, export_rows, labels, polygons
from app.vision.export.names import base_name, file_paths, own_paths, without_suffix
from app.vision.rows import Row
from app.vision.view import View

_VERSION: Final = "5.5.0"  # Of the program whose files these are like.


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One JSON file, or for several photos a ZIP of them."""
    if len(items) == 1:
        return single(f"{base_name(items)}.json", JSON, _document(items[0], own_paths(items)[0], view))
    return archive(f"{base_name(items)}_labelme.zip", entries(items, view))


def entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    """The files of several photos, each with its path in a ZIP."""
    names = own_paths(items)
    paths = file_paths(f"{without_suffix(name)}.json" for name in names)
    for item, name, path in zip(items, names, paths, strict=True):
        yield path, _document(item, name, view)


def _document(item: ExportItem, name: str, view: View) -> bytes:
    results = item.load_results()
    shapes = [s for i, row in enumerate(export_rows(results, item, view)) for s in _shapes(row, i)]
    document = {
        "version": _VERSION,
        "flags": dict.fromkeys(labels(results), True),
        "shapes": shapes,
        "imagePath": PurePosixPath(name).name,
        "imageData": None,
        "imageHeight": item.height,
        "imageWidth": item.width,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _shapes(row: Row, group: int) -> Iterator[dict[str, Any]]:
    if row.mask or row.corners:
        for polygon in polygons(row):
            yield _shape(row, group, "polygon", polygon.tolist())
    else:
        x1, y1, x2, y2 = box_of(row)
        yield _shape(row, group, "rectangle", [[x1, y1], [x2, y2]])
    for name, point in row.points:
        yield _shape(row, group, "point", [list(point)]) | {"label": name}


def _shape(row: Row, group: int, kind: str, points: list[list[float]]) -> dict[str, Any]:
    shape = {
        "label": row.name,
        "points": points,
        "group_id": group,
        "description": row.text or f"score {row.score}",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
    return shape | ({"score": row.score} if row.text else {})
