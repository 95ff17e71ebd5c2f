"""Photos with their truth, from a folder in the form of COCO, YOLO, Pascal VOC, LabelMe, Label Studio or CVAT.

Written here, because the libraries that read several of these formats keep no sub-folders, load every mask as a bitmap,
or bring dozens of packages; each reader is a page, and works on files that nobody vouches for.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

from app.datasets.errors import DataError
from app.datasets.folder import Folder
from app.datasets.formats import coco, cvat, label_studio, labelme, voc, yolo
from app.datasets.formats.reading import Reading, read_json, read_text

FORMATS = ("COCO", "YOLO", "Pascal VOC", "LabelMe", "Label Studio", "CVAT")


def read_folder(root: Path) -> Reading:
    """Every photo under a folder that an annotation file is about, in any of the formats, also several.

    Raises DataError: it holds no annotation file, or none that can be read.
    """
    folder, found = Folder(root), Reading()
    for path in folder.files:
        if path.suffix.lower() == ".json":
            _read_json(folder, path, found)
        elif path.suffix.lower() == ".xml":
            _read_xml(folder, path, found)
    if not found.photos:
        yolo.read(folder, found)
    if not found.photos:
        wanted = f"There are no annotations here that belong to photos: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        raise DataError(wanted, found.problems)
    return found


def _read_json(folder: Folder, path: Path, found: Reading) -> None:
    content = read_json(folder, path, found)
    if coco.is_coco(content):
        coco.read(folder, path, found)
    elif labelme.is_labelme(content):
        labelme.read(folder, path, content, found)
    elif label_studio.is_label_studio(content):
        label_studio.read(folder, path, content, found)


def _read_xml(folder: Folder, path: Path, found: Reading) -> None:
    text = read_text(folder, path, found)
    if text is None:
        return
    if "<!ENTITY" in text:  # Entities can make a small file take all memory.
        found.problems.append(f"{folder.name(path)}: the file defines entities, which annotations do not need")
        return
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError):
        found.problems.append(f"{folder.name(path)}: the file is not valid XML")
        return
    if root.tag == "annotation":
        voc.read(folder, path, root, found)
    elif root.tag == "annotations":
        cvat.read(folder, path, root, found)
