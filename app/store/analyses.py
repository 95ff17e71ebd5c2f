"""Analyses: the work, its results, and the states of the runs that wait for it."""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.store.base import ERROR_LENGTH, Part, clean, follow, index_classes, result_key, waiting
from app.store.models import (
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    Analysis,
    AnalysisClass,
    Run,
    RunAnalysis,
    utcnow,
)
from app.vision.analyses.registry import stored_result
from app.vision.results import Analysed


class Analyses(Part):
    """What workers do with the store."""

    def start_analysis(self, id: str) -> Analysis | None:
        """Begin an analysis, or begin it again after its worker died. None: there is nothing to do (any more)."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (QUEUED, RUNNING):
                return None
            analysis.state, analysis.error = RUNNING, None
            analysis.attempts += 1
            analysis.started_at = utcnow()
            session.flush()
            follow(session, waiting(session, id))
            return analysis

    def finish_analysis(self, id: str, analysed: Analysed) -> list[str]:
        """Keep a result; the ids of the runs whose state changed. The blob is whole before any row speaks of it."""
        with self.database.reading() as session:
            if session.scalar(select(Analysis.state).where(Analysis.id == id)) in (DONE, None):
                return []
        document = json.dumps(analysed.to_dict(), separators=(",", ":")).encode()
        self.blobs.put(result_key(id), gzip.compress(document, 6, mtime=0))
        with self._locked(id) as (session, analysis):
            if analysis is not None:
                if analysis.state == DONE:
                    return []
                analysis.state, analysis.error, analysis.finished_at = DONE, None, utcnow()
                analysis.seconds = _seconds(analysis)
                self.database.insert_new(session, AnalysisClass, _classes(id, analysed))
                session.flush()
                index_classes(session, _asked(session, id))
                return follow(session, waiting(session, id))
        self.blobs.delete(result_key(id))  # every run was deleted meanwhile
        return []

    def fail_analysis(self, id: str, message: str) -> list[str]:
        """Give an analysis up, with a sentence that a person understands; the ids of the runs whose state changed."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (QUEUED, RUNNING):
                return []
            analysis.state, analysis.error = FAILED, clean(message, ERROR_LENGTH)
            analysis.finished_at, analysis.seconds = utcnow(), _seconds(analysis)
            session.flush()
            return follow(session, waiting(session, id))

    def requeue_analysis(self, id: str) -> bool:
        """Put an analysis that was running, or ended without a result, back into the queue; whether it is now."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state == DONE:
                return False
            requeue(analysis)
            session.flush()
            follow(session, waiting(session, id))
            return True

    def adopt_analysis(self, id: str, identity: str) -> tuple[list[str], list[str]] | None:
        """Let an unfinished analysis be answered by another model identity: that of the worker which got it.

        Returns:
            None: it is of that identity now. Where the photo has an analysis of that identity already, the runs share
            that one, and this one is gone: their ids, and those of the analyses that the caller enqueues.
        """
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (QUEUED, RUNNING):
                return [], []
            same = (Analysis.photo_sha256 == analysis.photo_sha256, Analysis.analyzer == analysis.analyzer)
            other = session.scalar(select(Analysis).where(*same, Analysis.identity == identity))
            if other is None:
                analysis.identity = identity
                return None
            runs = _asked(session, id)
            session.execute(update(RunAnalysis).where(RunAnalysis.analysis_id == id).values(analysis_id=other.id))
            session.delete(analysis)
            queued = [other.id] if other.state in (FAILED, CANCELLED) else []
            if queued:
                requeue(other)
            session.flush()
            index_classes(session, runs)
            follow(session, waiting(session, other.id))
            return list(runs), queued

    def get_analysis(self, id: str) -> Analysis | None:
        """An analysis as it is now, or None."""
        with self.database.reading() as session:
            return session.get(Analysis, id)

    def waiting_runs(self, analysis_id: str) -> list[str]:
        """The ids of the unfinished runs that asked for an analysis."""
        with self.database.reading() as session:
            return [run.id for run in waiting(session, analysis_id)]

    def pending_analyses(self) -> list[Analysis]:
        """Every analysis that is queued or running, oldest first."""
        with self.database.reading() as session:
            query = select(Analysis).where(Analysis.state.in_((QUEUED, RUNNING)))
            return list(session.scalars(query.order_by(Analysis.created_at, Analysis.id)))

    def results(self, run: Run) -> dict[str, Analysed]:
        """The results that a run has so far, by analyzer. Raises BlobMissing when the run was just deleted."""
        done = [analysis for analysis in run.analyses if analysis.state == DONE]
        return {analysis.analyzer: self.result(analysis.id) for analysis in done}

    def result(self, analysis_id: str) -> Analysed:
        """The result of a finished analysis. Raises BlobMissing."""
        return stored_result(json.loads(gzip.decompress(self.blobs.get(result_key(analysis_id)))))

    @contextmanager
    def _locked(self, id: str) -> Iterator[tuple[Session, Analysis | None]]:
        with self.database.reading() as session:
            sha256 = session.scalar(select(Analysis.photo_sha256).where(Analysis.id == id))
        with self.database.writing(sha256) as session:
            yield session, session.get(Analysis, id) if sha256 else None


def requeue(analysis: Analysis) -> None:
    """Make an analysis as it was before its first start, except for the number of attempts of a running one."""
    if analysis.state in (FAILED, CANCELLED):
        analysis.attempts = 0
    analysis.state, analysis.error = QUEUED, None
    analysis.started_at = analysis.finished_at = analysis.seconds = None


def _asked(session: Session, id: str) -> Sequence[str]:
    return session.scalars(select(RunAnalysis.run_id).where(RunAnalysis.analysis_id == id)).all()


def _seconds(analysis: Analysis) -> float | None:
    if analysis.started_at is None or analysis.finished_at is None:
        return None
    return (analysis.finished_at - analysis.started_at).total_seconds()


def _classes(id: str, analysed: Analysed) -> list[dict[str, object]]:
    """One row per class at its best score, as it is shown."""
    terms = analysed.result.search_terms()
    return [{"analysis_id": id, "name": clean(name, 80), "best_score": score} for name, score in terms.items()]
