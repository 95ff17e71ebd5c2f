"""Batches: several photos sent in one go."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from app.errors import NotFound
from app.store.base import ERROR_LENGTH, NAME_LENGTH, StorePart, kept, storable
from app.store.models import Analysis, Batch, Run, utcnow
from app.store.runs import ID
from app.store.snapshots import SNAPSHOTS, runs_of


class Batches(StorePart):
    """Batches, their runs, and the files that were refused."""

    def add_batch(self, owner: str, *, retention_days: float = 0) -> Batch:
        """Add a batch; its photos follow by `add_run(..., batch_id=batch.id)`. retention_days: 0 keeps it."""
        created = utcnow()
        expires = created + timedelta(days=retention_days) if retention_days else None
        batch = Batch(owner=owner, created_at=created, expires_at=expires, refused=[])
        with self.database.writing() as session:
            session.add(batch)
        return batch

    def get_batch(self, id: str) -> Batch:
        """A batch. Raises NotFound if there is none or it has expired."""
        if not ID.fullmatch(id):
            raise NotFound
        with self.database.reading() as session:
            batch = session.scalar(select(Batch).where(Batch.id == id, kept(Batch)))
        if batch is None:
            raise NotFound
        return batch

    def batch_runs(self, batch_id: str) -> Sequence[Run]:
        """The batch's runs in the order they were added."""
        query = SNAPSHOTS.where(Run.batch_id == batch_id, kept(Run)).order_by(Run.created_at, Run.id, Analysis.analyzer)
        return runs_of(self.database.rows(query))

    def add_refused_files(self, batch_id: str, files: Sequence[tuple[str, str]]) -> None:
        """Add files of the batch that were refused: the name of each, and why. Raises NotFound.

        The whole list is written each time, so add files that are refused together in one call.
        """
        if not files:
            return
        entries = [{"name": storable(name, NAME_LENGTH), "message": storable(why, ERROR_LENGTH)} for name, why in files]
        with self.database.writing() as session:
            batch = session.get(Batch, batch_id, with_for_update=True)
            if batch is None:
                raise NotFound
            batch.refused = [*batch.refused, *entries]
