"""The rules of states, as one pure function."""

from collections.abc import Collection

from app.store.models import CANCELLED, DONE, FAILED, FINISHED, QUEUED, RUNNING

# The sentence of an analysis that failed without one.
UNEXPLAINED = "This analysis failed."


def run_state(analyses: Collection[str]) -> str:
    """The state of an unfinished run, from the states of its analyses (at least one).

    Queued until the first one starts, running until the last one ends; then done where at least one gave a result
    (the run's `error` tells of those that did not), else failed, else cancelled. A finished run keeps its state.
    """
    states = set(analyses)
    if not states:
        raise ValueError("a run has at least one analysis")
    if states == {QUEUED}:
        return QUEUED
    if not states <= set(FINISHED):
        return RUNNING
    return next(state for state in (DONE, FAILED, CANCELLED) if state in states)
