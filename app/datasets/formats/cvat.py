"""CVAT's XML "for images 1.1" (https://docs.cvat.ai/docs/manual/advanced/xml_format/): one file for all photos."""

from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled, Objects, collect, sides
from app.datasets.truth import Truth, from_box, from_mask, from_rings
from app.vision import masks

KINDS = ("box", "polygon", "mask", "ellipse")
CORNERS = 64


def read(folder: Folder, path: Path, root: ET.Element, found: Reading) -> None:
    """Read the file of all photos."""
    for image in root.iter("image"):
        named = image.get("name", "")
        photo = folder.photo(named, path)
        if photo is None:
            found.problems.append(f"{named or folder.name(path)}: the photo is missing")
            continue
        described = sides(image.get("width"), image.get("height"))
        shapes = [shape for shape in image if shape.tag in KINDS]
        found.photos.append(Labelled(photo, folder.name(photo), described, partial(_objects, shapes)))


def _objects(shapes: list[ET.Element], size: tuple[int, int]) -> Objects:
    return collect([(f"{shape.tag} {i}", partial(_truth, shape, size)) for i, shape in enumerate(shapes, 1)])


def _truth(shape: ET.Element, size: tuple[int, int]) -> Truth:
    name = shape.get("label", "")
    if shape.tag == "box":
        if float(shape.get("rotation", 0)):
            raise ValueError("is a turned box, which has no place here")
        return from_box(name, [float(shape.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr")], size)
    if shape.tag == "polygon":
        points = [float(v) for point in shape.attrib["points"].split(";") for v in point.split(",")]
        return from_rings(name, [points], size)
    if shape.tag == "ellipse":
        x, y, rx, ry = (float(shape.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        ring = np.stack([x + rx * np.cos(turns), y + ry * np.sin(turns)], 1).ravel().tolist()
        return from_rings(name, [ring], size)
    return _brushed(name, shape, size)


def _brushed(name: str, shape: ET.Element, size: tuple[int, int]) -> Truth:
    """A mask: run lengths of 0 and 1 in turn, along the rows of its box."""
    left, top, width, height = (int(float(shape.attrib[key])) for key in ("left", "top", "width", "height"))
    if min(left, top) < 0 or width <= 0 or height <= 0 or left + width > size[1] or top + height > size[0]:
        raise ValueError("has a mask outside the photo")
    runs = np.array([int(run) for run in shape.attrib["rle"].split(",")])
    if runs.sum() != width * height or (runs < 0).any():
        raise ValueError("has a broken mask")
    pixels = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width).astype(bool)
    return from_mask(name, masks.encode(pixels, left, top, size))
