"""Label Studio's JSON (https://labelstud.io/guide/export): a list of tasks, shapes in percent of the photo."""

import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from app.datasets.brush import unpack
from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled, Objects, collect, sides
from app.datasets.truth import Truth, from_box, from_mask, from_rings
from app.vision import masks

# The types of regions; each has its class under the same name.
TYPES = ("rectanglelabels", "polygonlabels", "brushlabels")
# What Label Studio puts before the name of a file that was uploaded to it.
UPLOADED = re.compile(r"^[0-9a-f]{8}-")


def is_label_studio(content: Any) -> bool:
    """Whether a JSON file is a list of Label Studio's tasks."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in content)
    )


def read(folder: Folder, path: Path, tasks: list[dict[str, Any]], found: Reading) -> None:
    """Read the file of all photos."""
    for task in tasks:
        named = _file_name(next((v for v in task["data"].values() if isinstance(v, str)), ""))
        photo = folder.photo(named, path) or folder.photo(UPLOADED.sub("", PurePosixPath(named).name), path)
        if photo is None:
            found.problems.append(f"{named or 'a task'}: the photo is missing")
            continue
        answers = [a for a in task.get("annotations") or [] if isinstance(a, dict) and not a.get("was_cancelled")]
        if not answers:
            found.problems.append(f"{folder.name(photo)}: nobody has labelled the photo")
            continue
        shapes = [s for s in answers[-1].get("result") or [] if isinstance(s, dict) and s.get("type") in TYPES]
        first = shapes[0] if shapes else {}
        described = sides(first.get("original_width"), first.get("original_height"))
        found.photos.append(Labelled(photo, folder.name(photo), described, partial(_objects, shapes)))


def _file_name(address: str) -> str:
    """The photo's path in the address that a task names: of an upload, of a local file, of the web."""
    split = urlsplit(address)
    local = parse_qs(split.query).get("d")
    return local[0] if local else unquote(split.path).removeprefix("/data/upload/").lstrip("/")


def _objects(shapes: list[dict[str, Any]], size: tuple[int, int]) -> Objects:
    return collect([(f"region {s.get('id', i)}", partial(_truth, s, size)) for i, s in enumerate(shapes, 1)])


def _truth(shape: dict[str, Any], size: tuple[int, int]) -> Truth:
    value, (height, width) = shape["value"], size
    name = str((value.get(shape["type"]) or [""])[0])
    if shape["type"] == "rectanglelabels":
        if value.get("rotation"):
            raise ValueError("is a turned box, which has no place here")
        x, y, w, h = (float(value[key]) / 100 for key in ("x", "y", "width", "height"))
        return from_box(name, (x * width, y * height, (x + w) * width, (y + h) * height), size)
    if shape["type"] == "polygonlabels":
        ring = [v for x, y in value["points"] for v in (x / 100 * width, y / 100 * height)]
        return from_rings(name, [ring], size)
    return from_mask(name, masks.from_bitmap(unpack(value["rle"], size)))
