"""The text of an MMDetection config and of all that it is based on, read without running it."""

import functools
import hashlib
import re
from pathlib import Path

BASES = re.compile(r"""^_base_\s*=\s*(\[.*?\]|'[^']*'|"[^"]*")""", re.DOTALL | re.MULTILINE)


def texts(config: Path) -> tuple[str, ...]:
    """The config's own text first; a base that is not there is left out. Raises OSError without the config itself."""
    return _texts(config.resolve(), config.stat().st_mtime_ns)


def digest(config: Path) -> str:
    """SHA-256 of the texts in hex: with another config the same weights answer differently."""
    return hashlib.sha256("".join(texts(config)).encode()).hexdigest()


@functools.cache
def _texts(config: Path, changed: int) -> tuple[str, ...]:
    text = config.read_text()
    found = BASES.search(text)
    bases = re.findall(r"""['"]([^'"]+)['"]""", found[1]) if found else []
    paths = [config.parent / base for base in bases]
    return (text, *(part for path in paths if path.is_file() for part in texts(path)))
