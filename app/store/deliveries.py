"""Webhooks to be delivered. A run's delivery is written with its last state, so that none is lost or sent unasked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.store.base import ERROR_LENGTH, Part, clean
from app.store.models import Delivery, utcnow


class Deliveries(Part):
    """The outbox of webhooks: `claim` what is due, then say `delivered`, `retry`, `put_off` or `give_up`."""

    def claim(self, *, now: datetime | None = None, limit: int = 10, lease: float = 60) -> Sequence[Delivery]:
        """The deliveries that are due, each counted as one more attempt and given to this caller alone.

        lease: seconds after which another caller gets it, should this one die before it says how it went.
        """
        now = now or utcnow()
        query = select(Delivery).where(Delivery.due_at <= now).order_by(Delivery.due_at).limit(limit)
        with self.database.writing() as session:
            due = session.scalars(query.with_for_update(skip_locked=True)).all()
            for delivery in due:
                delivery.attempts += 1
                delivery.due_at = now + timedelta(seconds=lease)
        return due

    def delivered(self, id: str) -> None:
        """It has arrived."""
        self._mark(id, due_at=None, delivered_at=utcnow(), error=None)

    def retry(self, id: str, error: str, due_at: datetime) -> None:
        """It has not; try again at a time."""
        self._mark(id, due_at=due_at, error=clean(error, ERROR_LENGTH))

    def put_off(self, id: str) -> None:
        """It could not be tried, for a reason of ours: that counts as no attempt. Due again when its lease ends."""
        self._mark(id, attempts=Delivery.attempts - 1)

    def give_up(self, id: str, error: str) -> None:
        """It has not, and is not tried again."""
        self._mark(id, due_at=None, error=clean(error, ERROR_LENGTH))

    def _mark(self, id: str, **values: object) -> None:
        with self.database.writing() as session:
            session.execute(update(Delivery).where(Delivery.id == id).values(**values))
