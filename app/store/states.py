"""The states of runs and analyses, and the rule by which a run's state follows from those of its analyses."""

from collections.abc import Collection
from enum import StrEnum

# The sentence for an analysis that failed without one.
UNEXPLAINED = "This analysis failed."


class State(StrEnum):
    """How far a run or an analysis is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = (State.DONE, State.FAILED, State.CANCELLED)


def run_state(analyses: Collection[State]) -> State:
    """The state of an unfinished run, from the states of its analyses (at least one).

    Queued until the first analysis starts, running until the last one ends; then done if at least one has a result
    (the run's `error` names those that failed), else failed if one failed, else cancelled. A finished run keeps its
    state.
    """
    states = set(analyses)
    if not states:
        raise ValueError("a run has at least one analysis")
    if states == {State.QUEUED}:
        return State.QUEUED
    if not states <= set(FINISHED):
        return State.RUNNING
    return next(state for state in FINISHED if state in states)
