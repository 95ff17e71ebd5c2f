"""GeoJSON-like outlines (RFC 7946) in pixels of the photo, x to the right and y down, instead of degrees."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from app.vision.export.files import ExportFile, archive, single
from app.vision.export.items import ExportItem, area, box_of, components, export_rows, labels
from app.vision.export.names import base_name, file_paths, own_paths, without_suffix
from app.vision.masks import Component
from app.vision.rows import Row
from app.vision.view import View

_TYPE: Final = "application/geo+json"


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One FeatureCollection, or for several photos a ZIP of one each."""
    if len(items) == 1:
        return single(f"{base_name(items)}.geojson", _TYPE, _collection(items[0], own_paths(items)[0], view))
    return archive(f"{base_name(items)}_geojson.zip", _entries(items, view))


def _entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    names = own_paths(items)
    paths = file_paths(f"{without_suffix(name)}.geojson" for name in names)
    for item, name, path in zip(items, names, paths, strict=True):
        yield path, _collection(item, name, view)


def _collection(item: ExportItem, name: str, view: View) -> bytes:
    results = item.load_results()
    collection = {
        "type": "FeatureCollection",
        "name": name,
        "width": item.width,
        "height": item.height,
        "labels": labels(results),
        "features": [_feature(row, i) for i, row in enumerate(export_rows(results, item, view))],
    }
    return json.dumps(collection, ensure_ascii=False).encode()


def _feature(row: Row, id: int) -> dict[str, Any]:
    pieces = [_polygon(component) for component in components(row)]
    geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": pieces}
    if len(pieces) == 1:
        geometry = {"type": "Polygon", "coordinates": pieces[0]}
    properties = {"class": row.name, "score": row.score, "box": list(box_of(row)), "area": area(row)}
    if row.points:
        properties["landmarks"] = {name: list(point) for name, point in row.points}
    if row.text:
        properties["text"] = row.text
    return {"type": "Feature", "id": id, "geometry": geometry, "properties": properties}


def _polygon(component: Component) -> list[list[list[float]]]:
    """Closed rings, the outline first, turning as RFC 7946 asks: it anticlockwise, holes clockwise (with y upwards)."""
    return [_closed(component.outline, 1), *(_closed(hole, -1) for hole in component.holes)]


def _closed(ring: np.ndarray, turn: int) -> list[list[float]]:
    x, y = ring[:, 0], ring[:, 1]
    signed = float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    ring = ring if signed * turn >= 0 else ring[::-1]
    return [*ring.tolist(), ring[0].tolist()]
