"""Pascal VOC's XML annotations (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/): one a photo.

Boxes are whole pixels counted from 1, both ends included, as the VOC development kit defines them: a box over a whole
photo is 1, 1, width, height.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from app.vision.export.files import ExportFile, archive, single
from app.vision.export.items import ExportItem, box_of, export_rows
from app.vision.export.names import base_name, file_paths, own_paths, without_suffix
from app.vision.rows import Row
from app.vision.view import View

# What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """One XML file, or for several photos a ZIP with `Annotations/<photo>.xml`."""
    if len(items) == 1:
        return single(f"{base_name(items)}.xml", "application/xml", _document(items[0], own_paths(items)[0], view))
    return archive(f"{base_name(items)}_voc.zip", entries(items, view))


def pixel_box(row: Row, width: int, height: int) -> tuple[int, int, int, int]:
    """A box as xmin ymin xmax ymax in whole pixels, at least one pixel and inside the photo."""
    x1, y1, x2, y2 = (round(v) for v in box_of(row))
    left, top = min(x1, width - 1), min(y1, height - 1)
    return left + 1, top + 1, max(x2, left + 1), max(y2, top + 1)


def entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    """The files of several photos, each with its path in a ZIP."""
    names = own_paths(items)
    paths = file_paths(f"Annotations/{without_suffix(name)}.xml" for name in names)
    for item, name, path in zip(items, names, paths, strict=True):
        yield path, _document(item, name, view)


def _document(item: ExportItem, name: str, view: View) -> bytes:
    root = ET.Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", PurePosixPath(name).name)
    _add(ET.SubElement(root, "source"), "database", "Flask Detector")
    size = ET.SubElement(root, "size")
    for tag, value in (("width", item.width), ("height", item.height), ("depth", 3)):
        _add(size, tag, value)
    _add(root, "segmented", 0)
    for row in export_rows(item.load_results(), item, view):
        entry = ET.SubElement(root, "object")
        rows = ("name", row.name), ("pose", "Unspecified"), ("truncated", 0), ("difficult", 0), ("score", row.score)
        for tag, text in rows:
            _add(entry, tag, text)
        box = ET.SubElement(entry, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), pixel_box(row, item.width, item.height), strict=True):
            _add(box, tag, edge)
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True))


def _add(parent: ET.Element, tag: str, value: object) -> None:
    ET.SubElement(parent, tag).text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
