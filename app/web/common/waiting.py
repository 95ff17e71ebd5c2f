"""Threads that are held for seconds: by answers that wait for a run, event streams, and addresses that are visited.

Each of these keeps one thread of the web process, so all of them together have places for three quarters of the
threads; the rest, one thread at least, is for everything else. (A process with a single thread has none to leave.)
Nobody stands in line for a place: that would keep a thread just as well.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask, current_app

from app.queue.services import Services
from app.store.models import FINISHED, Run
from app.web.api.problems import Busy


@dataclass
class Places:
    """A number of places, each taken by one thread at a time. within: more places, of which each takes one too."""

    count: int
    within: "Places | None" = None
    _free: threading.Semaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.count)

    def take(self) -> bool:
        """Take a place if one is free; whether it was."""
        if not self._free.acquire(blocking=False):
            return False
        if self.within is None or self.within.take():
            return True
        self._free.release()
        return False

    def leave(self) -> None:
        """Give a taken place back."""
        if self.within is not None:
            self.within.leave()
        self._free.release()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place for as long as the context lasts; False when none was free."""
        taken = self.take()
        try:
            yield taken
        finally:
            if taken:
                self.leave()

    @contextmanager
    def needed(self, refusal: str | None = None) -> Iterator[None]:
        """A place for as long as the context lasts. Raises Busy, with this sentence, when none was free."""
        with self.place() as taken:
            if not taken:
                raise Busy(refusal)
            yield


@dataclass
class WaitingRoom:
    """The places of a web process.

    calls: all that there are, for requests that have no answer but a result; the others are some of them. answers: for
    requests that can be answered without a result; streams: for event streams; fetches: for addresses from outside.
    """

    calls: Places
    answers: Places
    streams: Places
    fetches: Places

    @classmethod
    def of(cls, threads: int) -> "WaitingRoom":
        """The places of a process with so many threads."""
        calls = Places(max(1, threads * 3 // 4))
        half, quarter = max(1, threads // 2), max(1, threads // 4)
        return cls(calls, Places(half, calls), Places(quarter, calls), Places(quarter, calls))


def init_app(app: Flask) -> None:
    """Make the waiting room, sized by the number of threads."""
    app.extensions["waiting_room"] = WaitingRoom.of(app.extensions["services"].settings.threads)


def waiting_room() -> WaitingRoom:
    """The waiting room of the application that handles this request."""
    room: WaitingRoom = current_app.extensions["waiting_room"]
    return room


def wait_until_finished(services: Services, run: Run, seconds: float) -> Run:
    """The run when it has ended, or as it is after some seconds, or at once when no place to wait is free."""
    if run.state in FINISHED or seconds <= 0:
        return run
    with waiting_room().answers.place() as taken:
        if taken:
            services.jobs.wait(run.id, seconds, until=lambda: services.store.get_run(run.id).state in FINISHED)
    return services.store.get_run(run.id)
