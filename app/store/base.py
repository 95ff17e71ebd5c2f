"""What every part of the store holds, and the steps that several of them share."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, delete, func, insert, or_, select
from sqlalchemy.orm import Session, lazyload

from app.store.blobs import BlobStore
from app.store.database import Database
from app.store.models import (
    FAILED,
    FINISHED,
    RUNNING,
    Analysis,
    AnalysisClass,
    Batch,
    Delivery,
    Run,
    RunAnalysis,
    RunClass,
    utcnow,
)
from app.store.states import UNEXPLAINED, run_state
from app.store.view_cache import ViewCache

NAME_LENGTH, ERROR_LENGTH = 255, 400


class Part:
    """A part of the store.

    Args:
        views: rendered views of its photos, which go with them.
        threshold: least score of a class that searches find where they name none.
    """

    def __init__(self, database: Database, blobs: BlobStore, views: ViewCache, threshold: float = 0.5):
        self.database = database
        self.blobs = blobs
        self.views = views
        self.threshold = threshold


def photo_key(sha256: str) -> str:
    """The blob of a photo's bytes as uploaded."""
    return f"photos/{sha256}"


def result_key(analysis_id: str) -> str:
    """The blob of an analysis's result: gzip of the JSON of `Analysed.to_dict()`."""
    return f"results/{analysis_id}.json.gz"


def clean(text: str, length: int) -> str:
    """Text that every database takes: no NUL, no half surrogates, at most `length` characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:length]


def alive(table: type[Run] | type[Batch]) -> ColumnElement[bool]:
    """Of rows that have not expired."""
    return or_(table.expires_at.is_(None), table.expires_at > utcnow())


def follow(session: Session, runs: Collection[Run]) -> list[str]:
    """Let unfinished runs follow their analyses; the ids of those whose state changed.

    A run that finishes and has a webhook gets its delivery in the same transaction. The caller holds the photo's lock
    and has flushed what it changed.
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
            enter(session, run, state, _sentences(row.error for row in own if row.state == FAILED))
            changed.append(run.id)
    return changed


def enter(session: Session, run: Run, state: str, error: str = "") -> None:
    """Put a run into a state, with its times, its error and, where it ends and has a webhook, the delivery."""
    now = utcnow()
    run.state = state
    if state == RUNNING:
        run.started_at = run.started_at or now
    if state in FINISHED:
        run.finished_at = now
        run.error = clean(error, ERROR_LENGTH) or None
        if run.webhook:
            session.add(Delivery(run_id=run.id, url=run.webhook, due_at=now))


def waiting(session: Session, analysis_id: str) -> Collection[Run]:
    """The unfinished runs that asked for an analysis."""
    return session.scalars(
        select(Run)
        .join(RunAnalysis, RunAnalysis.run_id == Run.id)
        .where(RunAnalysis.analysis_id == analysis_id, Run.state.not_in(FINISHED))
        .order_by(Run.id)
        .options(lazyload("*"))
    ).all()


def index_classes(session: Session, runs: Collection[str]) -> None:
    """Write anew what classes were found in runs, from all their analyses that are done."""
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
