"""JSON in which a photo is a list of byte values, parsed while it arrives.

As text such a photo takes up to five times its bytes, and as a Python list many times more. Only the bytes are kept.
JSON.stringify makes an object of a Uint8Array, `{"0": 255, "1": 216, ...}`, which is taken like a list.
"""

from codecs import BOM_UTF8
from typing import IO, Any

import ijson

from app.errors import BadRequest, UploadTooLarge
from app.web.common.bodies import MAX_VALUES, TooManyValues

MEMBER = "Uint8array"
EXPECTED = f"`{MEMBER}` must be base64, or a list of whole numbers from 0 to 255."
# `255, `: the most characters that a byte takes, as JSON is usually written.
MAX_CHARACTERS = 5
CHUNK = 64 * 1024
_OPENING, _CLOSING = ("start_array", "start_map"), ("end_array", "end_map")


def read_json(stream: IO[bytes], max_bytes: int) -> tuple[Any, bytes | None]:
    """The JSON of a body, and the bytes of its list named `Uint8array`, which is null in the JSON; None without one.

    Args:
        max_bytes: maximum size of the JSON without the list.

    Raises:
        BadRequest: it is not JSON, or the list is not one of byte values. TooManyValues: it has very many others.
        UploadTooLarge: it is larger than max_bytes.
        Every error of the body itself.
    """
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, use_float=True)
    content, unparsed, mark = _Content(max_bytes), 0, BOM_UTF8
    try:
        while chunk := stream.read(CHUNK):
            parser.send(chunk.removeprefix(mark))
            mark = b""
            unparsed = 0 if events else unparsed + len(chunk)  # A text that has not ended yet.
            content.add(events, unparsed)
        parser.close()
        content.add(events)
    except ijson.JSONError as error:
        raise BadRequest from error
    return content.builder.value, None if content.bytes is None else bytes(content.bytes)


class _Content:
    """The JSON that is made of the parser's events. bytes: those of the list, once it has begun."""

    def __init__(self, max_bytes: int):
        self.builder = ijson.ObjectBuilder()
        self.bytes: bytearray | None = None
        self._max_bytes, self._size, self._values = max_bytes, 0, 0
        self._depth, self._key, self._in_list = 0, "", False

    def add(self, events: list[tuple[str, Any]], unparsed: int = 0) -> None:
        """Take the events out of a list. unparsed: bytes for which there is no event yet."""
        for event, value in events:
            if self._in_list:
                self._add_byte(event, value)
            elif event in _OPENING and self._depth == 1 and self._key == MEMBER and self.bytes is None:
                self.bytes, self._in_list = bytearray(), True
                self.builder.event("null", None)
            else:
                self._depth += event in _OPENING
                self._depth -= event in _CLOSING
                self._values += 1
                if self._values > MAX_VALUES:
                    raise TooManyValues
                self._key = value if event == "map_key" else self._key
                self._size += len(value) if isinstance(value, str) else 1
                self.builder.event(event, value)
        events.clear()
        if self._size + unparsed > self._max_bytes:
            if self._in_list:
                raise BadRequest(EXPECTED)
            size = f"{self._max_bytes / 2**20:.3g} MB"
            raise UploadTooLarge(f"This JSON is larger than {size}, the maximum beside a list of bytes.")

    def _add_byte(self, event: str, value: Any) -> None:
        assert self.bytes is not None
        if event in _CLOSING:
            self._in_list = False
        elif event == "number" and type(value) is int and 0 <= value <= 255:
            self.bytes.append(value)
        elif event != "map_key" or value != str(len(self.bytes)):
            raise BadRequest(EXPECTED)
