"""One clock for all photos of a request: many that each take long are as costly as one that takes very long."""

import time
from collections.abc import Callable
from typing import Final

from app.errors import EntryRefused

# Seconds for unpacking, opening and storing the photos of one request.
ALL_PHOTOS: Final = 300.0


class Clock:
    """Runs from the moment it is made."""

    def __init__(self, seconds: float = ALL_PHOTOS, now: Callable[[], float] = time.monotonic):
        self._seconds, self._now = seconds, now
        self._end = now() + seconds

    def check(self) -> None:
        """Raises EntryRefused, for every photo from now on, once the time is over."""
        if self._now() >= self._end:
            raise EntryRefused(f"These photos take longer than {self._seconds:g} seconds. Send the rest by themselves.")
