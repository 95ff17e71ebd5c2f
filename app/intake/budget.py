"""A limit on the photos that a process decodes at the same time: the memory that it needs is theirs above all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class PixelBudget:
    """Lets threads work on photos side by side as long as their pixels together stay within a limit."""

    def __init__(self, limit: int):
        self.limit = limit
        self._used = 0
        self._changed = threading.Condition()
        # Whoever waits for room waits in this door, so that no stream of small photos passes a large one for ever.
        self._door = threading.Lock()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for a photo, or until it would be alone, and hold that room.

        Not twice at a time in one thread: it could wait for itself.
        """
        with self._door, self._changed:
            self._changed.wait_for(lambda: self._used == 0 or self._used + pixels <= self.limit)
            self._used += pixels
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()


# The one of this process, for whatever decodes photos beside other threads. A larger photo than this is alone.
room: Final = PixelBudget(16_000_000)
