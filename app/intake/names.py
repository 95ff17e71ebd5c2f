"""The name of a photo, made safe for headers, ZIPs and disks, whatever was sent."""

import re
from typing import Final

MAX_LENGTH: Final = 255
# The names that programs give to data without a name. Browsers use `blob`.
_PLACEHOLDERS: Final = ("photo", "blob")

_SEPARATOR: Final = re.compile(r"[/\\]")
# An absolute path of the sender's disk, or one that leads out of its folder.
_ELSEWHERE: Final = re.compile(r"^[/\\~]|^[a-z]:|(^|[/\\])\.\.([/\\]|$)", re.IGNORECASE)


def given_path(text: str | None, format: str) -> str:
    """`photo_path` of a photo; if it was sent without a name, `photo` with the suffix of its format."""
    path = photo_path(text)
    return f"photo.{'jpg' if format == 'jpeg' else format}" if path in _PLACEHOLDERS else path


def photo_name(text: str | None) -> str:
    """The last part of a path, reduced to printable characters; `photo` if nothing is left.

    A name of more than MAX_LENGTH characters loses its beginning, because its end has the suffix.
    """
    return _printable(_SEPARATOR.split((text or "").rstrip("/\\"))[-1]) or "photo"


def photo_path(text: str | None) -> str:
    """The name with its folders, each cleaned like the name, separated by slashes.

    An absolute path, or one that leads out of its folder, is reduced to its last part. A path of more than MAX_LENGTH
    characters loses its first folders.
    """
    text, name = text or "", photo_name(text)
    parts = [*filter(None, map(_printable, _SEPARATOR.split(text.rstrip("/\\"))[:-1])), name]
    if _ELSEWHERE.search(text) or _ELSEWHERE.search("/".join(parts)):
        return name
    while len("/".join(parts)) > MAX_LENGTH:
        del parts[0]
    return "/".join(parts)


def _printable(part: str) -> str:
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in part)
    return shown[-MAX_LENGTH:].strip(". ")
