"""Checks request bodies: they need a length, and must be within the limit, complete and in time.

WSGI servers pass on truncated bodies silently (`get_data()` under gunicorn returns them with status 200), and a slow
upload can hold a thread for ever. `CheckedBody` wraps the application and turns each of these into a `PublicError`,
raised where the body is read, so that the application's own error handlers answer it.

Waitress, which buffers bodies before it takes a thread, does not replace this: it accepts chunked bodies, answers 413
itself, and has no deadline for a body that trickles.
"""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
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
# The server itself discards this much of an unread body and keeps the connection.
SMALL_REST = 32 * 1024
# After an early response the client may go on sending for this long. Closing at once would reset the connection before
# the client has read the response (RFC 9112, section 9.6), and browsers would show a network error.
LINGER_SECONDS = 10.0
LINGER_BYTES = 256 * 1024 * 1024


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
        response = self.app(environ, start_response)
        body.stop_watching()
        connection = environ.get("gunicorn.socket")
        if connection is None or not body.needs_lingering:
            return response
        return _Lingering(response, connection)

    def _checked(self, environ: Environ) -> "_Body":
        source, text = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
        kind = environ.get("CONTENT_TYPE") or ""
        watched = environ.get("gunicorn.socket")
        if environ.get("HTTP_TRANSFER_ENCODING") or (not text and kind):
            return _Body(source, 0, error=LengthRequired())
        if text and not (text.isascii() and text.isdigit()):
            return _Body(source, 0, error=BadRequest("The Content-Length of this request is not a number."))
        length = int(text.lstrip("0")[:18] or 0)  # 18 digits exceed every limit; int() refuses very long ones.
        return _Body(source, length, self._limits(kind), timeout=self.timeout, clock=self.clock, watched=watched)

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
        watched: socket.socket | None = None,
    ):
        self.source, self.left, self.error = source, length, error
        self.limit, self.told_limit = limits
        self.clock, self.timeout, self.watched = clock, timeout, watched
        self.step, self.deadline = STEP, clock() + timeout
        self.watchdog: threading.Thread | None = None
        self.over = threading.Event()

    @property
    def needs_lingering(self) -> bool:
        """Whether the client may still be sending more than the server discards itself."""
        return self.error is not None or self.left > SMALL_REST

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

    def stop_watching(self) -> None:
        """End the watchdog."""
        self.over.set()

    def _next(self, size: int) -> bytes:
        if self.error is not None:
            raise self.error
        if self.left > self.limit:
            limit = f"{self.told_limit / 2**20:g} MB"
            self._fail(UploadTooLarge(f"This upload is larger than {limit}, the maximum."))
        if self.left == 0:
            return b""
        self._watch()
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
        if self.left == 0:
            self.stop_watching()
        return bytes(data)

    def _fail(self, error: PublicError) -> None:
        self.stop_watching()
        self.error = error
        raise error

    def _watch(self) -> None:
        if self.watched is not None and self.watchdog is None:
            self.watchdog = threading.Thread(target=self._guard, args=(self.watched,), daemon=True)
            self.watchdog.start()

    def _guard(self, watched: socket.socket) -> None:
        """At the deadline, end a read that waits for the client, by shutting down the receiving half."""
        while (left := self.deadline - self.clock()) > 0:
            if self.over.wait(left):
                return
        stop_receiving(watched)


def stop_receiving(connection: socket.socket) -> None:
    """Shut down the receiving half of a connection, so that reading from it ends."""
    with contextlib.suppress(OSError):  # The client has closed it already.
        connection.shutdown(socket.SHUT_RD)


class _Lingering:
    """A response after which the rest of the request is discarded for a while, so that the client can read it."""

    def __init__(self, response: Iterable[bytes], connection: socket.socket):
        self.response, self.connection = response, connection

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.response)

    def close(self) -> None:
        close = getattr(self.response, "close", None)
        if close is not None:
            close()
        linger(self.connection, LINGER_SECONDS, LINGER_BYTES)


def linger(connection: socket.socket, seconds: float, max_bytes: int) -> None:
    """Shut down the sending half, and discard up to `max_bytes` until the client closes or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):  # The client has closed it, or the time is over.
        connection.shutdown(socket.SHUT_WR)
        while max_bytes > 0 and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            received = len(connection.recv(64 * 1024))
            if received == 0:
                break
            max_bytes -= received
