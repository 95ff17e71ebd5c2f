"""The pages of a TIFF: which one is the photo, and whether a camera's sensor wrote one.

Cameras and scanners put a small picture first and the photo behind it, as a further page or a child of the first one.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import BrokenPhoto

# Pages and children that are looked at, and the tags of each, so that a chain of empty pages costs nothing.
MAX_PAGES = 256
MAX_TAGS = 1000
# A first page with so many times fewer pixels than the largest one is a thumbnail, whether it says so or not.
THUMBNAIL = 4

# Tags of TIFF 6.0 and its supplement 1; two photometric interpretations of DNG 1.7.
_SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _CHILDREN = _TAGS = (254, 256, 257, 262, 330)
_REDUCED, _MASK = 1, 4
_SENSOR = (32803, 34892)  # Samples behind a colour filter, and linear ones: nobody's picture yet.
_BYTES = {3: ("H", 2), 4: ("I", 4), 13: ("I", 4), 16: ("Q", 8), 18: ("Q", 8)}


@dataclass(frozen=True)
class Page:
    """A page of a TIFF, with width and height in pixels and what its tags say of it. offset: of its directory."""

    offset: int
    width: int
    height: int
    reduced: bool
    mask: bool
    sensor: bool

    @property
    def pixels(self) -> int:
        return self.width * self.height


def is_raw(data: bytes) -> bool:
    """Whether a TIFF is what a camera's sensor saw: DNG, CR2, NEF, ARW and their kind. Raises BrokenPhoto."""
    return data[8:10] == b"CR" or any(page.sensor for page in _pages(data))


def photo_first(data: bytes) -> bytes:
    """A TIFF whose first page is its photo: the first one, or the largest where the first is a thumbnail of it.

    Raises BrokenPhoto if all but a thumbnail is missing.
    """
    pages = [page for page in _pages(data) if not page.mask]
    if not pages:
        return data
    first, largest = pages[0], max(pages, key=lambda page: page.pixels)
    if first.pixels == largest.pixels or not (first.reduced or THUMBNAIL * first.pixels <= largest.pixels):
        return data
    order, big = _layout(data)
    at, form = (8, "Q") if big else (4, "I")
    start = struct.pack(order + form, largest.offset)
    return data[:at] + start + data[at + len(start) :]


def _layout(data: bytes) -> tuple[str, bool]:
    """The byte order, as `struct` writes it, and whether offsets have eight bytes (BigTIFF)."""
    order = "<" if data[:2] == b"II" else ">"
    return order, struct.unpack_from(order + "H", data, 2)[0] == 43


def _pages(data: bytes) -> list[Page]:
    """Pages in the file's order, each followed by its children, as far as they are there.

    Raises BrokenPhoto if that leaves only a thumbnail.
    """
    pages: list[Page] = []
    try:
        pages.extend(_walk(data))
    except struct.error as error:
        if pages and all(page.reduced for page in pages):
            raise BrokenPhoto() from error
    return pages


def _walk(data: bytes) -> Iterator[Page]:
    order, big = _layout(data)
    waiting = [struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]]
    seen: set[int] = set()
    while waiting and len(seen) < MAX_PAGES:
        offset = waiting.pop(0)
        if offset in seen or not offset:
            continue
        seen.add(offset)
        tags, following = _directory(data, offset, order, big)
        waiting = [*tags.get(_CHILDREN, ()), following, *waiting]
        (width, *_), (height, *_) = tags.get(_WIDTH, (0,)), tags.get(_HEIGHT, (0,))
        kind, meaning = tags.get(_SUBFILE, (0,))[0], tags.get(_PHOTOMETRIC, (0,))[0]
        yield Page(offset, width, height, bool(kind & _REDUCED), bool(kind & _MASK), meaning in _SENSOR)


def _directory(data: bytes, offset: int, order: str, big: bool) -> tuple[dict[int, tuple[int, ...]], int]:
    """The whole-number values of a page's tags, and where the next page's directory is; 0 for nowhere."""
    if offset > len(data):
        raise struct.error("beyond the end")
    count_form, entry_form, link_form = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    count = struct.unpack_from(order + count_form, data, offset)[0]
    if count > MAX_TAGS:
        raise struct.error("too many tags")
    position = offset + struct.calcsize(order + count_form)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(count):
        tag, kind, length, value = struct.unpack_from(order + entry_form, data, position)
        position += struct.calcsize(order + entry_form)
        if kind in _BYTES and tag in _TAGS and 0 < length <= MAX_PAGES:
            tags[tag] = _numbers(data, order, kind, length, value)
    return tags, struct.unpack_from(order + link_form, data, position)[0]


def _numbers(data: bytes, order: str, kind: int, length: int, value: bytes) -> tuple[int, ...]:
    """The values of a tag: in its entry where they fit, else where that points to."""
    form, size = _BYTES[kind]
    if size * length > len(value):
        place = struct.unpack(order + ("Q" if len(value) == 8 else "I"), value)[0]
        value = data[place : place + size * length]
    return struct.unpack_from(f"{order}{length}{form}", value)
