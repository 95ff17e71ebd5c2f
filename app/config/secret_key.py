"""The signing key used without SECRET_KEY: created once, and kept in a file."""

import fcntl
import os
import secrets
from pathlib import Path


def kept_key(path: Path) -> str:
    """The key in a file. The file is created with mode 0600 if it is missing or empty.

    It is complete or absent even after a crash, and processes that create it at the same time get the same key.
    Raises OSError if it can be neither read nor created.
    """
    if key := _read(path):
        return key
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return _read(path) or _create(path)
    finally:
        os.close(folder)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _create(path: Path) -> str:
    key = secrets.token_hex(32)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return key
