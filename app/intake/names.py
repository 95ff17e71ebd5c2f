"""What a photo is called, whoever sent it: a name that is safe in a header, in a ZIP and on any disk."""

import re
from typing import Final

LONGEST: Final = 200


def photo_name(text: str | None) -> str:
    """The last part of a path, of printable characters alone; `photo` where nothing is left.

    Of a name longer than LONGEST characters the end stays, because it says what kind of file it is.
    """
    last = re.split(r"[/\\]", (text or "").rstrip("/\\"))[-1]
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in last)
    return shown[-LONGEST:].strip(". ") or "photo"
