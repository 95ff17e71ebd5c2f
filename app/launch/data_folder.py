"""DATA_DIR: a writable folder, used by one launcher at a time."""

import fcntl
import os
import stat
from pathlib import Path
from typing import IO

from app.config.settings import Settings
from app.launch import LaunchError

# Photos, results and keys are nobody's but this user's.
PRIVATE_UMASK = 0o077


def writable_folder(settings: Settings) -> Path:
    """DATA_DIR, created if it is missing, and closed to other users. Raises LaunchError if it cannot be written to.

    A folder with the sticky bit is shared on purpose, such as the container's, where any user id may start the service.
    """
    folder = settings.data_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid == os.getuid() and not status.st_mode & stat.S_ISVTX:
            folder.chmod(0o700)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise LaunchError(
            f"DATA_DIR {folder} cannot be written to ({error.strerror}); choose another: DATA_DIR=~/detector."
        ) from error
    return folder


def use_for_uploads(folder: Path) -> None:
    """Let this process and its children keep large uploads in DATA_DIR while they are read, unless TMPDIR is set.

    They are stored there anyway, while `/tmp` may be small, full or read-only.
    """
    uploads = folder / "tmp"
    uploads.mkdir(exist_ok=True)
    for leftover in uploads.glob("photo-*"):  # Left by processes that were killed.
        leftover.unlink(missing_ok=True)
    os.environ.setdefault("TMPDIR", str(uploads))


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder against a second launcher, whose Redis would overwrite ours, for as long as the file is open.

    Raises LaunchError if another launcher has locked it.
    """
    lock = (folder / "launch.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LaunchError(
            f"Another Flask Detector already uses {folder}; stop it, or choose another DATA_DIR."
        ) from error
    return lock
