"""YOLO text files as of Ultralytics (https://docs.ultralytics.com/datasets/), one a photo, in shares of its size.

A line is `class x y width height` with the middle of the box, or `class x y x y ...` along an outline. A class is its
place in `classes.txt` and `data.yaml`.
"""

import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from app.vision import masks
from app.vision.export.files import ExportFile, archive
from app.vision.export.items import ExportItem, box_of, categories, export_rows, polygons
from app.vision.export.names import base_name, file_paths, own_paths, without_suffix
from app.vision.rows import Row
from app.vision.view import View


def write_boxes(items: Sequence[ExportItem], view: View) -> ExportFile:
    """A ZIP with `labels/<photo>.txt` of boxes, `classes.txt` and `data.yaml`."""
    return archive(f"{base_name(items)}_yolo.zip", box_entries(items, view))


def write_outlines(items: Sequence[ExportItem], view: View) -> ExportFile:
    """A ZIP with `labels/<photo>.txt` of outlines, `classes.txt` and `data.yaml`.

    The format has one outline for an object, so its pieces and holes are joined by cuts of no width.
    """
    return archive(f"{base_name(items)}_yolo_seg.zip", outline_entries(items, view))


def box_entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    """The files of `write_boxes`, each with its path."""
    return _entries(items, view, _box)


def outline_entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    """The files of `write_outlines`, each with its path."""
    return _entries(items, view, _outline)


def _entries(
    items: Sequence[ExportItem], view: View, shape: Callable[[Row], np.ndarray]
) -> Iterator[tuple[str, bytes]]:
    """shape: gives the points of an object's line, (K, 2) in pixels."""
    classes: dict[str, int] = {}
    paths = file_paths(f"labels/{without_suffix(path)}.txt" for path in own_paths(items))
    for item, path in zip(items, paths, strict=True):
        results = item.load_results()
        for category in categories(results):
            classes.setdefault(category.name, len(classes))
        size = np.array([item.width, item.height])
        lines = [_line(classes[row.name], shape(row) / size) for row in export_rows(results, item, view)]
        yield path, "".join(lines).encode()
    yield "classes.txt", "".join(" ".join(name.split()) + "\n" for name in classes).encode()
    yield "data.yaml", _yaml(list(classes)).encode()


def _box(row: Row) -> np.ndarray:
    x1, y1, x2, y2 = box_of(row)
    return np.array([((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1)])


def _outline(row: Row) -> np.ndarray:
    first, *others = polygons(row)
    return masks.join(first, others)


def _line(label: int, numbers: np.ndarray) -> str:
    return " ".join([str(label), *(f"{v:.6f}" for v in np.clip(numbers, 0, 1).ravel())]) + "\n"


def _yaml(names: list[str]) -> str:
    """A data set's description. A JSON text is a YAML text too.

    Readers take a `path` from different folders; without one they all begin at this file.
    """
    rows = [f"  {i}: {json.dumps(name, ensure_ascii=False)}\n" for i, name in enumerate(names)]
    return "train: images\nval: images\nnames:\n" + "".join(rows)
