"""Waiting for changes of runs by one subscription."""

import threading

import fakeredis
import pytest

from app.queue import changes, constants
from app.queue.changes import Changes, Watch

SOON = 20.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeServer:
    monkeypatch.setattr(changes, "IDLE", 0.01)
    return fakeredis.FakeServer()


def publish(server: fakeredis.FakeServer, run_id: str) -> None:
    fakeredis.FakeRedis(server=server).publish(constants.CHANGES + run_id, "")


def woken(watch: Watch) -> threading.Event:
    """Set once the watch is told of a change."""
    told = threading.Event()
    watch.when_changed(told.set)
    return told


def test_only_the_watches_of_the_changed_run_are_told(server: fakeredis.FakeServer) -> None:
    subject = Changes(fakeredis.FakeRedis(server=server))
    with subject.watch("a") as first, subject.watch("a") as second, subject.watch("b") as other:
        for watch in (first, second, other):
            watch.clear()
        events = [woken(watch) for watch in (first, second, other)]
        publish(server, "a")
        assert events[0].wait(SOON)
        assert events[1].wait(SOON)
        assert not events[2].is_set()
        publish(server, "b")
        assert events[2].wait(SOON)


def test_a_change_before_the_waiting_counts_and_a_cleared_one_does_not(server: fakeredis.FakeServer) -> None:
    watch = Changes(fakeredis.FakeRedis(server=server)).watch("a")
    watch.notify()
    assert woken(watch).is_set()
    watch.clear()
    assert not woken(watch).is_set()


def test_a_function_is_called_once(server: fakeredis.FakeServer) -> None:
    calls: list[int] = []
    watch = Changes(fakeredis.FakeRedis(server=server)).watch("a")
    watch.when_changed(lambda: calls.append(1))
    watch.notify()
    watch.notify()
    assert calls == [1]


def test_the_subscription_ends_with_the_last_watch_and_begins_again(server: fakeredis.FakeServer) -> None:
    subject = Changes(fakeredis.FakeRedis(server=server))
    for _ in range(2):
        with subject.watch("a") as watch:
            thread = subject._thread
            assert thread is not None
            watch.clear()
            told = woken(watch)
            publish(server, "a")
            assert told.wait(SOON)
        thread.join(SOON)
        assert not thread.is_alive()
