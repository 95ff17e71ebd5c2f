"""COCO-format folders: read, checked file by file, split by seed.

A folder holds one annotation file (`instances.json`, Label Studio's `result.json`, or CVAT's
`annotations/instances_default.json`) and the photos, under `images/` or beside it.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from app.errors import PublicError
from app.intake.decode import verify

ANNOTATION_FILES = ("instances.json", "result.json", "annotations/instances_default.json", "annotations.json")
PHOTO_FOLDERS = ("images", "images/default", ".")
# COCO's own boxes overshoot the photo by up to a rounding step.
OVERSHOOT = 2.0
MAX_PIXELS = 200_000_000


class DataError(ValueError):
    """A folder that cannot be trained on. problems: one sentence a file or annotation."""

    def __init__(self, message: str, problems: Sequence[str] = ()):
        super().__init__(message)
        self.problems = list(problems)


@dataclass(frozen=True)
class Sample:
    """One photo with its truth.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; labels: (N,) int64 indices into the data's classes;
    polygons: N lists of flat x y lists, None where an instance has no mask; ignored: (M, 4) crowd boxes.
    """

    path: Path
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    polygons: tuple[list[list[float]] | None, ...]
    ignored: np.ndarray


@dataclass(frozen=True)
class CocoData:
    """A checked folder. truth: the annotation file's own dict; category_ids: the file's id of each class."""

    folder: Path
    truth: dict[str, Any]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()

    def only(self, samples: Sequence[Sample]) -> "CocoData":
        """The same data with some of its photos; `truth` is cut down to them."""
        ids = {sample.image_id for sample in samples}
        truth = {
            **self.truth,
            "images": [image for image in self.truth["images"] if image["id"] in ids],
            "annotations": [a for a in self.truth["annotations"] if a["image_id"] in ids],
        }
        return replace(self, samples=tuple(samples), truth=truth)


def read_coco(folder: Path, *, skip_bad: bool = False) -> CocoData:
    """Read and check a COCO-format folder.

    Args:
        skip_bad: leave bad photos and annotations out (named in `problems`) instead of refusing the folder.

    Raises:
        DataError: no annotation file, unreadable JSON, an empty set, or bad entries; each is named.
    """
    path = next((folder / name for name in ANNOTATION_FILES if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder} holds no annotation file; one of {', '.join(ANNOTATION_FILES)} is wanted.")
    truth = _read_json(path)
    categories = sorted(truth["categories"], key=lambda c: c["id"])
    index = {c["id"]: i for i, c in enumerate(categories)}
    by_image: dict[int, list[dict[str, Any]]] = {}
    problems: list[str] = []
    known = {image["id"] for image in truth["images"]}
    for a in truth["annotations"]:
        if a.get("image_id") in known:
            by_image.setdefault(a["image_id"], []).append(a)
        else:
            problems.append(f"annotation {a.get('id')}: its photo {a.get('image_id')} is not listed")
    samples = []
    for image in truth["images"]:
        sample = _read_sample(folder, image, by_image.get(image["id"], []), index, problems)
        if sample is not None:
            samples.append(sample)
    if problems and not skip_bad:
        raise DataError(f"{path} has {len(problems)} problems; mend them or pass --skip-bad.", problems)
    if not any(len(sample.boxes) for sample in samples):
        raise DataError(f"{path} has no usable annotation: nothing to learn from.", problems)
    names = tuple(c["name"] for c in categories)
    data = CocoData(folder, truth, names, tuple(c["id"] for c in categories), tuple(samples), tuple(problems))
    return data.only(data.samples) if problems else data


def split(data: CocoData, fraction: float, seed: int) -> tuple[CocoData, CocoData]:
    """Training and validation parts, the same for the same seed; at least one photo in each."""
    if len(data.samples) < 2:
        raise DataError("At least two photos are needed: one to train on and one to validate with.")
    samples = sorted(data.samples, key=lambda s: s.image_id)
    random.Random(seed).shuffle(samples)
    count = min(max(1, round(len(samples) * fraction)), len(samples) - 1)
    return data.only(samples[count:]), data.only(samples[:count])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        truth = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    lists = isinstance(truth, dict) and all(isinstance(truth.get(k), list) for k in ("images", "categories"))
    if not lists or not truth["images"] or not truth["categories"]:
        raise DataError(f"{path} is empty or not in COCO format: it must list images and categories.")
    truth.setdefault("annotations", [])
    return truth


def _read_sample(
    folder: Path, image: dict[str, Any], annotations: list[dict[str, Any]], index: dict[int, int], problems: list[str]
) -> Sample | None:
    name = image["file_name"]
    path = _photo_path(folder, name)
    if path is None:
        problems.append(f"{name}: the photo is missing")
        return None
    try:
        size = verify(path.read_bytes(), max_pixels=MAX_PIXELS)[1:]
    except (OSError, PublicError):
        problems.append(f"{name}: the file is not a readable photo")
        return None
    if size != (image.get("width", size[0]), image.get("height", size[1])):
        problems.append(f"{name}: the photo is {size[0]} x {size[1]}, the annotations say otherwise")
        return None
    boxes, labels, polygons, ignored = [], [], [], []
    for a in annotations:
        problem = _check(a, size, index)
        if problem:
            problems.append(f"{name}: annotation {a.get('id')} {problem}")
            continue
        x, y, w, h = a["bbox"]
        box = [max(x, 0), max(y, 0), min(x + w, size[0]), min(y + h, size[1])]
        if a.get("iscrowd"):
            ignored.append(box)
            continue
        boxes.append(box)
        labels.append(index[a["category_id"]])
        segmentation = a.get("segmentation")
        polygons.append(segmentation if isinstance(segmentation, list) and segmentation else None)
    return Sample(
        path,
        image["id"],
        *size,
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(labels, np.int64),
        tuple(polygons),
        np.asarray(ignored, np.float32).reshape(-1, 4),
    )


def _photo_path(folder: Path, name: str) -> Path | None:
    """Where a photo named in the annotations lies; a name cannot lead out of the folder."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        return None
    paths = (folder / sub / name for sub in PHOTO_FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def _check(a: dict[str, Any], size: tuple[int, int], index: dict[int, int]) -> str | None:
    """What is wrong with an annotation, or None."""
    if a.get("category_id") not in index:
        return f"has the unknown category {a.get('category_id')}"
    box = a.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not np.isfinite(box).all():
        return "has no box"
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return "has an empty box"
    if x < -OVERSHOOT or y < -OVERSHOOT or x + w > size[0] + OVERSHOOT or y + h > size[1] + OVERSHOOT:
        return f"has a box outside the {size[0]} x {size[1]} photo"
    return None
