"""What every part of the store holds, and the steps that several of them share."""

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.blobs import BlobStore
from app.store.database import Database
from app.store.models import FAILED, FINISHED, RUNNING, Analysis, Delivery, Run, RunAnalysis, utcnow
from app.store.states import UNEXPLAINED, run_state

NAME_LENGTH, ERROR_LENGTH = 255, 400


class Part:
    """A part of the store."""

    def __init__(self, database: Database, blobs: BlobStore):
        self.database = database
        self.blobs = blobs


def photo_key(sha256: str) -> str:
    """The blob of a photo's bytes as uploaded."""
    return f"photos/{sha256}"


def result_key(analysis_id: str) -> str:
    """The blob of an analysis's result: gzip of the JSON of `Analysed.to_dict()`."""
    return f"results/{analysis_id}.json.gz"


def clean(text: str, length: int) -> str:
    """Text that every database takes: no NUL, no half surrogates, at most `length` characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:length]


def follow(session: Session, runs: Iterable[Run]) -> list[str]:
    """Let unfinished runs follow their analyses; the ids of those whose state changed.

    A run that finishes and has a webhook gets its delivery in the same transaction. The caller holds the photo's lock
    and has flushed what it changed.
    """
    changed = []
    for run in runs:
        states = session.execute(
            select(Analysis.state, Analysis.error)
            .join(RunAnalysis, RunAnalysis.analysis_id == Analysis.id)
            .where(RunAnalysis.run_id == run.id)
            .order_by(Analysis.analyzer)
        ).all()
        state = run_state([row.state for row in states])
        if run.state not in FINISHED and run.state != state:
            enter(session, run, state, " ".join(_sentences(row.error for row in states if row.state == FAILED)))
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
    ).all()


def _sentences(errors: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(error or UNEXPLAINED for error in errors))
