"""COCO's JSON, as COCO itself, CVAT, FiftyOne, Label Studio, Roboflow and others write it.

A folder may hold several files, such as one each for training and validation.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from app.datasets.annotations import read_annotation
from app.datasets.coco_folder import CocoFolder, open_file
from app.datasets.errors import DataError
from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled, Objects, collect, sides
from app.datasets.truth import Truth, from_box, from_mask, from_rings
from app.vision.rows import RLE


def is_coco(content: Any) -> bool:
    """Whether a JSON file is in COCO's format."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "categories"))


def read(folder: Folder, path: Path, found: Reading) -> None:
    """Read an annotation file."""
    home = path.parent.parent if path.parent.name == "annotations" else path.parent
    try:
        opened = open_file(home, path)
    except DataError as error:
        found.problems += error.problems or [str(error).replace(f"{folder.root}/", "")]
        return
    names = {category["id"]: category["name"] for category in opened.categories}
    by_image = defaultdict(list)
    for annotation in opened.annotations:
        by_image[annotation.get("image_id")].append(annotation)
    for image in opened.images:
        photo = opened.photo(str(image["file_name"])) or folder.photo(str(image["file_name"]), path)
        if photo is None:
            found.problems.append(f"{image['file_name']}: the photo is missing")
            continue
        described = sides(image.get("width"), image.get("height"))
        objects = partial(_objects, opened, names, by_image[image["id"]])
        found.photos.append(Labelled(photo, folder.name(photo), described, objects))


def _objects(
    opened: CocoFolder, names: dict[int, str], annotations: Sequence[dict[str, Any]], size: tuple[int, int]
) -> Objects:
    makers = [(f"annotation {a.get('id')}", partial(_truth, opened, names, a, size)) for a in annotations]
    return collect(makers)


def _truth(opened: CocoFolder, names: dict[int, str], entry: dict[str, Any], size: tuple[int, int]) -> Truth:
    annotation = read_annotation(entry, (size[1], size[0]), list(names), brushed=opened.brushed)
    name, outline, crowd = names[annotation.category_id], annotation.outline, annotation.crowd
    x, y, w, h = annotation.box
    boxed = from_box(name, (x, y, x + w, y + h), size, crowd=crowd)
    if outline is None:
        return boxed
    drawn = from_mask(name, outline) if isinstance(outline, RLE) else from_rings(name, outline, size)
    # The file's own box stays: others round an outline's.
    return replace(boxed, mask=drawn.mask)
