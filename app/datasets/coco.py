"""The photos and annotations of a COCO-format folder, checked file by file and split by seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.annotations import Annotation, Outline, read_annotation
from app.datasets.coco_folder import CocoFolder, open_folder
from app.datasets.errors import DataError
from app.errors import PublicError
from app.intake.decode import verify

MAX_PIXELS = 200_000_000


@dataclass(frozen=True)
class Sample:
    """One photo with its ground truth.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; labels: (N,) int64 indices into the data's classes;
    outlines: N lists of flat x y lists or RLEs, None where an instance has none; ignored: (M, 4) crowd boxes.
    """

    path: Path
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    outlines: tuple[Outline | None, ...]
    ignored: np.ndarray


@dataclass(frozen=True)
class CocoData:
    """A checked folder.

    truth: the accepted part of the annotation file, complete for pycocotools; category_ids: the file's id of each
    class; problems: one sentence per photo or annotation that was left out.
    """

    folder: Path
    truth: dict[str, Any]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()

    def only(self, samples: Sequence[Sample]) -> "CocoData":
        """The same data limited to these photos, `truth` included."""
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
    opened = open_folder(folder)
    path, categories = opened.path, sorted(opened.categories, key=lambda c: c["id"])
    reader = _Reader(opened, tuple(c["id"] for c in categories))
    samples = reader.read()
    if reader.problems and not skip_bad:
        raise DataError(f"{path} has {len(reader.problems)} problems; fix them or pass --skip-bad.", reader.problems)
    if not any(len(sample.boxes) for sample in samples):
        crowds = " All of its objects are marked as crowds." if any(len(s.ignored) for s in samples) else ""
        raise DataError(f"{path} has no usable annotation: nothing to learn from.{crowds}", reader.problems)
    truth = {"images": reader.images, "annotations": reader.accepted, "categories": categories}
    names = tuple(c["name"] for c in categories)
    return CocoData(folder, truth, names, reader.categories, tuple(samples), tuple(reader.problems))


def split(data: CocoData, fraction: float, seed: int) -> tuple[CocoData, CocoData]:
    """Split into training and validation photos, the same way for the same seed.

    Each part has at least one photo, and one with objects if at least two photos have objects.

    Raises DataError if there is only one photo.
    """
    if len(data.samples) < 2:
        raise DataError("At least two photos are needed: one for training and one for validation.")
    samples = sorted(data.samples, key=lambda s: s.image_id)
    random.Random(seed).shuffle(samples)
    full, empty = ([s for s in samples if bool(len(s.boxes)) is wanted] for wanted in (True, False))
    # A single photo with objects goes to training; photos without objects are split all the same.
    first, rest = (full, empty) if len(full) > 1 or not empty else (empty, full)
    count = min(max(1, round(len(first) * fraction)), max(1, len(first) - 1))
    others = round(len(rest) * fraction) if first is full else 0
    return data.only(first[count:] + rest[others:]), data.only(first[:count] + rest[:others])


class _Reader:
    """Reads photos and their annotations, and keeps the accepted entries and the problems."""

    def __init__(self, folder: CocoFolder, categories: tuple[int, ...]):
        self.folder, self.categories = folder, categories
        self.images: list[dict[str, Any]] = []
        self.accepted: list[dict[str, Any]] = []
        self.problems: list[str] = []

    def read(self) -> list[Sample]:
        by_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in self.folder.images}
        for a in self.folder.annotations:
            if isinstance(a.get("image_id"), int) and a["image_id"] in by_image:
                by_image[a["image_id"]].append(a)
            else:
                self.problems.append(f"annotation {a.get('id')}: its photo {a.get('image_id')} is not listed")
        samples = []
        for image in self.folder.images:
            try:
                # If several photos share an id, the first gets the annotations.
                samples.append(self._sample(image, by_image.pop(image["id"], None)))
            except ValueError as error:
                self.problems.append(f"{image['file_name']}: {error}")
        return samples

    def _sample(self, image: dict[str, Any], annotations: list[dict[str, Any]] | None) -> Sample:
        """Raises ValueError saying what is wrong with the photo."""
        name = str(image["file_name"])
        if annotations is None:
            raise ValueError(f"another photo has its id {image['id']}")
        path, width, height = self._photo(name)
        described = (image.get("width") or width, image.get("height") or height)
        if described != (width, height):
            side = ", its sides swapped" if described == (height, width) else ""
            said = f"{described[0]} x {described[1]}{side}"
            raise ValueError(f"the photo is {width} x {height}, the annotations are for {said}")
        known = []
        for a in annotations:
            try:
                known.append(read_annotation(a, (width, height), self.categories, brushed=self.folder.brushed))
            except ValueError as error:
                self.problems.append(f"{name}: annotation {a.get('id')} {error}")
        self.images.append({"id": image["id"], "file_name": name, "width": width, "height": height})
        self.accepted += [a.to_coco(len(self.accepted) + i, image["id"]) for i, a in enumerate(known, 1)]
        objects = [a for a in known if not a.crowd]
        return Sample(
            path,
            image["id"],
            width,
            height,
            _corners(objects, width, height),
            np.array([self.categories.index(a.category_id) for a in objects], np.int64),
            tuple(a.outline for a in objects),
            _corners([a for a in known if a.crowd], width, height),
        )

    def _photo(self, name: str) -> tuple[Path, int, int]:
        """The path, upright width and upright height of a photo named in the annotations.

        Raises ValueError if it is missing or broken.
        """
        try:
            if path := self.folder.photo(name):
                return path, *verify(path.read_bytes(), max_pixels=MAX_PIXELS)[1:]
        except (OSError, PublicError) as error:
            raise ValueError("the file is not a readable photo") from error
        raise ValueError("the photo is missing")


def _corners(annotations: Sequence[Annotation], width: int, height: int) -> np.ndarray:
    """(N, 4) float32 boxes x1 y1 x2 y2 within the photo."""
    boxes = np.array([a.box for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return np.clip(boxes, 0, [width, height] * 2).astype(np.float32)
