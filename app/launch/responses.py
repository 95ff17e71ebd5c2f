"""Responses of a gunicorn worker that may pause: until a run changes, or until a slow client has read what there is."""

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.util import write_error
from gunicorn.workers.gthread import ThreadWorker

from app.launch.connection import Connection, Unread
from app.queue.changes import PAUSES, Pause

# What gunicorn refuses before the application sees it: status, reason and a sentence for people.
_REFUSALS = {
    LimitRequestHeaders: (
        431,
        "Request Header Fields Too Large",
        "The headers of this request are too large, usually for many cookies. Delete this site's cookies and reload.",
    ),
    LimitRequestLine: (414, "URI Too Long", "This address is too long."),
}


class _Gone(Exception):
    """The client has closed the connection, or does not read."""


@contextlib.contextmanager
def _leaving() -> Iterator[None]:
    """Errors of the connection become `_Gone`; the application may raise errors of the disk."""
    try:
        yield
    except OSError as error:
        raise _Gone from error


class Responder(ThreadWorker):
    """What the threads do. A response that pauses is left in its connection, and its thread is free."""

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Let the application answer a request; whether the connection can take another one."""
        resp, environ = wsgi.create(req, conn.outbox, conn.client, conn.server, self.cfg)
        environ |= {"wsgi.multithread": True, "gunicorn.socket": conn.sock, PAUSES: True, **conn.environ}
        if not self.alive or not conn.whole:
            resp.force_close()
        answer = self.wsgi(environ, resp.start_response)
        conn.go_on = partial(self._send, conn, resp, _steps(conn, resp, answer))
        conn.end = getattr(answer, "close", conn.end)
        return self._send_on(conn)

    def go_on(self, conn: Connection) -> bool:
        """Go on with a response after a pause; whether the connection can take another request."""
        try:
            kept = self._send_on(conn)
        except StopIteration:
            return False
        except Exception as error:  # noqa: BLE001  As gunicorn does where a request begins.
            self.handle_error(None, conn.sock, conn.client, error)
            return False
        return bool(self._keepalive_after(conn, kept))

    def send_here(self, conn: Connection) -> bool:
        """Send what the client has not read, in this thread, and go on."""
        try:
            conn.outbox.push_all()
        except OSError:
            return self.abandon(conn)
        return self.go_on(conn)

    def abandon(self, conn: Connection) -> bool:
        """End a response whose client has hung up, or does not read."""
        conn.outbox.clear()
        conn.end()
        return False

    def _send_on(self, conn: Connection) -> bool:
        """Send a response up to its end or its next pause. Raises StopIteration where that is not possible."""
        try:
            return conn.go_on()
        except _Gone as error:
            conn.outbox.clear()
            raise StopIteration from error  # gunicorn closes the connection without a word.
        finally:
            if conn.pause is None:
                conn.end()

    def _send(self, conn: Connection, resp: Any, steps: Iterator[Pause | Unread]) -> bool:
        try:
            for pause in steps:
                if self.alive or isinstance(pause, Unread):
                    conn.pause = pause
                return False
        except _Gone:
            raise
        except Exception as error:
            if not resp.headers_sent:
                raise
            self.log.exception("Error handling request")
            raise _Gone from error
        return not resp.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Answer what gunicorn refuses."""
        refusal = next((refusal for kind, refusal in _REFUSALS.items() if isinstance(exc, kind)), None)
        if refusal is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("Invalid request: %s", exc)
        with contextlib.suppress(OSError):  # The client has closed the connection.
            write_error(client, *refusal)


def _steps(conn: Connection, resp: Any, pieces: Iterable[bytes | Pause]) -> Iterator[Pause | Unread]:
    """Send a response, from one pause to the next. Raises _Gone, and what the application raises."""
    for piece in pieces:
        if isinstance(piece, Pause):
            yield piece
            continue
        resp.write(piece)
        yield from _pushed(conn)
    resp.close()
    yield from _pushed(conn)


def _pushed(conn: Connection) -> Iterator[Unread]:
    with _leaving():
        if conn.outbox.push():
            return
    yield Unread()
