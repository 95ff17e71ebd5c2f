"""A gunicorn worker with deadlines for the head of a request and for closing a connection.

Bodies have their own deadlines (`app.intake.body`, which says why another server does not replace this).
"""

import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from app.intake.body import linger, stop_receiving

# Seconds for the head of a request.
HEAD_SECONDS = 10.0
# After the last response the client has this long to close the connection (RFC 9112, section 9.6).
LINGER_SECONDS, LINGER_BYTES = 2.0, 64 * 1024


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

    def murder_pending(self) -> None:
        """Called by the loop, at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._heads.items()):
            if now >= deadline:
                stop_receiving(conn.sock)
