"""The pixels of a JPEG file as they are, without anything that it says besides: place, camera, owner, thumbnails."""

import io
import struct
from typing import Final

from PIL import Image

# Segments that decoders need: tables, frames, scans, the JFIF header and Adobe's mark of the colour transform.
_KEPT: Final = {*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDD, 0xE0, 0xEE}
_END: Final = b"\xff\xd9"


def bare_jpeg(data: bytes) -> bytes | None:
    """The file without its metadata and whatever follows the picture, its pixels not encoded again.

    None where the pixels alone would look different: turned, in colours of a profile or not RGB or grey, or broken.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            turned = image.getexif().get(0x0112, 1) != 1
            if image.format != "JPEG" or image.mode not in ("L", "RGB") or turned or "icc_profile" in image.info:
                return None
        return b"\xff\xd8" + b"".join(_segments(data)) + _END
    except (OSError, ValueError, IndexError, SyntaxError, struct.error):
        return None


def _segments(data: bytes) -> list[bytes]:
    """The segments that are kept, each scan with its data. Raises ValueError, IndexError, struct.error."""
    segments, at = [], 2
    while data[at : at + 2] != _END:
        if data[at] != 0xFF:
            raise ValueError("no segment begins here")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if marker == 0xDA:
            end = _end_of_scan(data, end)
        if marker in _KEPT:
            segments.append(data[at:end])
        at = end
    return segments


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next segment begins. Inside of a scan 0xFF is followed by 0 or by a restart marker."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
