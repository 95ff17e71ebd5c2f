"""JSON with a photo as a list of byte values, read as it comes.

As text a photo takes up to five times its bytes, and as a Python list many times more; here only the bytes are kept.
"""

import re
from typing import IO, Any

from flask import current_app

from app.errors import BadRequest, UploadTooLarge

MEMBER = "Uint8array"
WANTED = f"`{MEMBER}` must be base64, or a list of whole numbers from 0 to 255."
# `255, `: what a byte takes at most, as the usual programs write lists.
LONGEST = 5
STEP = 64 * 1024
_BEGIN = re.compile(rb'"%b"\s{0,9}:\s{0,9}\[' % MEMBER.encode())
_LONGEST_BEGIN = 64


def read_json(stream: IO[bytes], most: int) -> tuple[Any, bytes | None]:
    """The JSON of a body, and the bytes of its list named `Uint8array`, which is null in the JSON; None without one.

    Args:
        most: bytes of JSON that are taken beside the list.

    Raises:
        BadRequest: it is no JSON, or the list is not one of byte values. UploadTooLarge: more JSON than that.
        Every error of the body itself.
    """
    text, found = bytearray(), None
    while piece := stream.read(STEP):
        searched = max(0, len(text) - _LONGEST_BEGIN)
        text += piece
        if found is None and (begin := _BEGIN.search(text, searched)):
            found, rest = _listed(text[begin.end() :], stream)
            text[begin.end() - 1 :] = b"null" + rest
        if len(text) > most:
            size = f"{most / 2**20:.3g} MB"
            raise UploadTooLarge(f"This JSON is larger than {size}, the most that is taken beside a list of bytes.")
    try:
        return current_app.json.loads(bytes(text)), found
    except ValueError as error:
        raise BadRequest from error


def _listed(text: bytearray, stream: IO[bytes]) -> tuple[bytes, bytes]:
    """The bytes of a list, and what was read beyond it. text: what was read of the list, without its bracket."""
    found = bytearray()
    while (end := text.find(b"]")) < 0:
        if comma := text.rfind(b",") + 1:
            found += _values(text[: comma - 1])
            del text[:comma]
        piece = stream.read(STEP)
        if not piece or len(text) > STEP:
            raise BadRequest(WANTED)
        text += piece
    if found or text[:end].strip():
        found += _values(text[:end])
    return bytes(found), bytes(text[end + 1 :])


def _values(text: bytearray) -> bytes:
    """The bytes of numbers with commas between them."""
    try:
        if text.translate(None, b"0123456789, \t\r\n"):
            raise ValueError("not only numbers")
        return bytes(map(int, text.split(b",")))
    except ValueError as error:
        raise BadRequest(WANTED) from error
