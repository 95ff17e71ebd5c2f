"""LabelMe's JSON (https://github.com/wkentaro/labelme): one file a photo. Pieces of one object share a `group_id`."""

import math
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled, Objects, collect, sides
from app.datasets.truth import Truth, from_box, from_rings

# Corners of the polygon that stands for a circle.
CORNERS = 64


def is_labelme(content: Any) -> bool:
    """Whether a JSON file is LabelMe's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read(folder: Folder, path: Path, content: Any, found: Reading) -> None:
    """Read the file of one photo."""
    photo = folder.photo(str(content["imagePath"]), path)
    photo = photo or next((other for other in folder.photos if other.with_suffix("") == path.with_suffix("")), None)
    if photo is None:
        found.problems.append(f"{folder.name(path)}: its photo {content['imagePath']} is missing")
        return
    described = sides(content.get("imageWidth"), content.get("imageHeight"))
    found.photos.append(Labelled(photo, folder.name(photo), described, partial(_objects, content["shapes"])))


def _objects(shapes: list[Any], size: tuple[int, int]) -> Objects:
    grouped: dict[Any, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for number, shape in enumerate(shapes, 1):
        if not isinstance(shape, dict) or shape.get("shape_type") in ("point", "points", "line", "linestrip"):
            continue
        group = shape.get("group_id")
        grouped[number if group is None else (group, shape.get("label"))].append((number, shape))
    makers = [(f"shape {pieces[0][0]}", partial(_truth, [s for _, s in pieces], size)) for pieces in grouped.values()]
    return collect(makers)


def _truth(pieces: list[dict[str, Any]], size: tuple[int, int]) -> Truth:
    name = str(pieces[0]["label"])
    if len(pieces) == 1 and pieces[0].get("shape_type") in ("rectangle", "mask"):
        (x1, y1), (x2, y2) = pieces[0]["points"][:2]
        return from_box(name, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), size)
    return from_rings(name, [_ring(piece) for piece in pieces], size)


def _ring(shape: dict[str, Any]) -> list[float]:
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind in ("rectangle", "mask"):
        (x1, y1), (x2, y2) = points[:2]
        return [x1, y1, x2, y1, x2, y2, x1, y2]
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        turns = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
        return [v for t in turns for v in (x + radius * math.cos(t), y + radius * math.sin(t))]
    return [float(v) for point in points for v in point]
