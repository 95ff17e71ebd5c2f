"""Cancelling and deleting a run, the same from every door: in the queue and in the store."""

from app.store.models import FINISHED, Run
from app.web.common.services import services


def delete_run(run: Run) -> None:
    """Delete a run at once, with its photo and results where no other run uses them. The caller has judged who asks."""
    cancel(run)
    services().store.delete_run(run.id)


def cancel(run: Run) -> None:
    """End a run that is not over; the analyses that only it waits for leave the queue."""
    if run.state in FINISHED:
        return
    held = services()
    for analysis_id in held.store.cancel_run(run.id):
        held.jobs.cancel(analysis_id)
    held.jobs.publish([run.id])
