"""The files of a batch that are not taken, each with why."""

from dataclasses import dataclass, field

from app.errors import PublicError
from app.store.models import Batch
from app.web.common.errors import log_cause
from app.web.common.services import services

UNAVAILABLE = 503


@dataclass
class Refused:
    """The first files that are not taken by name, each with why; of the others how many.

    most: files that are named; None for all. errors: the last of each kind, by code.
    """

    most: int | None = None
    named: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, PublicError] = field(default_factory=dict)
    count: int = 0

    def add(self, name: str, error: PublicError) -> None:
        """One more file."""
        self.count += 1
        self.errors[error.code] = error
        if self.most is None or self.count <= self.most:
            self.named.append((name, error.message))

    def settle(self, batch: Batch, taken: int) -> None:
        """Note the files in their batch. taken: how many others were taken into it.

        Raises:
            PublicError: none was taken, and only because the service could not take any just now, so that the same
            request may do better later: why it could not. There is no batch then.
        """
        store, errors = services().store, list(self.errors.values())
        raised = None
        if errors and not taken and all(error.status == UNAVAILABLE for error in errors):
            raised = errors.pop()  # whoever answers logs this one
        for error in errors:
            log_cause(error)
        if raised:
            store.delete_batch(batch.id)
            raise raised
        store.refuse(batch.id, self._told())

    def _told(self) -> list[tuple[str, str]]:
        more = self.count - len(self.named)
        last = (f"and {more:,} more file{'s' if more > 1 else ''}", "Send photos alone, and fewer at a time.")
        return [*self.named, last] if more else self.named
