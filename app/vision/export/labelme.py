"""LabelMe's JSON (https://github.com/wkentaro/labelme): one a photo, to be opened beside it and edited.

Pieces of one object share a `group_id`. What the whole photo shows becomes flags.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from app.vision.export.files import JSON, ExportFile, archive, base_name, single, unique_names
from app.vision.export.items import ExportItem, Found, found, labels
from app.vision.results import LANDMARKS
from app.vision.view import View

_VERSION: Final = "5.5.0"  # Of the program whose files these are like.


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One JSON file, or for several photos a ZIP of them."""
    if len(items) == 1:
        return single(f"{base_name(items)}.json", JSON, _document(items[0], unique_names(items)[0], view))
    return archive(f"{base_name(items)}_labelme.zip", _entries(items, view))


def _entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    for item, name in zip(items, unique_names(items), strict=True):
        yield f"{PurePosixPath(name).stem}.json", _document(item, name, view)


def _document(item: ExportItem, name: str, view: View) -> bytes:
    results = item.load_results()
    shapes = [s for i, row in enumerate(found(results, item, view)) for s in _shapes(row, i)]
    document = {
        "version": _VERSION,
        "flags": dict.fromkeys(labels(results), True),
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": item.height,
        "imageWidth": item.width,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _shapes(row: Found, group: int) -> Iterator[dict[str, Any]]:
    if row.mask is None:
        x1, y1, x2, y2 = row.box
        yield _shape(row, group, "rectangle", [[x1, y1], [x2, y2]])
    else:
        for polygon in row.polygons():
            yield _shape(row, group, "polygon", polygon.tolist())
    for name, point in zip(LANDMARKS, row.landmarks, strict=False):
        yield _shape(row, group, "point", [list(point)]) | {"label": name}


def _shape(row: Found, group: int, kind: str, points: list[list[float]]) -> dict[str, Any]:
    return {
        "label": row.name,
        "points": points,
        "group_id": group,
        "description": f"score {row.score}",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }
