"""Checks request bodies: they need a length, and must be within the limit, complete and in time.

WSGI servers pass on truncated bodies silently (`get_data()` under gunicorn returns them with status 200). `CheckedBody`
wraps the application and turns each of these into a `PublicError`, raised where the body is read, so that the
application's own error handlers answer it. The server waits for bodies before it takes a thread (`app.launch.threads`).

Waitress, which waits for bodies too, does not replace this: it accepts chunked bodies, answers 413 itself, and has no
deadline for a body that trickles.
"""

import io
import time
from collections.abc import Callable, Iterable
from typing import Any

from app.errors import BadRequest, LengthRequired, PublicError, UploadCutShort, UploadTooLarge, UploadTooSlow

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

# Field names, boundaries and options around a photo.
OVERHEAD = 1024 * 1024
# Bytes of a body that must arrive within the timeout: 9 KB a second with the default one, for phones far from a mast.
STEP = 256 * 1024
# The key of the body in the WSGI environment, for `allow`.
BODY = "detector.body"
# The key of the error that the server found while it waited for the body; nothing of the body is read then.
REFUSED = "detector.refused"


def allow(environ: Environ, max_bytes: int) -> None:
    """Allow a body of this size, whatever its type. Call it before the body is read."""
    body: _Body = environ[BODY]
    body.limit = body.told_limit = max_bytes


def in_base64(size: int) -> int:
    """Size of a body with a photo of `size` bytes in base64, and some overhead."""
    return size * 4 // 3 + OVERHEAD


class CheckedBody:
    """WSGI middleware that replaces `wsgi.input` by a checked stream.

    Args:
        app: the application behind it.
        max_bytes: maximum size of a photo; JSON may be a third larger, for base64. A view may `allow` more.
        max_batch_bytes: maximum size of a form or ZIP, which may hold several photos.
        timeout: seconds within which every STEP bytes of a body must arrive.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        app: Application,
        *,
        max_bytes: int,
        max_batch_bytes: int,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.app = app
        self.max_bytes = max_bytes
        self.max_batch_bytes = max(max_bytes, max_batch_bytes)
        self.timeout = timeout
        self.clock = clock

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        body = self._checked(environ)
        environ[BODY] = body
        environ["wsgi.input"] = io.BufferedReader(body, min(STEP, max(1, body.left)))
        environ["wsgi.input_terminated"] = True  # Werkzeug reads the stream as it is, also without a length.
        return self.app(environ, start_response)

    def _checked(self, environ: Environ) -> "_Body":
        source, text = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
        kind = environ.get("CONTENT_TYPE") or ""
        if REFUSED in environ:
            return _Body(source, 0, error=environ[REFUSED])
        if environ.get("HTTP_TRANSFER_ENCODING") or (not text and kind):
            return _Body(source, 0, error=LengthRequired())
        if text and not (text.isascii() and text.isdigit()):
            return _Body(source, 0, error=BadRequest("The Content-Length of this request is not a number."))
        length = int(text.lstrip("0")[:18] or 0)  # 18 digits exceed every limit; int() refuses very long ones.
        return _Body(source, length, self._limits(kind), timeout=self.timeout, clock=self.clock)

    def _limits(self, content_type: str) -> tuple[int, int]:
        """Maximum size of a body of this type, and the limit that the error message names."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith("multipart/") or kind.endswith(("/zip", "/x-zip-compressed")):
            return self.max_batch_bytes + OVERHEAD, self.max_batch_bytes
        if kind.endswith("json") or kind == "application/x-www-form-urlencoded":
            return in_base64(self.max_bytes), self.max_bytes
        return self.max_bytes, self.max_bytes


class _Body(io.RawIOBase):
    """The unread part of a request body. After an error every further read raises it again.

    limits: maximum size, and the limit that the error message names; step: bytes that have to arrive by the deadline.
    """

    def __init__(
        self,
        source: Any,
        length: int,
        limits: tuple[int, int] = (0, 0),
        *,
        error: PublicError | None = None,
        timeout: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.source, self.left, self.error = source, length, error
        self.limit, self.told_limit = limits
        self.clock, self.timeout = clock, timeout
        self.step, self.deadline = STEP, clock() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        pieces = []
        while piece := self._next(STEP):
            pieces.append(piece)
        return b"".join(pieces)

    def _next(self, size: int) -> bytes:
        if self.error is not None:
            raise self.error
        if self.left > self.limit:
            limit = f"{self.told_limit / 2**20:g} MB"
            self._fail(UploadTooLarge(f"This upload is larger than {limit}, the maximum."))
        if self.left == 0:
            return b""
        try:
            data = self.source.read(min(size, self.left, self.step))
        except OSError:
            data = b""
        if self.clock() >= self.deadline:
            self._fail(UploadTooSlow())
        if not data:
            self._fail(UploadCutShort())
        self.left -= len(data)
        self.step -= len(data)
        if self.step == 0:
            self.step, self.deadline = STEP, self.clock() + self.timeout
        return bytes(data)

    def _fail(self, error: PublicError) -> None:
        self.error = error
        raise error
