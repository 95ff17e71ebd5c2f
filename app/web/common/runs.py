"""Cancelling and deleting a run, both in the queue and in the store."""

from app.store.models import Run
from app.store.states import FINISHED
from app.web.common.services import services


def delete_run(run: Run) -> None:
    """Delete a run, with its photo and results where no other run uses them. The caller has checked the owner."""
    cancel_run(run)
    services().store.delete_run(run.id)


def cancel_run(run: Run) -> None:
    """Cancel a run that has not finished, and remove from the queue the analyses that no other run waits for."""
    if run.state in FINISHED:
        return
    store, jobs = services().store, services().jobs
    for analysis_id in store.cancel_run(run.id):
        jobs.cancel(analysis_id)
    jobs.publish([run.id])
