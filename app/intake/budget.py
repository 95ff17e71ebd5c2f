"""A limit on the pixels that a process holds at the same time, because photos dominate its memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class PixelBudget:
    """Lets threads process photos concurrently as long as their pixels together stay within a limit.

    Args:
        limit: in pixels. A larger photo waits until it is the only one.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._used = 0
        self._changed = threading.Condition()
        # Held by the thread that waits, so that a stream of small photos cannot starve a large one.
        self._turn = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """Wait until the pixels fit into the budget, and hold them.

        A thread that holds a reservation gets further ones without waiting, because it could wait for itself, or for a
        thread that waits for it. All of them count for the other threads.
        """
        depth = getattr(self._own, "depth", 0)
        if depth:
            self._take(pixels)
        else:
            with self._turn, self._changed:
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
