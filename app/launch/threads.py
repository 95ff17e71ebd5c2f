"""A gunicorn worker with deadlines for the head of a request and for closing a connection.

Bodies have their own deadlines (`app.intake.body`, which says why another server does not replace this).
"""

import time
from contextlib import suppress
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.util import write_error
from gunicorn.workers.gthread import ThreadWorker

from app.intake.body import linger, stop_receiving

# Seconds for the head of a request.
HEAD_SECONDS = 10.0
# After the last response the client has this long to close the connection (RFC 9112, section 9.6).
LINGER_SECONDS, LINGER_BYTES = 2.0, 64 * 1024

# What gunicorn refuses before the application sees it: status, reason and a sentence for people.
_REFUSALS = {
    LimitRequestHeaders: (
        431,
        "Request Header Fields Too Large",
        "The headers of this request are too large, usually for many cookies. Delete this site's cookies and reload.",
    ),
    LimitRequestLine: (414, "URI Too Long", "This address is too long."),
}


class Worker(ThreadWorker):
    """A ThreadWorker that does not wait without a limit for a head in a thread, or for a closing client in its loop."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Connections whose request head is being read, each with its deadline.
        self._heads: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        self._heads[conn] = time.monotonic() + HEAD_SECONDS
        try:
            kept = super().handle(conn)
        finally:
            self._heads.pop(conn, None)
        if not kept:
            linger(conn.sock, LINGER_SECONDS, LINGER_BYTES)
            stop_receiving(conn.sock)  # So that the loop closes it without waiting.
        return kept

    def handle_request(self, req: Any, conn: Any) -> Any:
        self._heads.pop(conn, None)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        refusal = next((refusal for kind, refusal in _REFUSALS.items() if isinstance(exc, kind)), None)
        if refusal is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("Invalid request: %s", exc)
        with suppress(OSError):  # The client has closed the connection.
            write_error(client, *refusal)

    def murder_pending(self) -> None:
        """Called by the loop, at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._heads.items()):
            if now >= deadline:
                stop_receiving(conn.sock)
