"""A bounded folder of files shared by threads and processes.

Not diskcache: it unpickles what it finds in its folder (CVE-2025-69872, unfixed), and its last release is of 2023.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LOOK: Final = 3600.0  # Seconds until all files are looked at again.
_ABANDONED: Final = 3600.0  # Seconds after which an unfinished file belongs to nobody.
# Seconds after which a file that nobody asked for goes: its photo may have been deleted by another machine.
_UNUSED: Final = 86400.0


@dataclass
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class ViewCache:
    """Files in a folder, the least recently used removed when they outgrow a limit, and all that a day went without.

    Several processes may share the folder. A file is written beside its place and moved there whole. Failures of the
    disk make the cache forgetful, never a request fail. A limit of 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        self.limit = limit
        self._size: int | None = None  # Of all files, as far as this process knows.
        self._unseen = 0  # Written since all files were last looked at: other processes may have written as much.
        self._looked = 0.0  # When all files were last looked at.
        self._lock = threading.Lock()
        self._busy: dict[str, _Turn] = {}
        self._names = itertools.count()

    def get(self, photo: str, key: str) -> bytes | None:
        """The file kept under a photo and a key, which counts as used now; None if there is none."""
        self._tidy()
        path = self._path(photo, key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, photo: str, key: str, data: bytes) -> None:
        """Keep a file, and remove the least recently used ones while all together are larger than the limit."""
        if len(data) > self.limit:
            return
        path = self._path(photo, key)
        part = path.with_name(f"{key}.{os.getpid()}.{next(self._names)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            os.replace(part, path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return
        self._tidy(len(data))

    def forget(self, photo: str) -> None:
        """Remove all files of a photo."""
        folder = self._path(photo, "x").parent
        for path in folder.glob("*") if folder.is_dir() else ():
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    @contextmanager
    def one_at_a_time(self, key: str) -> Iterator[None]:
        """Let only one thread at a time work on a key, so that the others find what it made."""
        with self._lock:
            turn = self._busy.setdefault(key, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._busy[key]

    def _path(self, photo: str, key: str) -> Path:
        return self.folder / photo[:2] / photo / key

    def _tidy(self, written: int = 0) -> None:
        """Look at all files if they may be too many by what was written, or too old."""
        with self._lock:
            if self._size is not None:
                self._size += written
            self._unseen += written
            late = time.time() - self._looked > _LOOK
            if late or self._size is None or self._size > self.limit or self._unseen > self.limit // 8:
                self._size, self._unseen, self._looked = self._shrink(), 0, time.time()

    def _shrink(self) -> int:
        """Remove the oldest files until an eighth of the limit is free, if it is exceeded; the size that is left."""
        files = sorted(self._files())
        size = sum(length for _, length, _ in files)
        if size <= self.limit:
            return size
        for _, length, path in files:
            if size <= self.limit * 7 // 8:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
                size -= length
                path.parent.rmdir()  # Fails, as it should, while there are other views of the photo.
        return size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time of last use, length and path of every file; what was never finished or long unused is removed."""
        for path in self.folder.glob("*/*/*"):
            with suppress(OSError):
                status, part = path.stat(), path.suffix == ".part"
                if status.st_mtime < time.time() - (_ABANDONED if part else _UNUSED):
                    path.unlink(missing_ok=True)
                    path.parent.rmdir()
                elif not part:
                    yield status.st_mtime, status.st_size, path
