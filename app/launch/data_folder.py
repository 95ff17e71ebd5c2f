"""DATA_DIR: a folder that can be written to, for one launcher at a time."""

import fcntl
from pathlib import Path
from typing import IO

from app.config.settings import Settings
from app.launch import LaunchError


def writable_folder(settings: Settings) -> Path:
    """DATA_DIR, made where it is missing. Raises LaunchError where it cannot be written to."""
    folder = settings.data_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise LaunchError(
            f"DATA_DIR {folder} cannot be written to ({error.strerror}); choose another: DATA_DIR=~/detector."
        ) from error
    return folder


def only_one(folder: Path) -> IO[str]:
    """Hold a folder against a second launcher, whose Redis would write over ours, for as long as the file is open.

    Raises LaunchError where another one holds it.
    """
    lock = (folder / "launch.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LaunchError(f"Another one already runs on {folder}; stop it, or choose another DATA_DIR.") from error
    return lock
