"""Waits for changes of runs, of any number at a time: one subscription to Redis for the whole process."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import redis

from app.queue import constants

log = logging.getLogger(__name__)
RECONNECT = 1.0  # seconds between two tries to reach Redis
IDLE = 5.0  # seconds after which the thread looks whether anybody still waits
# The key in the WSGI environment that says that the server takes `Pause` among the pieces of a response.
PAUSES = "detector.pauses"


class Watch:
    """What one waiter knows of a run: whether it may have changed since `clear`. A context, which ends the watching."""

    def __init__(self, changes: "Changes", run_id: str):
        self._changes, self.run_id = changes, run_id
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._wake: Callable[[], None] | None = None

    def __enter__(self) -> "Watch":
        self._changes.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._changes.remove(self)

    def clear(self) -> None:
        """Forget the changes until now. Call it before the run is looked at."""
        self._changed.clear()

    def wait(self, seconds: float) -> None:
        """Wait in this thread until the run may have changed, or so many seconds."""
        self._changed.wait(seconds)

    def when_changed(self, wake: Callable[[], None]) -> None:
        """Call a function, from any thread and once, when the run may have changed; at once if it has."""
        with self._lock:
            self._wake = wake
        if self._changed.is_set():
            self.notify()

    def notify(self) -> None:
        """The run may have changed."""
        self._changed.set()
        with self._lock:
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()


class Changes:
    """Tells watches of the runs that are published in Redis. Its thread starts with the first watch."""

    def __init__(self, client: redis.Redis):
        self._client = client
        self._watches: dict[str, set[Watch]] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, run_id: str) -> Watch:
        """A watch of a run, to be entered."""
        return Watch(self, run_id)

    def add(self, watch: Watch) -> None:
        """Begin to tell a watch. Raises redis.RedisError when Redis is not reached soon."""
        with self._lock:
            self._watches.setdefault(watch.run_id, set()).add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, daemon=True)
                self._thread.start()
        if not self._ready.wait(RECONNECT):
            self.remove(watch)
            raise redis.ConnectionError("the subscription does not begin")

    def remove(self, watch: Watch) -> None:
        """Stop telling a watch."""
        with self._lock:
            watches = self._watches.get(watch.run_id, set())
            watches.discard(watch)
            if not watches:
                self._watches.pop(watch.run_id, None)

    def _listen(self) -> None:
        """The thread, which ends when nobody waits."""
        pause = threading.Event()
        while not self._is_over():
            try:
                with closing(self._client.pubsub(ignore_subscribe_messages=False)) as channel:
                    channel.psubscribe(f"{constants.CHANGES}*")
                    while not self._is_over():
                        if (message := channel.get_message(timeout=IDLE)) is not None:
                            self._tell(message)
            except (redis.RedisError, OSError, ValueError) as error:
                self._ready.clear()
                log.warning("the subscription to changes ended: %s", error)
                pause.wait(RECONNECT)

    def _is_over(self) -> bool:
        with self._lock:
            if self._watches:
                return False
            self._ready.clear()
            self._thread = None
            return True

    def _tell(self, message: dict[str, Any]) -> None:
        """Notify the watches of a run; all of them once subscribed, because something may have been missed before."""
        with self._lock:
            if message["type"] == "pmessage":
                run_id = message["channel"].decode().removeprefix(constants.CHANGES)
                watches = set(self._watches.get(run_id, ()))
            else:
                self._ready.set()
                watches = {watch for several in self._watches.values() for watch in several}
        for watch in watches:
            watch.notify()


@dataclass(frozen=True)
class Pause:
    """A piece of a response that stands for waiting until a run may have changed, or so many seconds."""

    watch: Watch
    seconds: float
