"""A request while it arrives: its head, and then its body as far as a request may be long.

The server's loop feeds it, so that a slow sender costs no thread. It is handled once it is whole, or once it is clear
that it never will be.
"""

import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from app.errors import Busy, PublicError, UploadTooSlow
from app.intake.body import REFUSED, STEP

# Seconds for the head of a request.
HEAD_SECONDS = 10.0
# Bytes of a head. gunicorn limits each header; together they are no larger at any proxy.
MAX_HEAD = 128 * 1024
# Bytes of a body that are kept in memory; the rest of a larger one lies in a temporary file.
IN_MEMORY = 256 * 1024
HEALTH_CHECKS = (b"/healthz", b"/readyz")
TOO_MANY_UPLOADS = "Too many uploads are arriving at the moment. Try again in a moment."

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_IN_CHUNKS = re.compile(rb"^transfer-encoding[ \t]*:", re.IGNORECASE | re.MULTILINE)
_CONTINUE = re.compile(rb"^expect[ \t]*:[ \t]*100-continue[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Limits:
    """max_body: bytes of the longest body that is waited for; timeout: seconds for every STEP bytes of it."""

    max_body: int
    timeout: float


class Arriving:
    """One request. `whole` is true once all of it is here; `deadline` says when to give up, by the clock.

    Args:
        admit: asked before a body that does not fit into memory is waited for, with its length; False refuses it.
    """

    def __init__(
        self,
        limits: Limits,
        admit: Callable[[int], bool] = lambda length: True,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.head = bytearray()
        self.body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  Closed by `close`.
        self.length = 0
        self.wants_word = False
        self.deadline = clock() + HEAD_SECONDS
        self._limits, self._admit, self._clock = limits, admit, clock
        self._left: int | None = None  # Bytes of the body that are waited for; None until the head is here.
        self._waited_for = False
        self._step = STEP
        self._refused: PublicError | None = None

    @property
    def begun(self) -> bool:
        """Whether its head is here."""
        return self._left is not None

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return self._waited_for and self._left == 0

    @property
    def is_health_check(self) -> bool:
        """Whether it asks whether the service is well."""
        path = bytes(self.head).split(b" ", 2)[1:2]
        return bool(path) and path[0].partition(b"?")[0] in HEALTH_CHECKS

    @property
    def environ(self) -> Mapping[str, Any]:
        """What the application has to know: why the body is not whole."""
        return {REFUSED: self._refused} if self._refused else {}

    def feed(self, data: bytes) -> bool:
        """Add what was received. True once the request can be handled."""
        if self._left is None:
            data = self._feed_head(data)
            if self._left is None:
                return len(self.head) > MAX_HEAD
        body = data[: self._left]
        self.body.write(data)  # What comes after the body is the beginning of the next request.
        self._left -= len(body)
        self._step -= len(body)
        if self._step <= 0:
            self._step, self.deadline = STEP, self._clock() + self._limits.timeout
        return self._left == 0

    def give_up(self) -> None:
        """Handle it without the rest of its body."""
        self._refused = UploadTooSlow()

    def close(self) -> None:
        """Free what it holds."""
        self.body.close()

    def _feed_head(self, data: bytes) -> bytes:
        """Add to the head, and return what comes after it."""
        place = max(0, len(self.head) - len(_END))
        self.head += data
        end = self.head.find(_END, place)
        if end < 0:
            return b""
        rest = bytes(self.head[end + len(_END) :])
        del self.head[end + len(_END) :]
        self._begin_body()
        return rest

    def _begin_body(self) -> None:
        lengths = _LENGTH.findall(self.head)
        self.length = int(lengths[0]) if len(lengths) == 1 else 0
        self._left = self.length
        self.deadline = self._clock() + self._limits.timeout
        clear = len(lengths) < 2 and not _IN_CHUNKS.search(self.head)
        self._waited_for = clear and self.length <= self._limits.max_body
        if self._waited_for and self.length > IN_MEMORY and not self._admit(self.length):
            self._refused, self._waited_for = Busy(TOO_MANY_UPLOADS), False
        if not self._waited_for:  # The application refuses it unread.
            self._left = 0
        self.wants_word = bool(self._left and _CONTINUE.search(self.head))
