"""Repairs faults of photos that browsers tolerate, for our stricter decoders."""

import re
import zlib
from typing import Final

import cv2
import numpy as np
from PIL import PngImagePlugin

from app.errors import BrokenPhoto

# Maximum bytes, decompressed, of a colour profile or of a text that may turn the photo. Others are not decompressed.
MAX_DECOMPRESSED: Final = 4 * 1024 * 1024
PngImagePlugin.MAX_TEXT_CHUNK = MAX_DECOMPRESSED

# libpng writes 8 KB of pixels into a chunk; decoders in Python look at each.
MAX_CHUNKS: Final = 20_000
_SIGNATURE: Final = 8
_ANCILLARY: Final = 0x20  # In a chunk's first letter: the picture can be shown without it (PNG, section 5.4).
_USED: Final = (b"tRNS", b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt")
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_TURNS: Final = re.compile(rb"(Raw profile type exif|XML:com\.adobe\.xmp)\0")
# What precedes the compressed bytes of a chunk.
_COMPRESSED: Final = {
    b"iCCP": re.compile(rb"[^\0]*\0\0"),
    b"zTXt": re.compile(rb"[^\0]*\0\0"),
    b"iTXt": re.compile(rb"[^\0]*\0\x01\0[^\0]*\0[^\0]*\0"),
}

END_OF_JPEG: Final = b"\xff\xd9"
# A decoder that lacks pixels makes some of these, whichever restart marker it expects; another one skips them.
_FILLER: Final = b"".join(bytes((*range(255), 0xFF, 0xD0 + n)) for n in range(8))


def repair_png(data: bytes) -> bytes:
    """A PNG without ancillary chunks that are damaged, decompress to too much, or do not change the picture.

    Raises BrokenPhoto for more than MAX_CHUNKS chunks.
    """
    view, kept, start, position, count = memoryview(data), [], 0, _SIGNATURE, 0
    while position + 12 <= len(data):
        count += 1
        if count > MAX_CHUNKS:
            raise BrokenPhoto("This PNG has a structure that no program writes, so it was refused. Save it again.")
        kind, end = data[position + 4 : position + 8], position + 12 + int.from_bytes(view[position : position + 4])
        if end > len(data):
            break
        if kind[0] & _ANCILLARY and not _is_wanted(kind, view[position + 8 : end - 4], view[end - 4 : end]):
            kept.append(view[start:position])
            start = end
        position = end
    return b"".join((*kept, view[start:])) if start else data


def is_cut_off(jpeg: bytes) -> bool:
    """Whether pixels are missing from a JPEG that has no end marker.

    libjpeg silently fills missing pixels from whatever bytes follow, so a photo that changes with these bytes is
    incomplete.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    ends = (END_OF_JPEG, _FILLER + END_OF_JPEG)
    short, long = (cv2.imdecode(np.frombuffer(jpeg + end, np.uint8), flags) for end in ends)
    return short is None or long is None or not np.array_equal(short, long)


def _is_wanted(kind: bytes, body: memoryview, checksum: memoryview) -> bool:
    if kind not in _USED or zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum):
        return False
    if kind in _TEXTS and not _TURNS.match(body):
        return False
    compressed = _COMPRESSED[kind].match(body) if kind in _COMPRESSED else None
    if compressed is None:
        return kind not in (b"iCCP", b"zTXt")  # These are always compressed.
    decompressor = zlib.decompressobj()
    try:
        decompressor.decompress(body[compressed.end() :], MAX_DECOMPRESSED)
    except zlib.error:
        return False
    return not decompressor.unconsumed_tail
