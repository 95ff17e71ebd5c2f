"""History: an owner's runs page by page, by class, text and date, and the runs of a classic API by their photos."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.errors import BadRequest, NotFound
from app.store.base import NAME_LENGTH, StorePart, kept, searchable, storable
from app.store.models import Analysis, AnalysisText, Photo, Run, RunAnalysis, RunClass, UTCDateTime
from app.store.snapshots import SNAPSHOTS, runs_of
from app.store.states import State

MAX_PAGE = 200
MAX_COUNT = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """Runs of one page, newest first; next_cursor: where the next page begins, None on the last one."""

    runs: Sequence[Run]
    next_cursor: str | None


class History(StorePart):
    """Searches for runs."""

    def history(
        self,
        owner: str,
        *,
        cursor: str | None = None,
        limit: int = 24,
        class_name: str | None = None,
        text: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        min_score: float | None = None,
    ) -> Page:
        """The owner's runs that have not expired, newest first.

        Args:
            cursor: `next_cursor` of the page before. Raises BadRequest when it is anything else.
            limit: runs a page, at most MAX_PAGE.
            class_name: only runs in which this class was found with at least `min_score` (the THRESHOLD setting
                where None).
            text: only runs with this in the name, or in what was read in the photo, whatever the case of its letters;
                blank for all.
            since, until: only runs created at or after, and before, these times.
        """
        limit = max(1, min(limit, MAX_PAGE))
        if class_name:
            score = self.threshold if min_score is None else min_score
            ids = select(RunClass.run_id).join(Run, Run.id == RunClass.run_id)
            ids = ids.where(
                RunClass.owner == owner, RunClass.name == storable(class_name, 80), RunClass.best_score >= score
            )
            created, id = RunClass.created_at, RunClass.run_id
        else:
            ids = select(Run.id).where(Run.owner == owner)
            created, id = Run.created_at, Run.id
        if text and searchable(text):
            ids = ids.where(or_(_named(text), _read(searchable(text))))
        ids = ids.where(kept(Run), *within(created, id, cursor, since, until))
        ids = ids.order_by(created.desc(), id.desc()).limit(limit + 1)
        found = [row[0] for row in self.database.rows(ids)]
        page = SNAPSHOTS.where(Run.id.in_(found[:limit]))
        page = page.order_by(Run.created_at.desc(), Run.id.desc(), Analysis.analyzer)
        runs = runs_of(self.database.rows(page))
        last = runs[-1] if len(found) > limit and runs else None
        return Page(runs, page_cursor(last.created_at, last.id) if last else None)

    def history_classes(self, owner: str, min_score: float | None = None) -> dict[str, int]:
        """In how many of the owner's runs each class was found with at least `min_score`, the most frequent first.

        Counts up to MAX_COUNT, and steps from each name to the next one in the index, instead of reading every row of
        the owner.
        """
        score = self.threshold if min_score is None else min_score
        step, seen = aliased(RunClass), aliased(RunClass)
        names = select(func.min(RunClass.name).label("name")).where(RunClass.owner == owner).cte(recursive=True)
        following = select(func.min(step.name)).where(step.owner == owner, step.name > names.c.name).scalar_subquery()
        names = names.union_all(select(following).where(names.c.name.is_not(None)))
        good = select(seen.run_id).join(Run, Run.id == seen.run_id)
        good = good.where(seen.owner == owner, seen.name == names.c.name, seen.best_score >= score, kept(Run))
        number = select(func.count()).select_from(good.limit(MAX_COUNT).correlate(names).subquery()).scalar_subquery()
        with self.database.reading() as session:
            counts = session.execute(select(names.c.name, number).where(names.c.name.is_not(None))).all()
        found = [(name, count) for name, count in counts if count]
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    def latest_api_run(self, api: str, md5: str) -> Run:
        """The newest finished run of an API (its option `api`) for a photo with this MD5. Raises NotFound."""
        query = select(Run).join(Photo, Photo.sha256 == Run.photo_sha256)
        query = query.where(_of(api), Photo.md5 == md5, Run.state == State.DONE, kept(Run))
        with self.database.reading() as session:
            found = session.scalar(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1))
        if found is None:
            raise NotFound
        return found

    def api_run_ids(self, api: str) -> Sequence[str]:
        """The ids of all runs of an API, expired ones too."""
        with self.database.reading() as session:
            return session.scalars(select(Run.id).where(_of(api))).all()


def _of(api: str) -> ColumnElement[bool]:
    asked_by: ColumnElement[str] = Run.options["api"].as_string()
    return asked_by == api


def _named(text: str) -> ColumnElement[bool]:
    """The condition that a run's name contains a text."""
    return Run.name.icontains(storable(" ".join(text.split()), NAME_LENGTH), autoescape=True)


def _read(text: str) -> ColumnElement[bool]:
    """The condition that a run's analyses read a searchable text."""
    read = select(AnalysisText.analysis_id).join(RunAnalysis, RunAnalysis.analysis_id == AnalysisText.analysis_id)
    return read.where(RunAnalysis.run_id == Run.id, AnalysisText.text.contains(text, autoescape=True)).exists()


def within(
    created: InstrumentedAttribute[datetime],
    id: InstrumentedAttribute[str],
    cursor: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    """The conditions that rows come after a cursor and lie between two times. Raises BadRequest."""
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(created >= since)
    if until is not None:
        conditions.append(created < until)
    if cursor:
        conditions.append(tuple_(created, id) < _position(cursor))
    return conditions


def page_cursor(created: datetime, id: str) -> str:
    """The cursor of what comes after the row of this time and id."""
    micros = (created - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{micros}:{id}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Any:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        micros, id = base64.b64decode(padded, b"-_", validate=True).decode("ascii").split(":")
        created = EPOCH + timedelta(microseconds=int(micros))
    except (ValueError, binascii.Error, OverflowError) as error:
        raise BadRequest("This page's address is not one of ours. Start again at the newest run.") from error
    return tuple_(literal(created, UTCDateTime), literal(id.replace("\x00", "")))
