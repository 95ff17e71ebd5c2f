"""Lost analyses: unfinished in the database, but neither in the queue nor with a live worker."""

import logging
from datetime import datetime, timedelta

from app.queue import constants
from app.queue.jobs import Jobs
from app.store import Store
from app.store.models import Analysis, utcnow
from app.store.states import State
from app.system.logs import request_context

log = logging.getLogger(__name__)

CRASHED = "The analysis of this photo stopped {attempts} times before it was done, perhaps for lack of memory."
TOO_LONG = "The analysis of this photo took longer than {seconds:g} seconds and was stopped."


def retry(store: Store, jobs: Jobs, analysis_id: str) -> None:
    """Requeue an analysis whose worker died; after `MAX_ATTEMPTS` attempts, fail it."""
    analysis = store.get_analysis(analysis_id)
    if analysis is None:
        return
    with request_context(jobs.request_id(analysis_id)):
        if analysis.attempts >= constants.MAX_ATTEMPTS:
            jobs.publish(store.fail_analysis(analysis_id, CRASHED.format(attempts=analysis.attempts)))
            log.error("analysis %s failed after %d attempts", analysis_id, analysis.attempts)
        elif store.requeue_analysis(analysis_id):
            jobs.enqueue(analysis_id)
            jobs.publish(store.waiting_runs(analysis_id))
            log.warning("analysis %s requeued", analysis_id)


def give_up(store: Store, jobs: Jobs, analysis_id: str, seconds: float) -> None:
    """Fail an analysis that was stopped at its time limit: another attempt would take as long."""
    with request_context(jobs.request_id(analysis_id)):
        jobs.publish(store.fail_analysis(analysis_id, TOO_LONG.format(seconds=seconds)))
        log.error("analysis %s stopped after %g seconds", analysis_id, seconds)


class Reconciler:
    """Finds analyses that are queued or running in the database, but neither in the queue nor with a worker.

    An analysis counts as lost when it is missing in two searches in a row: on its way from the queue to a worker it is
    briefly in neither.
    """

    def __init__(self, store: Store, jobs: Jobs):
        self._store, self._jobs = store, jobs
        self._suspects: set[str] = set()

    def requeue_lost(self) -> list[str]:
        """Search once, and requeue lost analyses, or fail them after their last attempt. Returns their ids."""
        pending = self._store.pending_analyses()
        present = {status.job for status in self._jobs.live_workers().values()} | set(self._jobs.waiting())
        before = utcnow() - timedelta(seconds=constants.LOST_AFTER)
        absent = {a.id: a for a in pending if a.id not in present and _since(a) < before}
        lost = [analysis for id, analysis in absent.items() if id in self._suspects]
        self._suspects = set(absent) - {analysis.id for analysis in lost}
        for analysis in lost:
            if analysis.state == State.QUEUED:
                with request_context(self._jobs.request_id(analysis.id)):
                    self._jobs.enqueue(analysis.id)
                    log.warning("analysis %s was missing from the queue", analysis.id)
            else:
                retry(self._store, self._jobs, analysis.id)
        return [analysis.id for analysis in lost]


def _since(analysis: Analysis) -> datetime:
    return analysis.started_at or analysis.created_at
