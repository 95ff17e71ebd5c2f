"""Photos and results as blobs: a small interface, and its default, a folder.

A key is `<kind>/<name>`, as `photos/<sha256>` or `results/<analysis id>.json.gz`. A put is whole or absent.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from app.config.settings import Settings
from app.store.errors import BlobMissing, StoreUnavailable

KEY = re.compile(r"[a-z]+/[A-Za-z0-9_-]{1,128}(\.[a-z0-9]{1,8}){0,3}")


class BlobStore(Protocol):
    """Bytes by key. Every method raises StoreUnavailable when the store does not work, ValueError on a bad key."""

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes, replacing what was there. A reader, or a crash, never sees a part of them."""

    def get(self, key: str) -> bytes:
        """The bytes. Raises BlobMissing."""

    def delete(self, key: str) -> None:
        """Forget the blob; nothing happens when there is none."""

    def exists(self, key: str) -> bool:
        """Whether there is a blob with this key."""

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every key of one kind (`photos/`) with the time of its last put, in no order."""

    def discard_partial(self, before: datetime) -> int:
        """Delete what puts that were killed before this time left behind; how many there were."""

    def check(self) -> None:
        """Prove that blobs can be written and read. Raises StoreUnavailable with one line that says what to do."""


def blob_store(settings: Settings) -> BlobStore:
    """The blob store that the settings name. boto3 is imported only where a bucket is set."""
    if settings.s3_bucket:
        from app.store.s3 import S3Blobs

        return S3Blobs(settings)
    return FolderBlobs(settings.data_path / "blobs")


def checked(key: str) -> str:
    """The key itself. Raises ValueError where it is not `<kind>/<name>`, which keeps every path inside the folder."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return key


class FolderBlobs:
    """Blobs as files, `photos/ab/abcd...`: written aside, synced, then moved into place."""

    def __init__(self, root: Path):
        self.root = root
        self.partial = root / ".partial"

    def path(self, key: str) -> Path:
        """Where the blob lies."""
        kind, name = checked(key).split("/")
        return self.root / kind / name[:2] / name

    def put(self, key: str, data: bytes) -> None:
        path = self.path(key)
        aside = self.partial / secrets.token_hex(8)
        with self._plain_words():
            self.partial.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(aside, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(aside, path)
            except OSError:
                aside.unlink(missing_ok=True)
                raise
            self._sync(path.parent)

    def get(self, key: str) -> bytes:
        with self._plain_words():
            try:
                return self.path(key).read_bytes()
            except FileNotFoundError as error:
                raise BlobMissing from error

    def delete(self, key: str) -> None:
        with self._plain_words():
            self.path(key).unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        with self._plain_words():
            return self.path(key).is_file()

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        kind = self.root / prefix.rstrip("/")
        with self._plain_words():
            for path in kind.glob("*/*"):
                with suppress(FileNotFoundError):  # Deleted while we walk.
                    yield f"{kind.name}/{path.name}", datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def discard_partial(self, before: datetime) -> int:
        count = 0
        with self._plain_words():
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
            probe.write_bytes(b"")
            probe.unlink()
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
    def _plain_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else error.strerror
            raise StoreUnavailable(f"The folder {self.root} cannot be used: {why}.") from error
