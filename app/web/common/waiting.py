"""Limits on the threads that requests hold for seconds: by waiting for a run, streaming events or fetching an address.

Together they may hold three quarters of the web process's threads, so that at least one is always free for other
requests (unless there is only one). A request that finds no free slot is refused instead of queued, because waiting for
a slot would hold a thread as well.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask, current_app

from app.errors import Busy
from app.queue.services import Services
from app.store.models import Run
from app.store.states import FINISHED


@dataclass
class Slots:
    """A number of slots, each held by one thread at a time. within: slots of which each of these takes one as well."""

    count: int
    within: "Slots | None" = None
    _free: threading.Semaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.count)

    def acquire(self) -> bool:
        """Take a slot; False when none is free."""
        if not self._free.acquire(blocking=False):
            return False
        if self.within is None or self.within.acquire():
            return True
        self._free.release()
        return False

    def release(self) -> None:
        """Give a slot back."""
        if self.within is not None:
            self.within.release()
        self._free.release()

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Hold a slot in the context; yields False when none was free."""
        acquired = self.acquire()
        try:
            yield acquired
        finally:
            if acquired:
                self.release()

    @contextmanager
    def required(self, message: str | None = None) -> Iterator[None]:
        """Hold a slot in the context. Raises Busy, with this message, when none is free."""
        with self.slot() as acquired:
            if not acquired:
                raise Busy(message)
            yield


@dataclass
class ThreadSlots:
    """The slots of a web process.

    results: all of them, for requests that can only be answered with a result; the others share these.
    polls: for requests that can also be answered without a result; streams: for event streams; fetches: for fetching
    photos and looking up addresses; exports: for making exports.
    """

    results: Slots
    polls: Slots
    streams: Slots
    fetches: Slots
    exports: Slots

    @classmethod
    def for_threads(cls, threads: int) -> "ThreadSlots":
        """The slots of a process with this number of threads."""
        results = Slots(max(1, threads * 3 // 4))
        half, quarter = max(1, threads // 2), max(1, threads // 4)
        return cls(results, Slots(half, results), *(Slots(quarter, results) for _ in range(3)))


def init_app(app: Flask) -> None:
    """Give the application its slots, by its number of threads."""
    app.extensions["thread_slots"] = ThreadSlots.for_threads(app.extensions["services"].settings.threads)


def thread_slots() -> ThreadSlots:
    """The slots of the current application."""
    slots: ThreadSlots = current_app.extensions["thread_slots"]
    return slots


def wait_until_finished(services: Services, run: Run, seconds: float) -> Run:
    """Wait up to this many seconds for a run to finish; returns its latest state at once when no slot is free."""
    if run.state in FINISHED or seconds <= 0:
        return run
    with thread_slots().polls.slot() as acquired:
        if acquired:
            services.jobs.wait(run.id, seconds, until=lambda: services.store.get_run(run.id).state in FINISHED)
    return services.store.get_run(run.id)
