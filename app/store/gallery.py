"""The gallery: an owner's photos and batches side by side, what stands beside a photo, and what was chosen there."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from sqlalchemy import ColumnElement, String, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import Session

from app.store.base import StorePart, kept
from app.store.history import page_cursor, within
from app.store.models import Batch, Run, RunClass, UTCDateTime, utcnow
from app.store.states import State

# Runs of a batch whose photos stand for it, and classes that are named.
STACKED, NAMED = 4, 3
# The runs of a batch, and those beside a run in the history of its owner.
_IN_BATCH = (
    select(Run.id)
    .where(Run.batch_id == bindparam("batch"), kept(Run, bindparam("now")))
    .order_by(Run.created_at, Run.id)
)
_OTHERS = select(Run.id).where(Run.owner == bindparam("owner"), Run.batch_id.is_(None), kept(Run, bindparam("now")))
_KEY = tuple_(Run.created_at, Run.id)
_OWN = tuple_(bindparam("created_at", type_=UTCDateTime()), bindparam("id", type_=String()))
_NEWER = _OTHERS.where(_KEY > _OWN).order_by(Run.created_at, Run.id).limit(1)
_OLDER = _OTHERS.where(_KEY < _OWN).order_by(Run.created_at.desc(), Run.id.desc()).limit(1)


@dataclass(frozen=True)
class Stack:
    """A batch with at least one run.

    runs: the first of them; states: how many runs are in each state; classes: those found in most of its photos.
    """

    batch: Batch
    runs: Sequence[Run]
    states: Mapping[State, int]
    classes: Sequence[str]

    @property
    def created_at(self) -> datetime:
        return self.batch.created_at


Entry = Run | Stack


@dataclass(frozen=True)
class Entries:
    """One page of the gallery, newest first; next_cursor: where the next page begins, None on the last one."""

    entries: Sequence[Entry]
    next_cursor: str | None


@dataclass(frozen=True)
class Place:
    """Where a run stands: in its batch, or among its owner's runs outside of batches, where it has no number.

    before, after: ids of the runs beside it, None at the ends.
    """

    before: str | None
    after: str | None
    number: int | None = None
    total: int | None = None


class Gallery(StorePart):
    """What the history's page and a run's neighbours need."""

    def gallery(
        self,
        owner: str,
        *,
        cursor: str | None = None,
        limit: int = 24,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Entries:
        """The owner's runs outside of batches, and batches, that have not expired, newest first.

        Args:
            cursor: `next_cursor` of the page before. Raises BadRequest when it is anything else.
            limit: entries a page.
            since, until: only what was created at or after, and before, these times.
        """
        runs = select(Run.created_at, Run.id).where(Run.owner == owner, Run.batch_id.is_(None), kept(Run))
        runs = runs.where(*within(Run.created_at, Run.id, cursor, since, until))
        runs = runs.order_by(Run.created_at.desc(), Run.id.desc())
        filled = select(Run.id).where(Run.batch_id == Batch.id, kept(Run)).exists()
        batches = select(Batch.created_at, Batch.id).where(Batch.owner == owner, kept(Batch), filled)
        batches = batches.where(*within(Batch.created_at, Batch.id, cursor, since, until))
        batches = batches.order_by(Batch.created_at.desc(), Batch.id.desc())
        with self.database.reading() as session:
            found = [session.execute(query.limit(limit + 1)).all() for query in (runs, batches)]
            keys = list(islice(merge(*found, key=tuple, reverse=True), limit + 1))
            ids = [id for _, id in keys[:limit]]
            own = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(ids)))}
            known: dict[str, Entry] = {**own, **self._stacks(session, set(ids) - set(own))}
        entries = [known[id] for id in ids]
        return Entries(entries, page_cursor(*keys[limit - 1]) if len(keys) > limit else None)

    def _stacks(self, session: Session, ids: Collection[str]) -> dict[str, Stack]:
        """The stacks of batches, by id."""
        if not ids:
            return {}
        mine = (Run.batch_id.in_(ids), kept(Run))
        number = func.row_number().over(partition_by=Run.batch_id, order_by=(Run.created_at, Run.id)).label("number")
        numbered = select(Run.id, number).where(*mine).subquery()
        first = select(Run).join(numbered, numbered.c.id == Run.id).where(numbered.c.number <= STACKED)
        runs: dict[str | None, list[Run]] = defaultdict(list)
        states: dict[str | None, dict[State, int]] = defaultdict(dict)
        for run in session.scalars(first.order_by(Run.created_at, Run.id)):
            runs[run.batch_id].append(run)
        by_state = select(Run.batch_id, Run.state, func.count()).where(*mine).group_by(Run.batch_id, Run.state)
        for batch_id, state, count in session.execute(by_state):
            states[batch_id][state] = count
        classes = self._classes_of_batches(session, mine)
        batches = session.scalars(select(Batch).where(Batch.id.in_(ids)))
        return {b.id: Stack(b, runs[b.id], states[b.id], classes[b.id]) for b in batches}

    def _classes_of_batches(
        self, session: Session, mine: Collection[ColumnElement[bool]]
    ) -> Mapping[str | None, list[str]]:
        """The classes that were found in most photos of each batch."""
        found = select(Run.batch_id, RunClass.name).join(RunClass, RunClass.run_id == Run.id)
        found = found.where(*mine, RunClass.best_score >= self.threshold).group_by(Run.batch_id, RunClass.name)
        names: Mapping[str | None, list[str]] = defaultdict(list)
        for batch_id, name in session.execute(found.order_by(func.count().desc(), RunClass.name)):
            if len(names[batch_id]) < NAMED:
                names[batch_id].append(name)
        return names

    def chosen_runs(self, owner: str, runs: Collection[str], batches: Collection[str]) -> Sequence[Run]:
        """Those of the owner's runs that were chosen by their ids or by those of their batches, newest first."""
        chosen = select(Run).where(Run.owner == owner, kept(Run), or_(Run.id.in_(runs), Run.batch_id.in_(batches)))
        with self.database.reading() as session:
            return session.scalars(chosen.order_by(Run.created_at.desc(), Run.id.desc())).all()

    def place(self, run: Run) -> Place:
        """Where a run stands, for its owner."""
        return self._place_in_batch(run) if run.batch_id else self._place_in_history(run)

    def _place_in_batch(self, run: Run) -> Place:
        rows = self.database.read(_IN_BATCH, batch=run.batch_id, now=utcnow())
        ids = [None, *(id for (id,) in rows), None]
        if run.id not in ids:  # removed at this moment
            return Place(None, None)
        number = ids.index(run.id)
        return Place(ids[number - 1], ids[number + 1], number, len(ids) - 2)

    def _place_in_history(self, run: Run) -> Place:
        known = {"owner": run.owner, "created_at": run.created_at, "id": run.id, "now": utcnow()}
        before, after = (self.database.read(beside, **known) for beside in (_NEWER, _OLDER))
        return Place(*(rows[0][0] if rows else None for rows in (before, after)))
