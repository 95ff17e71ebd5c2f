"""The state of a run, from the states of its analyses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.models import CANCELLED, DONE, FAILED, FINISHED, QUEUED, RUNNING
from app.store.states import run_state

STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)


@pytest.mark.parametrize(
    ("analyses", "state"),
    [
        ([QUEUED], QUEUED),
        ([QUEUED, QUEUED], QUEUED),
        ([QUEUED, RUNNING], RUNNING),
        ([QUEUED, DONE], RUNNING),
        ([RUNNING, FAILED], RUNNING),
        ([DONE], DONE),
        ([DONE, FAILED], DONE),
        ([DONE, CANCELLED], DONE),
        ([FAILED], FAILED),
        ([FAILED, CANCELLED], FAILED),
        ([CANCELLED], CANCELLED),
    ],
)
def test_a_run_follows_its_analyses(analyses: list[str], state: str):
    assert run_state(analyses) == state


def test_a_run_without_analyses_has_no_state():
    with pytest.raises(ValueError, match="at least one"):
        run_state([])


@given(st.lists(st.sampled_from(STATES), min_size=1))
def test_a_run_is_finished_exactly_when_all_its_analyses_are(analyses: list[str]):
    assert (run_state(analyses) in FINISHED) == all(state in FINISHED for state in analyses)


@given(st.lists(st.sampled_from(STATES), min_size=1), st.randoms())
def test_the_order_of_analyses_and_their_number_make_no_difference(analyses: list[str], random):
    shuffled = analyses * 2
    random.shuffle(shuffled)
    assert run_state(shuffled) == run_state(analyses)
