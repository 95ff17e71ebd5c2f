"""What can go wrong in the store, as errors that the web process can show as they are."""

from app.errors import NotFound, ServiceUnavailable


class StoreUnavailable(ServiceUnavailable):
    """The database or the blob store does not answer, or refuses. The message names which, in one line."""


class BlobMissing(NotFound):
    """There is no blob with this key."""
