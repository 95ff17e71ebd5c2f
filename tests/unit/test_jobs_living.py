"""Who works: found without a search through all keys of Redis."""

import fakeredis
import pytest

from app.config.settings import Settings
from app.queue import names
from app.queue.jobs import Jobs


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    server = fakeredis.FakeServer()
    return Jobs(settings, fakeredis.FakeRedis(server=server), fakeredis.FakeRedis(server=server))


def test_workers_that_beat_live_until_they_are_forgotten(jobs: Jobs) -> None:
    jobs.beat("a", ready=True, job=None)
    jobs.beat("b", ready=False, job="x")
    assert jobs.workers() == 1
    assert {worker["job"] for worker in jobs.living()} == {None, "x"}
    jobs.forget("a")
    assert jobs.workers() == 0


def test_a_worker_whose_sign_of_life_has_run_out_is_dropped_and_comes_back_with_the_next_one(jobs: Jobs) -> None:
    jobs.beat("a", ready=True, job=None)
    jobs.redis.delete(names.ALIVE + "a")
    assert jobs.living() == []
    assert jobs.redis.smembers(names.WORKERS) == set()
    jobs.beat("a", ready=True, job=None)
    assert jobs.workers() == 1


def test_other_keys_are_not_looked_at(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*_: object, **__: object) -> None:
        raise AssertionError("a search through all keys")

    monkeypatch.setattr(jobs.redis, "scan", search)
    jobs.beat("a", ready=True, job=None)
    assert jobs.workers() == 1
