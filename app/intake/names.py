"""What a photo is called, whoever sent it: a name that is safe in a header, in a ZIP and on any disk."""

import re
from typing import Final

LONGEST: Final = 255

_SEPARATOR: Final = re.compile(r"[/\\]")
# A path of the sender's own disk, or one that leads out of its folder.
_ELSEWHERE: Final = re.compile(r"^[/\\~]|^[a-z]:|(^|[/\\])\.\.([/\\]|$)", re.IGNORECASE)


def photo_name(text: str | None, default: str = "photo") -> str:
    """The last part of a path, of printable characters alone; the default where nothing is left.

    Of a name longer than LONGEST characters the end stays, because it says what kind of file it is.
    """
    return _printable(_SEPARATOR.split((text or "").rstrip("/\\"))[-1]) or default


def photo_path(text: str | None, default: str = "photo") -> str:
    """The name with the folders that it was sent in, each as `photo_name` gives it, separated by slashes.

    A path that leads elsewhere is only its last part. Of one longer than LONGEST characters the first folders go.
    """
    text, name = text or "", photo_name(text, default)
    parts = [*filter(None, map(_printable, _SEPARATOR.split(text.rstrip("/\\"))[:-1])), name]
    if _ELSEWHERE.search(text) or _ELSEWHERE.search("/".join(parts)):
        return name
    while len("/".join(parts)) > LONGEST:
        del parts[0]
    return "/".join(parts)


def _printable(part: str) -> str:
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in part)
    return shown[-LONGEST:].strip(". ")
