"""The queue's capacity, positions and estimates."""

from dataclasses import replace

import pytest

from app.config.settings import Settings
from app.errors import AnalysisUnavailable, QueueFull, UnknownAnalysis
from app.queue.jobs import Jobs
from app.queue.status import WorkerStatus
from app.store.models import Analysis, Run
from app.store.states import State
from app.vision.results import ModelCard


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, queue_max=3)


def run_of(*analyses: tuple[str, str]) -> Run:
    """A run of analyses given as (id, state)."""
    return Run(analyses=[Analysis(id=id, state=state, analyzer="labels") for id, state in analyses])


def test_a_full_queue_refuses_and_says_when_to_try_again(jobs: Jobs) -> None:
    for name in "abc":
        jobs.check_capacity()
        jobs.enqueue(name)
    jobs.record_duration("labels", 10.0)
    with pytest.raises(QueueFull) as refused:
        jobs.check_capacity()
    assert refused.value.headers["Retry-After"] == "15"


def test_a_run_has_the_position_of_its_last_queued_analysis(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    assert jobs.progress(run_of(("a", State.QUEUED))).position == 1
    assert jobs.progress(run_of(("a", State.QUEUED), ("c", State.QUEUED))).position == 3
    assert jobs.progress(run_of(("a", State.DONE))).position is None


def test_a_cancelled_analysis_frees_its_place_and_moves_the_others_up(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    jobs.cancel("a")
    jobs.check_capacity()
    assert jobs.progress(run_of(("c", State.QUEUED))).position == 2


def test_the_estimate_counts_what_is_ahead_and_the_workers(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    run = run_of(("c", State.QUEUED))
    assert jobs.progress(run).eta is None
    jobs.record_duration("labels", 4.0)
    assert jobs.progress(run).eta == 12.0
    jobs.heartbeat("one", WorkerStatus(ready=True, job=None))
    jobs.heartbeat("two", WorkerStatus(ready=True, job=None))
    assert jobs.progress(run).eta == 8.0
    assert jobs.progress(run_of(("a", State.DONE))).eta is None


def test_the_duration_is_a_moving_average(jobs: Jobs) -> None:
    jobs.record_duration("labels", 1.0)
    jobs.record_duration("labels", 2.0)
    assert jobs.duration("labels") == pytest.approx(1.2)
    assert jobs.duration("faces") is None


def test_an_unknown_analysis_and_one_without_a_worker_are_different_errors(jobs: Jobs) -> None:
    card = ModelCard("labels", "odd", "Odd", "1", "0" * 64)
    jobs.announce([card], {"faces": "Install the faces."})
    assert jobs.status().identities(["labels"]) == {"labels": card.identity}
    with pytest.raises(UnknownAnalysis):
        jobs.status().identities(["horoscope"])
    with pytest.raises(AnalysisUnavailable, match="Install the faces"):
        jobs.status().identities(["faces"])
