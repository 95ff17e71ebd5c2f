"""COCO's object detection JSON (https://cocodataset.org/#format-data), one file for all photos.

Each annotation carries its `score`, so that the file loads in pycocotools as a dataset and its annotations as results.
Landmarks, as of faces, are keypoints; text is the attribute `text`, as CVAT writes it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from app.vision import masks
from app.vision.coco import IDS
from app.vision.export.files import JSON, ExportFile, spool
from app.vision.export.items import ExportItem, area, box_of, categories, export_rows
from app.vision.export.names import base_name, own_paths
from app.vision.rows import Category, Row
from app.vision.view import View

_FIRST_OTHER = 101  # Ids of classes that COCO does not have; its own end at 90.


def write_rle(items: Sequence[ExportItem], view: View) -> ExportFile:
    """Masks as compressed run-length encodings: exact and small."""
    return _write(items, view, polygons=False)


def write_polygons(items: Sequence[ExportItem], view: View) -> ExportFile:
    """Masks as polygons along the edges of their pixels: exact, and read by more tools."""
    return _write(items, view, polygons=True)


def category_ids(names: Iterable[str], known: dict[str, int]) -> dict[str, int]:
    """Add the ids of class names to those known: COCO's official ones for its own 80, from 101 on for others."""
    for name in names:
        if name not in known:
            others = [id for id in known.values() if id >= _FIRST_OTHER]
            known[name] = IDS.get(name) or max(others, default=_FIRST_OTHER - 1) + 1
    return known


def _write(items: Sequence[ExportItem], view: View, *, polygons: bool) -> ExportFile:
    """The annotations are written photo by photo; images and categories, known only then, follow."""
    ids: dict[str, int] = {}
    known: dict[str, Category] = {}
    images: list[dict[str, Any]] = []
    count = 0
    with spool() as file:
        file.write(b'{"info": {"description": "Found by Flask Detector", "version": "1.0"}, "licenses": [], ')
        file.write(b'"annotations": [')
        for item, name in zip(items, own_paths(items), strict=True):
            images.append({"id": len(images) + 1, "file_name": name, "width": item.width, "height": item.height})
            results = item.load_results()
            for category in categories(results):
                known.setdefault(category.name, category)
            category_ids(known, ids)
            for row in export_rows(results, item, view):
                count += 1
                place = {"id": count, "image_id": len(images), "category_id": ids[row.name]}
                file.write(b",\n" if count > 1 else b"\n")
                _dump({**place, **_annotation(row, polygons)}, file)
        file.write(b'],\n"images": ')
        _dump(images, file)
        file.write(b',\n"categories": ')
        _dump([_category(known[name], id) for name, id in sorted(ids.items(), key=lambda pair: pair[1])], file)
        file.write(b"}\n")
    return ExportFile(f"{base_name(items)}_coco.json", JSON, file)


def _annotation(row: Row, polygons: bool) -> dict[str, Any]:
    x1, y1, x2, y2 = box_of(row)
    segmentation: Any = []
    if row.mask and polygons:
        segmentation = [polygon.ravel().tolist() for polygon in masks.polygons(row.mask)]
    elif row.mask:
        segmentation = {"size": list(row.mask.size), "counts": row.mask.counts}
    elif row.corners:
        segmentation = [[v for point in row.corners for v in point]]
    annotation = {
        "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
        "area": area(row),
        "iscrowd": 0,
        "segmentation": segmentation,
        "score": row.score,
    }
    if row.points:
        annotation["keypoints"] = [v for _, (x, y) in row.points for v in (x, y, 2)]
        annotation["num_keypoints"] = len(row.points)
    if row.text:
        annotation["attributes"] = {"text": row.text}
    return annotation


def _category(category: Category, id: int) -> dict[str, Any]:
    entry = {"id": id, "name": category.name, "supercategory": category.group}
    return entry | ({"keypoints": list(category.points), "skeleton": []} if category.points else {})


def _dump(value: Any, file: IO[bytes]) -> None:
    file.write(json.dumps(value, ensure_ascii=False).encode())
