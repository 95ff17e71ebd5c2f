"""The state of a run, from the states of its analyses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import results
from app.store.states import FINISHED, State, run_state


@pytest.mark.parametrize(
    ("analyses", "state"),
    [
        ([State.QUEUED], State.QUEUED),
        ([State.QUEUED, State.QUEUED], State.QUEUED),
        ([State.QUEUED, State.RUNNING], State.RUNNING),
        ([State.QUEUED, State.DONE], State.RUNNING),
        ([State.RUNNING, State.FAILED], State.RUNNING),
        ([State.DONE], State.DONE),
        ([State.DONE, State.FAILED], State.DONE),
        ([State.DONE, State.CANCELLED], State.DONE),
        ([State.FAILED], State.FAILED),
        ([State.FAILED, State.CANCELLED], State.FAILED),
        ([State.CANCELLED], State.CANCELLED),
    ],
)
def test_a_run_follows_its_analyses(analyses: list[State], state: State):
    assert run_state(analyses) == state


def test_the_client_knows_which_states_are_final() -> None:
    assert results.FINISHED == FINISHED


def test_a_run_without_analyses_has_no_state():
    with pytest.raises(ValueError, match="at least one"):
        run_state([])


@given(st.lists(st.sampled_from(State), min_size=1))
def test_a_run_is_finished_exactly_when_all_its_analyses_are(analyses: list[State]):
    assert (run_state(analyses) in FINISHED) == all(state in FINISHED for state in analyses)


@given(st.lists(st.sampled_from(State), min_size=1), st.randoms())
def test_the_order_of_analyses_and_their_number_make_no_difference(analyses: list[State], random):
    shuffled = analyses * 2
    random.shuffle(shuffled)
    assert run_state(shuffled) == run_state(analyses)
