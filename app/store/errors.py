"""Errors of the store, with messages that visitors may see."""

from app.errors import NotFound, ServiceUnavailable


class StoreUnavailable(ServiceUnavailable):
    """The database or the blob store does not answer, or refuses.

    `str()` is one line for the operator: which one, and what to do. `message`, which visitors see, names no folder,
    host or bucket. Neither contains a password or a key.
    """

    def __init__(self, line: str):
        super().__init__(headers={"Retry-After": "5"})
        self.line = line

    def __str__(self) -> str:
        return self.line


class BlobMissing(NotFound):
    """There is no blob with this key."""
