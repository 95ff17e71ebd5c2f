"""The key that signs where SECRET_KEY names none: made once, and kept in a file."""

import fcntl
import os
import secrets
from pathlib import Path


def kept_key(path: Path) -> str:
    """The key in a file, which is made with mode 0600 where there is none, or where it is empty.

    The file is whole or absent, also after a crash, and processes that make it at the same time agree on one.
    Raises OSError where it can be neither read nor made.
    """
    if key := _read(path):
        return key
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return _read(path) or _made(path)
    finally:
        os.close(folder)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _made(path: Path) -> str:
    key = secrets.token_hex(32)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return key
