"""Photos with their truth, checked one by one before any of them is taken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from app.datasets.formats.reading import Reading
from app.datasets.labelled import Labelled
from app.datasets.split import difference_hash
from app.datasets.truth import Truth
from app.errors import PublicError
from app.intake.budget import pixel_budget
from app.intake.decode import decode
from app.intake.photo import Photo, read_photo

Bytes = bytes  # A field of `Checked` has that name.
# Pixels of the longer side from which the difference hash is made.
_HASHED_SIDE = 64


@dataclass(frozen=True)
class Checked:
    """A photo that can be taken. hash: its difference hash; load: gives the bytes that `sha256` belongs to."""

    name: str
    sha256: str
    md5: str
    format: str
    width: int
    height: int
    bytes: int
    hash: int
    truths: tuple[Truth, ...]
    load: Callable[[], Bytes]


@dataclass(frozen=True)
class Limits:
    """max_bytes: of a photo; max_pixels: width x height of one."""

    max_bytes: int
    max_pixels: int


def check(found: Reading, limits: Limits) -> tuple[list[Checked], list[str]]:
    """Check what a folder holds.

    Returns:
        The photos, each once: what several files say of one is joined. And one sentence for each file, photo or
        annotation that is left out.
    """
    problems = list(found.problems)
    by_photo: dict[str, Checked] = {}
    for labelled in found.photos:
        for checked in _checked(labelled, limits, problems):
            known = by_photo.get(checked.sha256)
            by_photo[checked.sha256] = _joined(known, checked) if known else checked
    return list(by_photo.values()), problems


def checked_photo(name: str, photo: Photo, truths: tuple[Truth, ...], load: Callable[[], Bytes]) -> Checked:
    """A photo that was checked, with its difference hash."""
    with pixel_budget.reserve(photo.width * photo.height):
        hash = difference_hash(decode(photo.data, min_side=_HASHED_SIDE))
    known = (photo.sha256, photo.md5, photo.format, photo.width, photo.height, len(photo.data))
    return Checked(name, *known, hash, truths, load)


def _checked(labelled: Labelled, limits: Limits, problems: list[str]) -> Iterator[Checked]:
    """The photo; none, with the reason among the problems, where it cannot be used."""
    try:
        data = labelled.path.read_bytes()
        photo = read_photo(data, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    except PublicError as error:
        problems.append(f"{labelled.name}: {_lower(error.message)}")
        return
    if labelled.described and labelled.described != (photo.width, photo.height):
        said = "{} x {}".format(*labelled.described)
        problems.append(f"{labelled.name}: the photo is {photo.width} x {photo.height}, the annotations are for {said}")
        return
    objects = labelled.objects((photo.height, photo.width))
    problems += [f"{labelled.name}: {problem}" for problem in objects.problems]
    load = labelled.path.read_bytes if photo.data is data else partial(_same, photo.data)
    yield checked_photo(labelled.name, photo, tuple(objects.truths), load)


def _joined(one: Checked, other: Checked) -> Checked:
    new = tuple(truth for truth in other.truths if truth not in one.truths)
    return Checked(**{**vars(one), "truths": one.truths + new})


def _same(data: bytes) -> bytes:
    return data


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
