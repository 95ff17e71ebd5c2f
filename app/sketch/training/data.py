"""Reads QuickDraw's files of drawings."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.sketch import ANIMALS, NothingDrawn, Strokes
from app.sketch.raster import to_box


class SketchDataError(ValueError):
    """Drawings that cannot be used; the message is one sentence that names the file."""


@dataclass(frozen=True)
class Drawing:
    """One drawing. identity: 16 hex digits of the SHA-256 of its strokes, the same for equal drawings."""

    word: str
    strokes: Strokes
    identity: str


def read_drawings(*folders: Path) -> list[Drawing]:
    """Read folders of files named by word, in the format of QuickDraw's simplified (or raw) drawings.

    The files, `<word>.ndjson` or gzipped `<word>.ndjson.gz`, may lie in folders within the folders. Drawings without an
    extent, and duplicates within a word, are left out.

    Raises:
        SketchDataError: a folder has no such files, a line is not a drawing, or all drawings are blank.
    """
    drawings: dict[tuple[str, str], Drawing] = {}
    for folder in folders:
        paths = sorted([*folder.rglob("*.ndjson"), *folder.rglob("*.ndjson.gz")])
        if not paths:
            raise SketchDataError(f"{folder} has no .ndjson files named by word.")
        for path in paths:
            for drawing in _read(path):
                drawings.setdefault((drawing.word, drawing.identity), drawing)
    if not drawings:
        raise SketchDataError(f"{', '.join(map(str, folders))} has no drawings in its .ndjson files.")
    return list(drawings.values())


def _read(path: Path) -> Iterator[Drawing]:
    word = path.name.removesuffix(".gz").removesuffix(".ndjson")
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            lists = json.loads(line)["drawing"]
            strokes = [np.stack([np.asarray(s[0], float), np.asarray(s[1], float)], axis=1) for s in lists]
            to_box(strokes)
        except NothingDrawn:
            continue
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SketchDataError(f"{path}, line {number}: this is not a QuickDraw drawing ({error}).") from error
        yield Drawing(word, strokes, identity(strokes))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SketchDataError(f"{path} is not a file of QuickDraw drawings ({error}).") from error


def identity(strokes: Strokes) -> str:
    """A name derived from a drawing's strokes: 16 hex digits."""
    digest = hashlib.sha256()
    for stroke in strokes:
        digest.update(len(stroke).to_bytes(4, "little") + np.ascontiguousarray(stroke, "<f8").tobytes())
    return digest.hexdigest()[:16]


def read_bitmaps(*folders: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Read QuickDraw's bitmaps of the six animals from `<word>.npy`, (N, 28, 28) by word; missing files are skipped.

    Raises:
        SketchDataError: a file has another shape or dtype.
    """
    bitmaps: dict[str, npt.NDArray[np.uint8]] = {}
    for word in ANIMALS:
        own = [_bitmaps(folder / f"{word}.npy") for folder in folders if (folder / f"{word}.npy").is_file()]
        if own:
            bitmaps[word] = np.concatenate(own)
    return bitmaps


def _bitmaps(path: Path) -> npt.NDArray[np.uint8]:
    try:
        array = np.load(path, allow_pickle=False)
        if array.dtype != np.uint8 or array.size % 784 or not array.size:
            raise ValueError(f"{array.shape} {array.dtype}")
    except (ValueError, OSError, EOFError) as error:
        raise SketchDataError(f"{path} is not a file of 28x28 bitmaps ({error}).") from error
    return np.asarray(array, np.uint8).reshape(-1, 28, 28)


def assign_folds(drawings: list[Drawing], folds: int, seed: int) -> tuple[dict[str, int], dict[str, int]]:
    """Assign what each fold holds out.

    Returns:
        The fold of each drawing of the six animals by identity, every animal spread evenly; and the fold of each other
        word, which holds out all of its drawings.
    """
    rng = np.random.default_rng(seed)
    animals: dict[str, int] = {}
    for word in ANIMALS:
        own = sorted(d.identity for d in drawings if d.word == word)
        rng.shuffle(own)
        animals |= {name: i % folds for i, name in enumerate(own)}
    words = sorted({d.word for d in drawings} - set(ANIMALS))
    rng.shuffle(words)
    return animals, {word: i % folds for i, word in enumerate(words)}
