"""A data set as one ZIP, photos included, in the form of a tool: training and validation in folders of their own."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np

from app.datasets import brush
from app.datasets.result import as_results
from app.datasets.split import PARTS, Part
from app.datasets.truth import Truth
from app.errors import BadRequest
from app.vision import masks
from app.vision.export import labelme, voc, yolo
from app.vision.export.coco import category_ids
from app.vision.export.files import ExportFile, archive
from app.vision.export.items import ExportItem
from app.vision.export.names import file_paths, without_suffix
from app.vision.view import View

ALL = View(threshold=0)
Entries = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Example:
    """A photo of a data set. name: with its sub-folders; load_photo: gives its bytes; width, height: upright."""

    name: str
    part: Part
    load_photo: Callable[[], bytes]
    width: int
    height: int
    truths: tuple[Truth, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


class Format(NamedTuple):
    """A format. title: for people; summary: what one gets; write: the files, photos included."""

    title: str
    summary: str
    write: Callable[[Sequence[Example], Sequence[str]], Entries]


def write(examples: Sequence[Example], classes: Sequence[str], format: str, name: str) -> ExportFile:
    """Write a data set.

    Args:
        examples: its photos; classes: all of its classes; format: a key of `FORMATS`; name: the file's name begins
            with it.

    Raises BadRequest: there is no such format.
    """
    if format not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}.")
    paths = file_paths(f"{example.part}/{example.name}" for example in examples)
    named = [replace(example, name=path) for example, path in zip(examples, paths, strict=True)]
    return archive(f"{name}_{format}.zip", FORMATS[format].write(named, classes), compress=False)


def _coco(examples: Sequence[Example], classes: Sequence[str]) -> Entries:
    ids = category_ids(classes, {})
    categories = [{"id": id, "name": name} for name, id in sorted(ids.items(), key=lambda pair: pair[1])]
    for part in [part for part in PARTS if any(example.part == part for example in examples)]:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, example in enumerate([e for e in examples if e.part == part], 1):
            name = example.name.partition("/")[2]
            images.append({"id": number, "file_name": name, "width": example.width, "height": example.height})
            for truth in example.truths:
                place = {"id": len(annotations) + 1, "image_id": number, "category_id": ids[truth.name]}
                annotations.append(place | _annotation(truth))
        # The description tells CVAT's own files apart, in which a crowd is what was painted with a brush.
        info = {"description": "A data set of Flask Detector"}
        content = {"info": info, "images": images, "annotations": annotations, "categories": categories}
        yield f"annotations/instances_{part}.json", json.dumps(content, ensure_ascii=False).encode()
    yield from _photos("images", examples)


def _annotation(truth: Truth) -> dict[str, Any]:
    x1, y1, x2, y2 = truth.box
    area = masks.area(truth.mask) if truth.mask else (x2 - x1) * (y2 - y1)
    outline: Any = {"size": list(truth.mask.size), "counts": truth.mask.counts} if truth.mask else []
    box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
    return {"bbox": box, "area": area, "iscrowd": int(truth.crowd), "segmentation": outline}


def _yolo(
    entries: Callable[[Sequence[ExportItem], View], Entries], examples: Sequence[Example], classes: Sequence[str]
) -> Entries:
    for path, content in entries(_items(examples, classes), ALL):
        if path == "data.yaml":
            content = content.replace(b"train: images\nval: images\n", b"train: images/train\nval: images/validation\n")
        yield path, content
    yield from _photos("images", examples)


def _voc(examples: Sequence[Example], classes: Sequence[str]) -> Entries:
    yield from voc.entries(_items(examples, classes), ALL)
    # CVAT and Datumaro take only VOC's own classes where this file does not name others.
    yield "labelmap.txt", "".join(["# label:color_rgb:parts:actions\n", *(f"{name}:::\n" for name in classes)]).encode()
    for part in PARTS:
        names = [f"{without_suffix(example.name)}\n" for example in examples if example.part == part]
        yield f"ImageSets/Main/{'val' if part == 'validation' else part}.txt", "".join(names).encode()
    yield from _photos("JPEGImages", examples)


def _labelme(examples: Sequence[Example], classes: Sequence[str]) -> Entries:
    yield from labelme.entries(_items(examples, classes), ALL)
    yield from _photos("", examples)


def _cvat(examples: Sequence[Example], classes: Sequence[str]) -> Entries:
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    # Datumaro asks for the classes, and for the task that they are of.
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    for tag, text in (("name", "Flask Detector"), ("size", str(len(examples))), ("mode", "annotation")):
        ET.SubElement(task, tag).text = text
    labels = ET.SubElement(task, "labels")
    for name in classes:
        ET.SubElement(ET.SubElement(labels, "label"), "name").text = name
    for number, example in enumerate(examples):
        sides = {"width": str(example.width), "height": str(example.height)}
        image = ET.SubElement(root, "image", {"id": str(number), "name": example.name, **sides})
        for truth in example.truths:
            ET.SubElement(image, *_cvat_shape(truth))
    ET.indent(root)
    yield "annotations.xml", bytes(ET.tostring(root, "utf-8", xml_declaration=True))
    yield from _photos("images", examples)


def _cvat_shape(truth: Truth) -> tuple[str, dict[str, str]]:
    common = {"label": truth.name, "occluded": "0", "source": "manual", "z_order": "0"}
    if not truth.mask:
        return "box", common | dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, truth.box), strict=True))
    x, y, crop = masks.decode_crop(truth.mask)
    pixels = crop.ravel()
    runs = np.diff([0, *np.flatnonzero(np.diff(pixels)) + 1, len(pixels)]).tolist()
    place = {"left": x, "top": y, "width": crop.shape[1], "height": crop.shape[0]}
    encoded = ", ".join(map(str, [0, *runs] if pixels[0] else runs))
    return "mask", common | {"rle": encoded} | {key: str(value) for key, value in place.items()}


def _label_studio(examples: Sequence[Example], classes: Sequence[str]) -> Entries:
    view = ET.Element("View")
    ET.SubElement(view, "Image", {"name": "image", "value": "$image"})
    for kind in ("Rectangle", "Brush"):
        labels = ET.SubElement(view, f"{kind}Labels", {"name": kind.lower(), "toName": "image"})
        for name in classes:
            ET.SubElement(labels, "Label", {"value": name})
    ET.indent(view)
    yield "config.xml", bytes(ET.tostring(view, "utf-8"))
    tasks = [
        {
            "id": number,
            # Where the folder is a local storage of Label Studio.
            "data": {"image": f"/data/local-files/?d=images/{quote(example.name)}", "part": example.part},
            "annotations": [{"result": [_region(truth, example) for truth in example.truths if not truth.crowd]}],
        }
        for number, example in enumerate(examples, 1)
    ]
    yield "tasks.json", json.dumps(tasks, ensure_ascii=False).encode()
    yield from _photos("images", examples)


def _region(truth: Truth, example: Example) -> dict[str, Any]:
    """An object as Label Studio has it: a brush's mask, or a box in percent of the photo."""
    kind = "brush" if truth.mask else "rectangle"
    value: dict[str, Any] = {f"{kind}labels": [truth.name]}
    if truth.mask:
        value |= {"format": "rle", "rle": brush.pack(masks.decode(truth.mask).astype(bool))}
    else:
        x1, y1, x2, y2 = truth.box
        sides = {"x": x1 / example.width, "width": (x2 - x1) / example.width}
        sides |= {"y": y1 / example.height, "height": (y2 - y1) / example.height}
        value |= {"rotation": 0, **{side: 100 * share for side, share in sides.items()}}
    place = {"original_width": example.width, "original_height": example.height, "image_rotation": 0}
    return {"from_name": kind, "to_name": "image", "type": f"{kind}labels", "value": value, **place}


def _items(examples: Sequence[Example], classes: Sequence[str]) -> list[ExportItem]:
    return [
        ExportItem(e.name, e.load_photo, e.width, e.height, partial(as_results, e.truths, e.size, tuple(classes)))
        for e in examples
    ]


def _photos(folder: str, examples: Sequence[Example]) -> Entries:
    for example in examples:
        yield f"{folder}/{example.name}".lstrip("/"), example.load_photo()


FORMATS: Final = {
    "coco": Format("COCO", "Boxes and masks; CVAT, FiftyOne, Label Studio and Roboflow read it too", _coco),
    "yolo": Format("YOLO", "Boxes", partial(_yolo, yolo.box_entries)),
    "yolo-seg": Format("YOLO segmentation", "Outlines", partial(_yolo, yolo.outline_entries)),
    "voc": Format("Pascal VOC", "Boxes as XML", _voc),
    "labelme": Format("LabelMe", "Outlines as JSON, to go on editing", _labelme),
    "cvat": Format("CVAT", "Boxes and masks as XML", _cvat),
    "label-studio": Format(
        "Label Studio", "Boxes and brush masks as JSON, with the labelling interface", _label_studio
    ),
}
