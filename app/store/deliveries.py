"""Webhooks to be delivered. A delivery is stored in the same transaction as the run's last state, so none is lost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import select, update

from app.store.base import ERROR_LENGTH, StorePart, storable
from app.store.models import Delivery, Run, utcnow


class Deliveries(StorePart):
    """The outbox of webhooks: `claim` those that are due, then call `delivered`, `retry`, `postpone` or `give_up`."""

    def claim(
        self,
        *,
        now: datetime | None = None,
        limit: int = 10,
        lease: float = 60,
        busy: Mapping[str, int] | None = None,
        share: int | None = None,
    ) -> Sequence[Delivery]:
        """Deliveries that are due, each counted as one more attempt and given to this caller alone.

        Args:
            lease: seconds after which another caller gets them, if this one dies meanwhile.
            busy: deliveries that the caller has under way, by receiver; share: the most that a receiver may have.
        """
        now = now or utcnow()
        is_due = Delivery.due_at <= now
        with self.database.writing() as session:
            waiting = session.execute(select(Delivery.id, Delivery.url).where(is_due).order_by(Delivery.due_at))
            chosen = _shared(((row.id, row.url) for row in waiting), limit, Counter(busy or {}), share or limit)
            query = select(Delivery).where(Delivery.id.in_(chosen), is_due).order_by(Delivery.due_at)
            due = session.scalars(query.with_for_update(skip_locked=True)).all()
            for delivery in due:
                delivery.attempts += 1
                delivery.due_at = now + timedelta(seconds=lease)
        return due

    def delivered(self, id: str) -> None:
        """Mark a delivery as received."""
        self._mark(id, due_at=None, delivered_at=utcnow(), error=None)

    def retry(self, id: str, error: str, due_at: datetime) -> None:
        """Note a failed attempt, and when to try again."""
        self._mark(id, due_at=due_at, error=storable(error, ERROR_LENGTH))

    def postpone(self, id: str) -> None:
        """Take back an attempt that was not made for a reason of ours. It is due again when its lease ends."""
        self._mark(id, attempts=Delivery.attempts - 1)

    def give_up(self, id: str, error: str) -> None:
        """Note the last failed attempt."""
        self._mark(id, due_at=None, error=storable(error, ERROR_LENGTH))

    def _mark(self, id: str, **values: object) -> None:
        with self.database.writing() as session:
            session.execute(update(Delivery).where(Delivery.id == id).values(**values))
            if values.get("due_at", ...) is None:  # The run's own secret signs nothing more.
                run = select(Delivery.run_id).where(Delivery.id == id).scalar_subquery()
                session.execute(update(Run).where(Run.id == run).values(webhook_secret=None))


def receiver_of(url: str) -> str:
    """What deliveries to one server have in common: host and port."""
    return urlsplit(url).netloc.lower()


def _shared(waiting: Iterable[tuple[str, str]], limit: int, busy: Counter[str], share: int) -> list[str]:
    """The first ids whose receivers have fewer than `share` deliveries, these included. waiting: ids and addresses."""
    chosen: list[str] = []
    for id, url in waiting:
        if len(chosen) == limit:
            break
        if busy[receiver_of(url)] < share:
            busy[receiver_of(url)] += 1
            chosen.append(id)
    return chosen
