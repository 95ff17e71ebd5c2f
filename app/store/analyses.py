"""Analyses: their states and results, and with them the states of the runs that wait for them."""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.store.base import (
    ERROR_LENGTH,
    StorePart,
    index_classes,
    result_key,
    searchable,
    storable,
    unfinished_runs,
    update_runs,
)
from app.store.models import Analysis, AnalysisClass, AnalysisText, Run, RunAnalysis, utcnow
from app.store.states import State
from app.vision.analyses.objects.doubt import doubt
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.registry import stored_result
from app.vision.results import Analysed


class Analyses(StorePart):
    """What workers do with the store."""

    def start_analysis(self, id: str) -> Analysis | None:
        """Start an analysis, or start it again after its worker died. None: it is finished or deleted."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (State.QUEUED, State.RUNNING):
                return None
            analysis.state, analysis.error = State.RUNNING, None
            analysis.attempts += 1
            analysis.started_at = utcnow()
            session.flush()
            update_runs(session, unfinished_runs(session, id))
            return analysis

    def finish_analysis(self, id: str, analysed: Analysed) -> list[str]:
        """Store a result; the ids of the runs whose state changed. The blob is complete before any row refers to it."""
        with self.database.reading() as session:
            if session.scalar(select(Analysis.state).where(Analysis.id == id)) in (State.DONE, None):
                return []
        document = json.dumps(analysed.to_dict(), separators=(",", ":")).encode()
        self.blobs.put(result_key(id), gzip.compress(document, 6, mtime=0))
        with self._locked(id) as (session, analysis):
            if analysis is not None:
                if analysis.state == State.DONE:
                    return []
                analysis.state, analysis.error, analysis.finished_at = State.DONE, None, utcnow()
                analysis.seconds = _seconds(analysis)
                if isinstance(analysed.result, Instances):
                    analysis.doubt = doubt(analysed.result, self.threshold)
                self.database.insert_new(session.connection(), AnalysisClass, _classes(id, analysed))
                self.database.insert_new(session.connection(), AnalysisText, _texts(id, analysed, self.threshold))
                session.flush()
                index_classes(session, _run_ids(session, id))
                return update_runs(session, unfinished_runs(session, id))
        self.blobs.delete(result_key(id))  # every run was deleted meanwhile
        return []

    def fail_analysis(self, id: str, message: str) -> list[str]:
        """Fail an analysis, with a sentence for people; the ids of the runs whose state changed."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (State.QUEUED, State.RUNNING):
                return []
            analysis.state, analysis.error = State.FAILED, storable(message, ERROR_LENGTH)
            analysis.finished_at, analysis.seconds = utcnow(), _seconds(analysis)
            session.flush()
            return update_runs(session, unfinished_runs(session, id))

    def requeue_analysis(self, id: str) -> bool:
        """Set an analysis without a result to queued; whether it is now, and the caller should enqueue it."""
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state == State.DONE:
                return False
            requeue(analysis)
            session.flush()
            update_runs(session, unfinished_runs(session, id))
            return True

    def reassign_analysis(self, id: str, identity: str) -> tuple[list[str], list[str]] | None:
        """Reassign an unfinished analysis to another model identity: that of the worker which took it from the queue.

        Returns:
            None if it is now of that identity. If the photo has an analysis of that identity already, this one is
            deleted and its runs share the other: the ids of the runs, and of the analyses that the caller must enqueue.
        """
        with self._locked(id) as (session, analysis):
            if analysis is None or analysis.state not in (State.QUEUED, State.RUNNING):
                return [], []
            of_photo = select(Analysis).where(Analysis.photo_sha256 == analysis.photo_sha256)
            same = of_photo.where(Analysis.pool == analysis.pool, Analysis.analyzer == analysis.analyzer)
            other = session.scalar(same.where(Analysis.identity == identity))
            if other is None:
                analysis.identity = identity
                return None
            runs = _run_ids(session, id)
            session.execute(update(RunAnalysis).where(RunAnalysis.analysis_id == id).values(analysis_id=other.id))
            session.delete(analysis)
            queued = [other.id] if other.state in (State.FAILED, State.CANCELLED) else []
            if queued:
                requeue(other)
            session.flush()
            index_classes(session, runs)
            update_runs(session, unfinished_runs(session, other.id))
            return list(runs), queued

    def get_analysis(self, id: str) -> Analysis | None:
        """An analysis as it is now, or None."""
        with self.database.reading() as session:
            return session.get(Analysis, id)

    def waiting_runs(self, analysis_id: str) -> list[str]:
        """The ids of the unfinished runs that wait for an analysis."""
        with self.database.reading() as session:
            return [run.id for run in unfinished_runs(session, analysis_id)]

    def pending_analyses(self) -> list[Analysis]:
        """Every analysis that is queued or running, oldest first."""
        with self.database.reading() as session:
            query = select(Analysis).where(Analysis.state.in_((State.QUEUED, State.RUNNING)))
            return list(session.scalars(query.order_by(Analysis.created_at, Analysis.id)))

    def results(self, run: Run) -> dict[str, Analysed]:
        """The results that a run has so far, by analyzer. Raises BlobMissing if the run was just deleted."""
        done = [analysis for analysis in run.analyses if analysis.state == State.DONE]
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
    """Reset an analysis to queued. The attempts of a running one still count."""
    if analysis.state in (State.FAILED, State.CANCELLED):
        analysis.attempts = 0
    analysis.state, analysis.error = State.QUEUED, None
    analysis.started_at = analysis.finished_at = analysis.seconds = None


def _run_ids(session: Session, id: str) -> Sequence[str]:
    return session.scalars(select(RunAnalysis.run_id).where(RunAnalysis.analysis_id == id)).all()


def _seconds(analysis: Analysis) -> float | None:
    if analysis.started_at is None or analysis.finished_at is None:
        return None
    return (analysis.finished_at - analysis.started_at).total_seconds()


def _classes(id: str, analysed: Analysed) -> list[dict[str, object]]:
    """One row per class at its best score, as it is shown."""
    terms = analysed.result.search_terms()
    return [{"analysis_id": id, "name": storable(name, 80), "best_score": score} for name, score in terms.items()]


def _texts(id: str, analysed: Analysed, threshold: float) -> list[dict[str, object]]:
    """One row with every text that is shown at the threshold, or none. A search finds phrases that go over lines."""
    read = " ".join(row.text for row in analysed.result.rows() if row.text and row.shown_score >= threshold)
    return [{"analysis_id": id, "text": searchable(read)}] if read else []
