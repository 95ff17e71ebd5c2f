"""gunicorn's threads, held by no sender that stops in the middle of a request's head, nor by one that does not hang up.

Bodies have deadlines of their own (`app.intake.body`).
"""

import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from app.intake.body import linger, stop_receiving

# Seconds that the head of a request may take.
HEAD_SECONDS = 10.0
# After the last answer the other side has this long to hang up (RFC 9112, section 9.6).
LINGER_SECONDS, LINGER_BYTES = 2.0, 64 * 1024


class Worker(ThreadWorker):
    """A ThreadWorker that ends what ThreadWorker would wait for: heads without a limit in one of its few threads, and
    farewells in its only loop."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Connections whose request's head is being read, and until when.
        self._heads: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        self._heads[conn] = time.monotonic() + HEAD_SECONDS
        try:
            kept = super().handle(conn)
        finally:
            self._heads.pop(conn, None)
        if not kept:
            linger(conn.sock, LINGER_SECONDS, LINGER_BYTES)
            stop_receiving(conn.sock)  # So that nothing is left to wait for when the loop closes it.
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
