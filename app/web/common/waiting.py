"""Waiting for a run, and limits on the threads that requests hold for seconds.

Under our own server (`app.launch.threads`) a request that waits for a run, or streams its events, holds no thread: it
pauses. Under others it holds one. Whoever fetches an address or makes an export always does.
Together they may hold three quarters of the web process's threads, so that at least one is always free for other
requests (unless there is only one). A request that finds no free slot is refused instead of queued, because waiting for
a slot would hold a thread as well.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, current_app, request
from flask.globals import request_ctx

from app.errors import Busy, NotFound, PublicError
from app.queue.changes import PAUSES, Pause
from app.queue.services import Services
from app.store import Store
from app.store.models import Run
from app.store.states import FINISHED
from app.system.logs import request_context, request_id
from app.web.common.errors import error_response
from app.web.common.services import services


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


class Later(Response):
    """A response that is made once a run has finished or the time is over. Under a server that takes pauses only.

    build: makes the response of the run, in the context of the request; then: called with it, in the same context.
    """

    def __init__(self, run_id: str, seconds: float, build: Callable[[Run], Response]):
        super().__init__()
        self.then: list[Callable[[Response], object]] = []
        self._run_id, self._until, self._build = run_id, time.monotonic() + seconds, build
        self._context = request_ctx.copy()
        self._services, self._request_id = services(), request_id()

    def __call__(self, environ: Any, start_response: Any) -> Iterator[Any]:
        """The pieces of the response, with pauses before them."""
        store = self._services.store
        with self._services.jobs.changes.watch(self._run_id) as watch:
            while not self._is_over(store) and (left := self._until - time.monotonic()) > 0:
                yield Pause(watch, left)
                watch.clear()
        with self._context, request_context(self._request_id):
            try:
                response = self._build(store.get_run(self._run_id))
            except PublicError as error:
                response = current_app.make_response(error_response(error))
            for name in set(self.headers.keys()) - {"Content-Type", "Content-Length"}:
                response.headers.setlist(name, self.headers.getlist(name))
            for call in self.then:
                call(response)
            pieces = response(environ, start_response)
        yield from pieces

    def _is_over(self, store: Store) -> bool:
        try:
            return store.get_run(self._run_id).state in FINISHED
        except NotFound:
            return True


def when_finished(run: Run, seconds: float, build: Callable[[Run], Response]) -> Response:
    """The response that `build` makes of a run once it has finished, or of its state after so many seconds."""
    if run.state in FINISHED or seconds <= 0:
        return build(run)
    if can_pause():
        return Later(run.id, seconds, build)
    return build(wait_until_finished(services(), run, seconds))


def can_pause() -> bool:
    """Whether the server of this request takes responses that pause."""
    return bool(request.environ.get(PAUSES))


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
        return wait_here(services, run, seconds) if acquired else services.store.get_run(run.id)


def wait_here(services: Services, run: Run, seconds: float) -> Run:
    """Wait up to this many seconds, in this thread, for a run to finish; returns its latest state."""
    services.jobs.wait(run.id, seconds, until=lambda: services.store.get_run(run.id).state in FINISHED)
    return services.store.get_run(run.id)
