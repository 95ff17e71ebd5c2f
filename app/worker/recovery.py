"""Lost analyses: found by comparing the database with the queue and with what living workers hold."""

import logging
from datetime import datetime, timedelta

from app.queue import names
from app.queue.jobs import Jobs
from app.store import Store
from app.store.models import QUEUED, Analysis, utcnow

log = logging.getLogger(__name__)

CRASHED = "The analysis of this photo stopped {attempts} times before it was done, perhaps for lack of memory."
TOO_LONG = "The analysis of this photo took longer than {seconds:g} seconds and was stopped."


def take_back(store: Store, jobs: Jobs, analysis_id: str) -> None:
    """An analysis whose worker died: run it again, at most `MAX_ATTEMPTS` times in all, then give it up."""
    analysis = store.get_analysis(analysis_id)
    if analysis is None:
        return
    if analysis.attempts >= names.MAX_ATTEMPTS:
        jobs.publish(store.fail_analysis(analysis_id, CRASHED.format(attempts=analysis.attempts)))
        log.error("analysis %s given up after %d attempts", analysis_id, analysis.attempts)
    elif store.requeue_analysis(analysis_id):
        jobs.enqueue(analysis_id)
        jobs.publish(store.waiting_runs(analysis_id))
        log.warning("analysis %s is queued again", analysis_id)


def give_up(store: Store, jobs: Jobs, analysis_id: str, seconds: float) -> None:
    """An analysis that was stopped at its time limit: the same photo would take as long again."""
    jobs.publish(store.fail_analysis(analysis_id, TOO_LONG.format(seconds=seconds)))
    log.error("analysis %s stopped after %g seconds", analysis_id, seconds)


class Reconciler:
    """Finds analyses that the database calls queued or running while nobody has them.

    It takes two looks in a row, because an analysis on its way from the queue to a worker is in neither for a moment.
    """

    def __init__(self, store: Store, jobs: Jobs):
        self._store, self._jobs = store, jobs
        self._suspects: set[str] = set()

    def look(self) -> list[str]:
        """One look; the ids of the analyses that were taken back."""
        pending = self._store.pending_analyses()
        held = {worker["job"] for worker in self._jobs.living()} | set(self._jobs.waiting())
        before = utcnow() - timedelta(seconds=names.LOST_AFTER)
        missing = {a.id: a for a in pending if a.id not in held and _since(a) < before}
        lost = [analysis for id, analysis in missing.items() if id in self._suspects]
        self._suspects = set(missing) - {analysis.id for analysis in lost}
        for analysis in lost:
            if analysis.state == QUEUED:
                self._jobs.enqueue(analysis.id)
                log.warning("analysis %s was missing from the queue", analysis.id)
            else:
                take_back(self._store, self._jobs, analysis.id)
        return [analysis.id for analysis in lost]


def _since(analysis: Analysis) -> datetime:
    return analysis.started_at or analysis.created_at
