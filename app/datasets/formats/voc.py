"""Pascal VOC's XML (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/): one file a photo.

Boxes are whole pixels counted from 1, both ends included, as the VOC development kit defines them.
"""

from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled, Objects, collect, sides
from app.datasets.truth import Truth, from_box


def read(folder: Folder, path: Path, root: ET.Element, found: Reading) -> None:
    """Read the file of one photo."""
    named = root.findtext("filename") or ""
    # With its sub-folders: those of the annotation below `Annotations` are the photo's below `JPEGImages`.
    parts = folder.parts(path)
    inner = parts[parts.index("Annotations") + 1 : -1] if "Annotations" in parts else ()
    photo = folder.photo("/".join((*inner, named)), path) or folder.photo(named, path)
    if photo is None:
        found.problems.append(f"{folder.name(path)}: its photo {named or 'without a name'} is missing")
        return
    described = sides(root.findtext("size/width"), root.findtext("size/height"))
    found.photos.append(Labelled(photo, folder.name(photo), described, partial(_objects, root.findall("object"))))


def _objects(entries: list[ET.Element], size: tuple[int, int]) -> Objects:
    return collect([(f"object {i}", partial(_truth, entry, size)) for i, entry in enumerate(entries, 1)])


def _truth(entry: ET.Element, size: tuple[int, int]) -> Truth:
    edges = [entry.findtext(f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax")]
    if None in edges:
        raise ValueError("has no box")
    x1, y1, x2, y2 = (float(edge or "") for edge in edges)
    return from_box(entry.findtext("name") or "", (x1 - 1, y1 - 1, x2, y2), size)
