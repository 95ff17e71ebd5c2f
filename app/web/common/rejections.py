"""The files of a batch that were not accepted, each with the reason."""

from dataclasses import dataclass, field

from app.errors import PublicError
from app.store.models import Batch
from app.web.common.errors import log_cause
from app.web.common.services import services

# The statuses of what a later try may get past.
FOR_NOW = (429, 503)


@dataclass
class Rejections:
    """Files that were not accepted: the first ones by name with the reason, the others only counted.

    max_named: how many files are named; None for all. errors: the last error of each kind, by code.
    """

    max_named: int | None = None
    named: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, PublicError] = field(default_factory=dict)
    count: int = 0

    def add(self, name: str, error: PublicError) -> None:
        """Add a file."""
        self.count += 1
        self.errors[error.code] = error
        if self.max_named is None or self.count <= self.max_named:
            self.named.append((name, error.message))

    def record(self, batch: Batch, accepted: int) -> None:
        """Store the rejected files with their batch.

        Args:
            accepted: how many other files the batch holds.

        Raises:
            PublicError: nothing was accepted, only because the service was unavailable or too much was sent, so the
            same request may succeed later. The batch is deleted.
        """
        store, errors = services().store, list(self.errors.values())
        raised = None
        if errors and not accepted and all(error.status in FOR_NOW for error in errors):
            raised = errors.pop()  # Logged by the error handler.
        for error in errors:
            log_cause(error)
        if raised:
            store.delete_batch(batch.id)
            raise raised
        store.add_refused_files(batch.id, self._entries())

    def _entries(self) -> list[tuple[str, str]]:
        more = self.count - len(self.named)
        last = (f"and {more:,} more file{'s' if more > 1 else ''}", "Send only photos, and fewer at a time.")
        return [*self.named, last] if more else self.named
