"""The webhooks of a run, as tests look at them."""

from collections.abc import Sequence

from sqlalchemy import select

from app.store import Store
from app.store.models import Delivery


def deliveries_of(store: Store, run_id: str) -> Sequence[Delivery]:
    """A run's deliveries, oldest first."""
    query = select(Delivery).where(Delivery.run_id == run_id).order_by(Delivery.created_at, Delivery.id)
    with store.database.reading() as session:
        return session.scalars(query).all()
