"""RQ's worker with our task: what it runs, and what ends it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq.job import Callback, Job

from app.queue import constants
from app.queue.jobs import Jobs
from app.worker.rq_worker import DetectorWorker, QueueConsumer

REDIS_AWAY = redis.ConnectionError("gone")


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Restore the handlers that RQ replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_every_job_runs_the_task_whatever_its_name(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.enqueue("a")
    monkeypatch.setattr(constants, "TASK", "app.jobs.tasks.analyse")  # as an older release queued it
    jobs.enqueue("b")
    done: list[str] = []
    DetectorWorker(jobs, jobs.queue, done.append, lambda: None).work(burst=True)
    assert done == ["a", "b"]
    assert jobs.waiting() == []


def test_no_function_that_a_job_names_is_called(jobs: Jobs, tmp_path: Path) -> None:
    """As whoever may write to Redis would queue it: `os.remove` of a file, with callbacks that remove another."""
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.touch()
    remove = Callback(f"{__name__}.remove_file")
    meta = {"file": str(files[0])}
    arguments = {"meta": meta, "on_success": remove, "on_failure": remove, "on_stopped": remove}
    jobs.queue.enqueue("os.remove", str(files[1]), **arguments)
    jobs.queue.enqueue("os.remove", str(files[2]), **arguments)
    outcomes = [None, OSError("a job that fails")]

    def task(id: str) -> None:
        if error := outcomes.pop():
            raise error

    DetectorWorker(jobs, jobs.queue, task, lambda: None).work(burst=True)
    assert outcomes == []
    assert all(file.exists() for file in files)


def remove_file(job: Job, connection: redis.Redis, *outcome: object) -> None:
    Path(job.meta["file"]).unlink()


def test_a_consumer_goes_on_with_the_same_task_after_redis_went_away_during_a_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.enqueue("a")
    jobs.enqueue("b")
    done: list[str] = []
    consumer = QueueConsumer(jobs, lambda id: work(id))
    monkeypatch.setattr("app.worker.rq_worker.REDIS_RETRY", 0.0)
    monkeypatch.setattr(DetectorWorker, "handle_execution_ended", lambda *_: fail_once())
    outages = [REDIS_AWAY, REDIS_AWAY]  # RQ tries twice before it gives up

    def fail_once() -> None:
        if outages:
            raise outages.pop()

    def work(id: str) -> None:
        done.append(id)
        if id == "b":
            signal.raise_signal(signal.SIGTERM)

    consumer.run()
    assert done == ["a", "b"]


def test_a_signal_during_a_job_is_harmless_when_redis_is_away(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.enqueue("a")
    jobs.enqueue("b")
    done: list[str] = []

    def away(*_: object, **__: object) -> None:
        raise REDIS_AWAY

    def work(id: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(jobs.blocking, "execute_command", away)
            signal.raise_signal(signal.SIGTERM)
        done.append(id)

    QueueConsumer(jobs, work).run()
    assert done == ["a"]
    assert jobs.waiting() == ["b"]
