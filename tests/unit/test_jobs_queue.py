"""The queue's room, places and estimates."""

import fakeredis
import pytest

from app.config.settings import Settings
from app.errors import AnalysisUnavailable, QueueFull, UnknownAnalysis
from app.queue.jobs import Jobs
from app.store.models import DONE, QUEUED, Analysis, Run
from app.vision.results import ModelCard


@pytest.fixture
def jobs() -> Jobs:
    server = fakeredis.FakeServer()
    settings = Settings(queue_max=3, secret_key="a key for tests")
    return Jobs(settings, fakeredis.FakeRedis(server=server), fakeredis.FakeRedis(server=server))


def run_of(*analyses: tuple[str, str]) -> Run:
    """A run of analyses given as (id, state)."""
    return Run(analyses=[Analysis(id=id, state=state, analyzer="labels") for id, state in analyses])


def test_a_full_queue_refuses_and_says_when_to_come_back(jobs: Jobs) -> None:
    for name in "abc":
        jobs.check_room()
        jobs.enqueue(name)
    jobs.measured("labels", 10.0)
    with pytest.raises(QueueFull) as refused:
        jobs.check_room()
    assert refused.value.headers["Retry-After"] == "15"


def test_a_run_stands_where_its_last_waiting_analysis_stands(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    assert jobs.position(run_of(("a", QUEUED))) == 1
    assert jobs.position(run_of(("a", QUEUED), ("c", QUEUED))) == 3
    assert jobs.position(run_of(("a", DONE))) is None


def test_a_cancelled_analysis_makes_room_and_moves_the_others_up(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    jobs.cancel("a")
    jobs.check_room()
    assert jobs.position(run_of(("c", QUEUED))) == 2


def test_the_estimate_counts_what_is_ahead_and_how_many_work(jobs: Jobs) -> None:
    for name in "abc":
        jobs.enqueue(name)
    run = run_of(("c", QUEUED))
    assert jobs.eta(run) is None
    jobs.measured("labels", 4.0)
    assert jobs.eta(run) == 12.0
    jobs.beat("one", ready=True, job=None)
    jobs.beat("two", ready=True, job=None)
    assert jobs.eta(run) == 8.0
    assert jobs.eta(run_of(("a", DONE))) is None


def test_the_service_time_is_a_moving_average(jobs: Jobs) -> None:
    jobs.measured("labels", 1.0)
    jobs.measured("labels", 2.0)
    assert jobs.service_time("labels") == pytest.approx(1.2)
    assert jobs.service_time("faces") is None


def test_an_unknown_analysis_and_one_that_nobody_serves_are_told_apart(jobs: Jobs) -> None:
    card = ModelCard("labels", "odd", "Odd", "1", "0" * 64)
    jobs.announce([card], {"faces": "Install the faces."})
    assert jobs.identities(["labels"]) == {"labels": card.identity}
    with pytest.raises(UnknownAnalysis):
        jobs.identities(["horoscope"])
    with pytest.raises(AnalysisUnavailable, match="Install the faces"):
        jobs.identities(["faces"])
