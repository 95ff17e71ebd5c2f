"""The first frame of an animated WebP (RFC 9649), as a file of its own.

libwebp's animation decoder holds three pictures of four bytes a pixel, however many frames are wanted; a still picture
is decoded in one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from app.errors import BrokenPhoto
from app.intake.pixels import bgra_to_rgb

# Chunks that are looked at. Those of colours come before the frames; EXIF and XMP come after them.
MAX_CHUNKS = 10_000
_ANIMATED, _ALPHA = 0x02, 0x10
_METADATA = (b"ICCP", b"EXIF", b"XMP ")
_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")
_RIFF, _HEAD, _FRAME_HEAD = 12, 8, 16


class FirstFrame(NamedTuple):
    """data: a still WebP of the frame; x, y: where the frame lies, in pixels; width, height: of the whole picture."""

    data: bytes
    x: int
    y: int
    width: int
    height: int

    def placed(self, pixels: np.ndarray, paper: int) -> np.ndarray:
        """The frame's pixels, (h, w, 3) RGB or (h, w, 4) BGRA uint8, in the whole picture: (height, width, 3) RGB."""
        rgb = bgra_to_rgb(pixels, paper) if pixels.shape[2] == 4 else pixels
        if rgb.shape[:2] == (self.height, self.width):
            return rgb
        picture = np.full((self.height, self.width, 3), paper, np.uint8)
        picture[self.y : self.y + rgb.shape[0], self.x : self.x + rgb.shape[1]] = rgb
        return picture


def first_frame(data: bytes) -> FirstFrame | None:
    """The first frame of an animated WebP; None for a still one. Raises BrokenPhoto for one without a frame."""
    if data[12:16] != b"VP8X" or not data[20:21] or not data[20] & _ANIMATED:
        return None
    width, height = _number(data, 24) + 1, _number(data, 27) + 1
    metadata, frame = [], b""
    for kind, body in _chunks(data, _RIFF):
        if kind == b"ANMF" and not frame:
            frame = body
        elif kind in _METADATA:
            metadata.append((kind, body))
    if len(frame) < _FRAME_HEAD:
        raise BrokenPhoto()
    x, y = 2 * _number(frame, 0), 2 * _number(frame, 3)
    frame_width, frame_height = _number(frame, 6) + 1, _number(frame, 9) + 1
    if x + frame_width > width or y + frame_height > height:
        raise BrokenPhoto()
    pixels = [(kind, body) for kind, body in _chunks(frame, _FRAME_HEAD) if kind in _PIXELS]
    flags = data[20] & ~(_ANIMATED | _ALPHA) | (_ALPHA if any(_has_alpha(*chunk) for chunk in pixels) else 0)
    head = bytes((flags, 0, 0, 0)) + _bytes(frame_width - 1) + _bytes(frame_height - 1)
    profile = [chunk for chunk in metadata if chunk[0] == b"ICCP"][:1]
    others = [chunk for chunk in metadata if chunk[0] != b"ICCP"]
    body = b"WEBP" + b"".join(_chunk(*chunk) for chunk in [(b"VP8X", head), *profile, *pixels, *others])
    return FirstFrame(b"RIFF" + len(body).to_bytes(4, "little") + body, x, y, width, height)


def _chunks(data: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each chunk from a position on, as far as they are whole."""
    for _ in range(MAX_CHUNKS):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + _HEAD], "little")
        end = position + _HEAD + size
        if len(kind) < 4 or end > len(data):
            return
        yield kind, data[position + _HEAD : end]
        position = end + size % 2


def _has_alpha(kind: bytes, content: bytes) -> bool:
    """Whether these pixels are transparent anywhere; a lossless picture's header says so (RFC 9649, section 3.4)."""
    return kind == b"ALPH" or (kind == b"VP8L" and bool(content[4:5]) and bool(content[4] & 0x10))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _number(data: bytes, place: int) -> int:
    """24 bits."""
    return int.from_bytes(data[place : place + 3], "little")


def _bytes(number: int) -> bytes:
    return number.to_bytes(3, "little")
