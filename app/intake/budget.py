"""A limit on the pixels that a process works on at the same time: photos are the largest thing in its memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class PixelBudget:
    """Lets threads work on photos side by side as long as their pixels together stay within a limit.

    Args:
        limit: pixels. A photo that is larger than this waits until it would be alone.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._used = 0
        self._changed = threading.Condition()
        # Whoever waits holds this door, so that a stream of small photos cannot keep a large one waiting for ever.
        self._door = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Wait until the pixels fit into the budget, and hold them.

        A thread that holds a reservation already gets another one without waiting: it could be waiting for itself, or
        for a thread that waits for it. What it holds counts for everybody else.
        """
        depth = getattr(self._own, "depth", 0)
        if depth:
            self._take(pixels)
        else:
            with self._door, self._changed:
                self._changed.wait_for(lambda: self._used == 0 or self._used + pixels <= self.limit)
                self._used += pixels
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            self._take(-pixels)

    def _take(self, pixels: int) -> None:
        with self._changed:
            self._used += pixels
            self._changed.notify_all()


# The budget of this process, shared by everything that decodes photos or masks beside other threads.
pixel_budget: Final = PixelBudget(16_000_000)
