"""Holding an answer until a run ends, without holding up the service.

Each waiting request keeps one thread of the web process, so both ways of waiting have a fixed number of places:
together they leave a quarter of the threads to everything else.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask, current_app

from app.services import Services
from app.store.models import FINISHED, Run


@dataclass
class Places:
    """A number of places, each taken by one thread at a time."""

    count: int
    _free: threading.Semaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.count)

    def take(self) -> bool:
        """Take a place if one is free; whether it was."""
        return self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Give a taken place back."""
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


@dataclass
class WaitingRoom:
    """The places of a web process: for held answers, and for event streams."""

    answers: Places
    streams: Places


def init_app(app: Flask) -> None:
    """Make the waiting room, sized by the number of threads."""
    threads = app.extensions["services"].settings.threads
    app.extensions["waiting_room"] = WaitingRoom(Places(max(1, threads // 2)), Places(max(1, threads // 4)))


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
