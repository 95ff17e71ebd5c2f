"""What the parts of the store share: their connections, and steps that several of them take."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select
from sqlalchemy.orm import Session, lazyload

from app.store.blobs import BlobStore
from app.store.database import Database
from app.store.models import Analysis, AnalysisClass, Batch, Delivery, Run, RunAnalysis, RunClass, utcnow
from app.store.states import FINISHED, UNEXPLAINED, State, run_state
from app.store.view_cache import ViewCache

NAME_LENGTH, ERROR_LENGTH, TEXT_LENGTH = 255, 400, 100_000


class StorePart:
    """A part of the store.

    Args:
        views: cache of rendered views, deleted with their photo.
        threshold: lowest score of a class that a search finds by default, and of a text that it finds at all.
    """

    def __init__(self, database: Database, blobs: BlobStore, views: ViewCache, threshold: float = 0.5):
        self.database = database
        self.blobs = blobs
        self.views = views
        self.threshold = threshold


def photo_key(sha256: str) -> str:
    """The key of the blob that holds a photo as it was uploaded."""
    return f"photos/{sha256}"


def result_key(analysis_id: str) -> str:
    """The key of the blob that holds a result: gzip of the JSON of `Analysed.to_dict()`."""
    return f"results/{analysis_id}.json.gz"


def storable(text: str, length: int) -> str:
    """Text that every database accepts: without NUL and lone surrogates, at most `length` characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:length]


def searchable(text: str) -> str:
    """Text as it is stored and compared in a search: of one case, composed, with single spaces. Accents count."""
    folded = unicodedata.normalize("NFC", text.casefold())
    return storable(" ".join(folded.split()), TEXT_LENGTH)


def kept(table: type[Run] | type[Batch], now: ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """The condition that a row has not expired, and is not a run that was removed.

    now: a parameter of the statement, for one that is made once.
    """
    not_expired = or_(table.expires_at.is_(None), table.expires_at > (utcnow() if now is None else now))
    return not_expired if table is Batch else and_(not_expired, Run.removed_at.is_(None))


def update_runs(session: Session, runs: Collection[Run]) -> list[str]:
    """Update the states of unfinished runs from those of their analyses; the ids of the runs that changed.

    A run that finishes and has a webhook gets its delivery in the same transaction. The caller holds the photo's lock
    and has flushed its changes.
    """
    rows = session.execute(
        select(RunAnalysis.run_id, Analysis.state, Analysis.error)
        .join(Analysis, Analysis.id == RunAnalysis.analysis_id)
        .where(RunAnalysis.run_id.in_([run.id for run in runs]))
        .order_by(Analysis.analyzer)
    ).all()
    by_run = defaultdict(list)
    for row in rows:
        by_run[row.run_id].append(row)
    changed = []
    for run in runs:
        own = by_run[run.id]
        state = run_state([row.state for row in own])
        if run.state not in FINISHED and run.state != state:
            set_run_state(session, run, state, _sentences(row.error for row in own if row.state == State.FAILED))
            changed.append(run.id)
    return changed


def set_run_state(session: Session, run: Run, state: State, error: str = "") -> None:
    """Set a run's state with its times and its error, and add the delivery of its webhook when it ends."""
    now = utcnow()
    run.state = state
    if state == State.RUNNING:
        run.started_at = run.started_at or now
    if state in FINISHED:
        run.finished_at = now
        run.error = storable(error, ERROR_LENGTH) or None
        if run.webhook:
            session.add(Delivery(run_id=run.id, url=run.webhook, due_at=now))


def unfinished_runs(session: Session, analysis_id: str) -> Collection[Run]:
    """The unfinished runs that wait for an analysis."""
    return session.scalars(
        select(Run)
        .join(RunAnalysis, RunAnalysis.run_id == Run.id)
        .where(RunAnalysis.analysis_id == analysis_id, Run.state.not_in(FINISHED))
        .order_by(Run.id)
        .options(lazyload("*"))
    ).all()


def index_classes(session: Session, runs: Collection[str]) -> None:
    """Rewrite the classes found in runs, from all their analyses that are done."""
    found = (
        select(
            Run.id,
            AnalysisClass.name,
            Run.owner,
            Run.created_at,
            func.max(AnalysisClass.best_score).label("best_score"),
        )
        .join(RunAnalysis, RunAnalysis.run_id == Run.id)
        .join(AnalysisClass, AnalysisClass.analysis_id == RunAnalysis.analysis_id)
        .where(Run.id.in_(runs))
        .group_by(Run.id, AnalysisClass.name, Run.owner, Run.created_at)
    )
    session.execute(delete(RunClass).where(RunClass.run_id.in_(runs)))
    columns = ["run_id", "name", "owner", "created_at", "best_score"]
    session.execute(insert(RunClass).from_select(columns, found))


def _sentences(errors: Iterable[str | None]) -> str:
    return " ".join(dict.fromkeys(error or UNEXPLAINED for error in errors))
