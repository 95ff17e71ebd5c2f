"""Which workers are alive: known without a search through all keys of Redis."""

import pytest

from app.queue import constants
from app.queue.jobs import Jobs
from app.queue.status import WorkerStatus

IDLE = WorkerStatus(ready=True, job=None)


def test_workers_with_a_heartbeat_are_alive_until_they_are_removed(jobs: Jobs) -> None:
    jobs.heartbeat("a", IDLE)
    jobs.heartbeat("b", WorkerStatus(ready=False, job="x"))
    assert jobs.workers() == 1
    assert jobs.live_workers() == {"a": IDLE, "b": WorkerStatus(ready=False, job="x")}
    jobs.remove_worker("a")
    assert jobs.workers() == 0


def test_a_worker_whose_heartbeat_expired_is_dropped_and_comes_back_with_the_next_one(jobs: Jobs) -> None:
    jobs.heartbeat("a", IDLE)
    jobs.redis.delete(constants.ALIVE + "a")
    assert jobs.live_workers() == {}
    assert jobs.redis.smembers(constants.WORKERS) == set()
    jobs.heartbeat("a", IDLE)
    assert jobs.workers() == 1


def test_other_keys_are_not_searched(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*_: object, **__: object) -> None:
        raise AssertionError("a search through all keys")

    monkeypatch.setattr(jobs.redis, "scan", search)
    jobs.heartbeat("a", IDLE)
    assert jobs.workers() == 1
