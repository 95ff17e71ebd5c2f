"""Rendered views of runs, kept on disk in a bounded cache: the same view twice is drawn once."""

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, cast

from flask import current_app

from app.errors import NotReady
from app.intake.decode import decode
from app.store.models import DONE, Run
from app.vision.render import VERSION, render
from app.vision.view import View
from app.web import services

# Photos decoded at the same time hold at most so many pixels together; a larger one is alone.
_PIXELS_AT_ONCE: Final = 16_000_000
_ABANDONED: Final = 3600.0  # Seconds after which an unfinished file belongs to nobody.


def rendered(run: Run, view: View) -> tuple[bytes, str, str]:
    """What a run's view looks like.

    Args:
        run: done, or, for a view that draws nothing, in any state.
        view: what to show of it.

    Returns:
        The picture as a file, its media type and its ETag (without quotes), which changes when the picture does.

    Raises:
        NotReady: nothing of this run is finished that could be drawn.
    """
    finished = sorted(analysis.id for analysis in run.analyses if analysis.state == DONE) if view.draws else []
    if view.draws and not finished:
        raise NotReady
    etag = hashlib.sha256("\n".join([VERSION, run.photo_sha256, *finished, view.key()]).encode()).hexdigest()[:32]
    cache = _cache()
    with cache.one_at_a_time(etag):
        data = cache.get(run.photo_sha256, etag)
        if data is None:
            data = _render(run, view)
            cache.put(run.photo_sha256, etag, data)
    return data, view.media_type, etag


def forget(photo_sha256: str) -> None:
    """Drop every kept view of a photo, as when it is deleted."""
    _cache().forget(photo_sha256)


def _render(run: Run, view: View) -> bytes:
    store = services().store
    results = store.results(run) if view.draws else {}
    data = store.photo_bytes(run.photo_sha256)
    with _room.hold(run.photo.width * run.photo.height):
        return render(decode(data), results, view)


class PixelBudget:
    """Lets threads work on photos side by side as long as their pixels together stay within a limit."""

    def __init__(self, limit: int):
        self.limit = limit
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for a photo, or until it would be alone, and hold that room."""
        with self._changed:
            self._changed.wait_for(lambda: self._used == 0 or self._used + pixels <= self.limit)
            self._used += pixels
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()


class ViewCache:
    """Files in a folder, the least recently used removed when they outgrow a limit.

    Several processes may share the folder. A file is written beside its place and moved there whole. Failures of the
    disk make the cache forgetful, never a request fail. A limit of 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        self.limit = limit
        self._size: int | None = None  # Of all files, as far as this process knows.
        self._lock = threading.Lock()
        self._busy: dict[str, list[threading.Lock | int]] = {}
        self._names = itertools.count()

    def get(self, photo: str, key: str) -> bytes | None:
        """The file kept under a photo and a key, which counts as used now; None if there is none."""
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
        with self._lock:
            if self._size is not None:
                self._size += len(data)
            if self._size is None or self._size > self.limit:
                self._size = self._shrink()

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
            entry = self._busy.setdefault(key, [threading.Lock(), 0])
            entry[1] = cast(int, entry[1]) + 1
        lock = cast(threading.Lock, entry[0])
        try:
            with lock:
                yield
        finally:
            with self._lock:
                entry[1] = cast(int, entry[1]) - 1
                if not entry[1]:
                    del self._busy[key]

    def _path(self, photo: str, key: str) -> Path:
        return self.folder / photo[:2] / photo / key

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
        """Time of last use, length and path of every file; what was never finished is removed."""
        for path in self.folder.glob("*/*/*"):
            with suppress(OSError):
                status = path.stat()
                if path.suffix == ".part":
                    if status.st_mtime < time.time() - _ABANDONED:
                        path.unlink(missing_ok=True)
                    continue
                yield status.st_mtime, status.st_size, path


_room = PixelBudget(_PIXELS_AT_ONCE)


def _cache() -> ViewCache:
    """The application's cache, in DATA_DIR/cache."""
    settings = services().settings
    made = current_app.extensions.get("view_cache")
    if made is None:
        limit = settings.view_cache_mb * 1024 * 1024
        made = current_app.extensions.setdefault("view_cache", ViewCache(settings.data_path / "cache", limit))
    return cast(ViewCache, made)
