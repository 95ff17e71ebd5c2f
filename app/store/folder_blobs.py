"""Blobs in a folder: the default."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.store.blobs import checked_key
from app.store.errors import BlobMissing, StoreUnavailable

# Bytes that must find room for the folder to count as writable: a full disk still takes an empty file.
PROBE = 64 * 1024


class FolderBlobs:
    """Blobs as files, `photos/ab/abcd...`: written to a temporary file, synced, then moved into place."""

    def __init__(self, root: Path):
        self.root = root
        self.partial = root / ".partial"

    def path(self, key: str) -> Path:
        """The file of a blob."""
        kind, name = checked_key(key).split("/")
        return self.root / kind / name[:2] / name

    def put(self, key: str, data: bytes) -> None:
        path = self.path(key)
        temporary = self.partial / secrets.token_hex(8)
        with self._translated_errors():
            self.partial.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            self._sync(path.parent)

    def get(self, key: str) -> bytes:
        with self._translated_errors():
            try:
                return self.path(key).read_bytes()
            except FileNotFoundError as error:
                raise BlobMissing from error

    def delete(self, key: str) -> None:
        with self._translated_errors():
            self.path(key).unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        with self._translated_errors():
            return self.path(key).is_file()

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        kind = self.root / prefix.rstrip("/")
        with self._translated_errors():
            for path in kind.glob("*/*"):
                with suppress(FileNotFoundError):  # Deleted meanwhile.
                    yield f"{kind.name}/{path.name}", datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def discard_partial(self, before: datetime) -> int:
        count = 0
        with self._translated_errors():
            for path in self.partial.glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        count += 1
        return count

    def check(self) -> None:
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            probe = self.partial / secrets.token_hex(8)
            try:
                probe.write_bytes(bytes(PROBE))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            message = f"The folder {self.root} cannot be written ({error.strerror}). Set DATA_DIR to one that can."
            raise StoreUnavailable(message) from error

    @staticmethod
    def _sync(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else error.strerror
            raise StoreUnavailable(f"The folder {self.root} cannot be used: {why}.") from error
