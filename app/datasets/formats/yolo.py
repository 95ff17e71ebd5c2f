"""YOLO's text files as of Ultralytics (https://docs.ultralytics.com/datasets/): one a photo, in shares of its size.

A line is `class x y width height`, or `class x y x y ...` along an outline. A class is a place in `data.yaml`,
`classes.txt` or `obj.names`. The file beside `images/a.jpg` is `labels/a.txt`; darknet puts it beside the photo.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from app.datasets.folder import Folder
from app.datasets.formats.reading import Reading, read_text
from app.datasets.labelled import Labelled, Objects, collect
from app.datasets.truth import Truth, from_box, from_rings

NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
MAX_CLASSES = 10_000
_LINE = re.compile(r"\s*\d+(\s+-?[\d.]+(e[+-]?\d+)?){4,}\s*", re.IGNORECASE)


def read(folder: Folder, found: Reading) -> None:
    """Read every label file below each file of names."""
    homes = {path.parent: path for name in reversed(NAME_FILES) for path in folder.files if path.name.lower() == name}
    taken: set[Path] = set()
    for home, path in sorted(homes.items(), key=lambda pair: len(pair[0].parts), reverse=True):
        text = read_text(folder, path, found)
        names = [] if text is None else _names(path, text)
        if text is not None and not names:
            found.problems.append(f"{folder.name(path)}: the file names no classes")
        if names:
            photos = [photo for photo in folder.photos if photo.is_relative_to(home) and photo not in taken]
            taken.update(photos)
            _photos(folder, photos, names, found)


def _photos(folder: Folder, photos: list[Path], names: list[str], found: Reading) -> None:
    for photo in photos:
        labels = next((path for path in _label_files(folder, photo) if path.is_file()), None)
        if labels is None:
            found.problems.append(f"{folder.name(photo)}: the photo has no label file")
        elif (text := read_text(folder, labels, found)) is not None:
            lines = [line for line in text.splitlines() if line.strip()]
            found.photos.append(Labelled(photo, folder.name(photo), None, partial(_objects, lines, names)))


def _label_files(folder: Folder, photo: Path) -> list[Path]:
    parts = folder.parts(photo)
    mirrored = [
        folder.root.joinpath(*parts[:i], "labels", *parts[i + 1 :]).with_suffix(".txt")
        for i, part in reversed(list(enumerate(parts)))
        if part == "images"
    ]
    return [*mirrored, photo.with_suffix(".txt"), photo.parent / "labels" / f"{photo.stem}.txt"]


def _objects(lines: list[str], names: list[str], size: tuple[int, int]) -> Objects:
    return collect([(f"line {i}", partial(_truth, line, names, size)) for i, line in enumerate(lines, 1)])


def _truth(line: str, names: list[str], size: tuple[int, int]) -> Truth:
    if not _LINE.fullmatch(line):
        raise ValueError("is not a class and at least four numbers")
    first, *rest = line.split()
    if int(first) >= len(names):
        raise ValueError(f"has the unknown class {first}")
    numbers, (height, width) = [float(v) for v in rest], size
    if len(numbers) == 4:
        x, y, w, h = np.array(numbers) * [width, height, width, height]
        return from_box(names[int(first)], (x - w / 2, y - h / 2, x + w / 2, y + h / 2), size)
    if len(numbers) % 2:
        raise ValueError("has an outline of an odd number of coordinates")
    ring = (np.array(numbers).reshape(-1, 2) * [width, height]).ravel().tolist()
    return from_rings(names[int(first)], [ring], size)


def _names(path: Path, text: str) -> list[str]:
    """The class names, in order; empty where the file has none."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    import yaml  # Rare: only these files need it.

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and all(isinstance(place, int) and 0 <= place < MAX_CLASSES for place in names):
        return [str(names.get(i, "")) for i in range(max(names, default=-1) + 1)]
    return [str(name) for name in names] if isinstance(names, list) else []
