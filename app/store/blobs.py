"""The interface of a blob store, and the rule for its keys.

A key is `<kind>/<name>`, such as `photos/<sha256>` or `results/<analysis id>.json.gz`.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

KEY = re.compile(r"[a-z]+/[A-Za-z0-9_-]{1,128}(\.[a-z0-9]{1,8}){0,3}")


class BlobStore(Protocol):
    """Bytes by key. Every method raises StoreUnavailable when the store does not work, ValueError on a bad key."""

    def put(self, key: str, data: bytes) -> None:
        """Store the bytes, replacing what was there. Nobody ever reads a part of them, not even after a crash."""

    def get(self, key: str) -> bytes:
        """The bytes. Raises BlobMissing."""

    def delete(self, key: str) -> None:
        """Delete the blob, if there is one."""

    def exists(self, key: str) -> bool:
        """Whether there is a blob with this key."""

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every key of one kind (`photos/`) with the time of its last put, in any order."""

    def discard_partial(self, before: datetime) -> int:
        """Delete what interrupted puts left behind before this time; how many there were."""

    def check(self) -> None:
        """Check that blobs can be written. Raises StoreUnavailable with one line that says what to do."""


def checked_key(key: str) -> str:
    """The key itself. Raises ValueError if it is not `<kind>/<name>`, so that every path is inside the folder."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return key
