"""A gunicorn worker in which waiting costs no thread.

gunicorn's own reads heads and bodies in its threads, where a few slow senders hold them all. Here the loop receives a
request until it is whole (`app.launch.arriving`), and waits for clients that are to close their connection. One address
has a number of connections and half of the threads, and health checks have threads of their own.
"""

import contextlib
import math
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.util import write_error

from app.config.settings import Settings
from app.intake.body import OVERHEAD
from app.launch.arriving import Arriving, Limits
from app.launch.connection import Connection, Unread
from app.launch.outbox import SEND_SECONDS, SEND_STEP
from app.launch.responses import Responder
from app.queue.changes import Pause
from app.system.addresses import network_of

HEALTH_THREADS = 2
# After the last response the client has this long to close the connection. Closing at once would reset it before the
# client has read the response (RFC 9112, section 9.6), and browsers would show a network error.
LINGER_SECONDS, LINGER_BYTES = 10.0, 256 * 1024 * 1024
# Seconds that idle connections stay open while the worker ends.
LAST_SECONDS = 2.0
# Uploads that may arrive at a time, by their sizes: so many of the largest kind, and half of that from one address.
LARGE_UPLOADS = 4
# Bytes of responses that wait for slow readers: of all together, and half of that for one address. Threads wait for
# the readers of more.
MAX_UNREAD = 64 * 1024 * 1024
_RECEIVED = 64 * 1024

_TOO_MANY = (503, "Service Unavailable", "There are too many connections from this address. Try again in a moment.")


Step = Callable[[Connection], None]
Task = Callable[[Connection], bool]


class Worker(Responder):
    """Receives requests in its loop, and handles them in threads.

    Every connection is in a thread, in a queue for one, or in `_waiting`: there the loop calls one function when
    something is received, and another when the time is over.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        settings = Settings.from_env()
        max_body = max(settings.max_upload_bytes, settings.max_batch_bytes) + OVERHEAD
        self._limits = Limits(max_body, settings.upload_timeout)
        # Behind a proxy every connection is the proxy's.
        self._counted = settings.trusted_proxies == 0
        self._max_connections = settings.connections_per_address
        self._share = max(1, self.cfg.threads // 2)
        self._waiting: dict[Connection, tuple[float, Step]] = {}
        self._due = math.inf  # No time of `_waiting` is over before.
        self._connections, self._running = Counter[str](), Counter[str]()
        self._arriving_bytes, self._unread_bytes = Counter[str](), Counter[str]()
        self._queued: dict[str, deque[tuple[Connection, Task]]] = {}
        self._health = ThreadPoolExecutor(HEALTH_THREADS)

    # The loop: connections that wait

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless its address has too many."""
        try:
            sock, address = listener.accept()
        except OSError:  # It was closed before.
            return
        network = network_of(address[0]) if self._counted and isinstance(address, tuple) else ""
        if network and 0 < self._max_connections <= self._connections[network]:
            with sock, contextlib.suppress(OSError):
                sock.setblocking(False)
                write_error(sock, *_TOO_MANY)
            return
        self.nr_conns += 1
        self._connections[network] += 1
        self._receive(Connection(self.cfg, sock, address, listener.getsockname(), network))

    def _wait(
        self,
        conn: Connection,
        on_received: Callable[[Connection], None],
        until: float,
        then: Callable[[Connection], None],
    ) -> None:
        self._allow(conn, until, then)
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: on_received(conn))

    def _allow(self, conn: Connection, until: float, then: Step) -> None:
        """Let a connection wait until then."""
        self._waiting[conn] = (until, then)
        self._due = min(self._due, until)

    def _wake(self, conn: Connection) -> None:
        del self._waiting[conn]
        self.poller.unregister(conn.sock)

    def _receive(self, conn: Connection, data: bytes = b"") -> None:
        """Wait for a request, of which this much is here."""
        conn.arriving = Arriving(self._limits, partial(self._admit, conn))
        if data and conn.arriving.feed(data):
            self._dispatch(conn)
            return
        self._wait(conn, self._on_data, conn.arriving.deadline, self._on_late)
        self._invite(conn, conn.arriving)

    def _on_data(self, conn: Connection) -> None:
        assert conn.arriving is not None
        try:
            data = conn.sock.recv(_RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        began = conn.arriving.begun
        if not data or conn.arriving.feed(data):
            self._wake(conn)
            self._dispatch(conn) if data or began else self._close(conn)
            return
        self._allow(conn, conn.arriving.deadline, self._on_late)
        self._invite(conn, conn.arriving)

    def _invite(self, conn: Connection, arriving: Arriving) -> None:
        """Ask for the body, where the client waits for that."""
        if arriving.wants_word:
            arriving.wants_word = False
            with contextlib.suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _on_late(self, conn: Connection) -> None:
        assert conn.arriving is not None
        if conn.arriving.begun:
            conn.arriving.give_up()
            self._dispatch(conn)
        else:
            self._close(conn)

    def _admit(self, conn: Connection, length: int) -> bool:
        """Whether a large body may arrive now."""
        most = LARGE_UPLOADS * self._limits.max_body
        own = self._arriving_bytes[conn.network] + length
        if self._arriving_bytes.total() + length > most or (conn.network and own > most // 2):
            return False
        self._arriving_bytes[conn.network] += length
        conn.admitted = length
        return True

    def _idle(self, conn: Connection) -> None:
        """Keep a connection open for the next request."""
        self._wait(conn, self._on_next, time.monotonic() + self.cfg.keepalive, self._close)

    def _on_next(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(_RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._wake(conn)
        self._receive(conn, data) if data else self._close(conn)

    def _linger(self, conn: Connection) -> None:
        """Let the client read the last response before the connection is closed."""
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
        self._wait(conn, self._discard, time.monotonic() + LINGER_SECONDS, self._close)

    def _discard(self, conn: Connection) -> None:
        try:
            received = len(conn.sock.recv(_RECEIVED))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        conn.discarded += received
        if not received or conn.discarded > LINGER_BYTES:
            self._wake(conn)
            self._close(conn)

    def _close(self, conn: Connection) -> None:
        conn.free()
        self.nr_conns -= 1
        self._connections[conn.network] -= 1
        conn.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Called by the loop: what is received, until the time of a connection is over."""
        super().wait_for_and_dispatch_events(min(timeout, max(0.0, self._due - time.monotonic())))

    def murder_keepalived(self, force: bool = False) -> None:
        """Called by the loop after everything that it receives, and at least once a second."""
        now = time.monotonic()
        if now < self._due and self.alive and not force:
            return
        for conn, (until, then) in list(self._waiting.items()):
            if not self.alive and not conn.outbox.size and not (conn.arriving and conn.arriving.begun):
                self._waiting[conn] = (min(until, now + LAST_SECONDS), then)
            if now >= until or force:
                self._wake(conn)
                self._close(conn) if force else then(conn)
        self._due = min((until for until, _ in self._waiting.values()), default=math.inf)

    def murder_pending(self) -> None:
        """Nothing: `murder_keepalived` has done it."""

    def _park(self, conn: Connection, pause: Pause | Unread) -> None:
        """Let a response pause."""
        if isinstance(pause, Unread):
            self._send_later(conn, pause)
            return
        self._wait(conn, self._on_word, time.monotonic() + pause.seconds, self._resume)
        pause.watch.when_changed(lambda: self.method_queue.defer(self._on_change, conn, pause))

    def _on_change(self, conn: Connection, pause: Pause) -> None:
        if conn.pause is pause and conn in self._waiting:
            self._wake(conn)
            self._resume(conn)

    def _on_word(self, conn: Connection) -> None:
        """The client has sent something during a pause, or has hung up."""
        try:
            data = conn.sock.recv(_RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.discarded += len(data)
        if data and conn.discarded <= _RECEIVED:
            conn.parser.unreader.add(data)
            return
        self._wake(conn)
        self._abandon(conn)

    def _send_later(self, conn: Connection, unread: Unread) -> None:
        """Send what a client has not read when it reads on, in a thread if there is too much of that already."""
        size, own = conn.outbox.size, self._unread_bytes[conn.network] + conn.outbox.size
        if self._unread_bytes.total() + size > MAX_UNREAD or (conn.network and own > MAX_UNREAD // 2):
            conn.pause = None
            self._assign(conn, self.send_here)
            return
        self._unread_bytes[conn.network] += size
        unread.counted, unread.next = size, size - SEND_STEP
        self._allow(conn, time.monotonic() + SEND_SECONDS, self._abandon)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, lambda _: self._on_room(conn, unread))

    def _on_room(self, conn: Connection, unread: Unread) -> None:
        """The client has read something, or has hung up."""
        try:
            sent = conn.outbox.push()
        except OSError:
            self._wake(conn)
            self._abandon(conn)
            return
        if sent:
            self._wake(conn)
            self._resume(conn)
        elif conn.outbox.size <= unread.next:
            unread.next = conn.outbox.size - SEND_STEP
            self._allow(conn, time.monotonic() + SEND_SECONDS, self._abandon)

    def _resume(self, conn: Connection) -> None:
        self._end_pause(conn)
        self._assign(conn, self.go_on)

    def _abandon(self, conn: Connection) -> None:
        self._end_pause(conn)
        self._assign(conn, self.abandon)

    def _end_pause(self, conn: Connection) -> None:
        if isinstance(conn.pause, Unread):
            self._unread_bytes[conn.network] -= conn.pause.counted
        conn.pause = None

    # Threads: connections whose request is here

    def _dispatch(self, conn: Connection) -> None:
        """Handle a request in a thread."""
        if conn.arriving is not None and conn.arriving.is_health_check:
            self._submit(self._health, conn, self.handle, counted=False)
        else:
            self._assign(conn, self.handle)

    def _assign(self, conn: Connection, task: Task) -> None:
        """Do something for a connection in a thread, or when its address has one again."""
        if conn.network and self._running[conn.network] >= self._share:
            self._queued.setdefault(conn.network, deque()).append((conn, task))
        else:
            self._submit(self.tpool, conn, task, counted=True)

    def _submit(self, pool: ThreadPoolExecutor, conn: Connection, task: Task, *, counted: bool) -> None:
        self._running[conn.network] += counted
        future = pool.submit(task, conn)
        future.add_done_callback(lambda done: self.method_queue.defer(self._finish, conn, done, counted))

    def _finish(self, conn: Connection, done: "Future[bool]", counted: bool) -> None:
        """In the loop: what becomes of a connection after its request."""
        if counted:
            self._running[conn.network] -= 1
            self._next_of(conn.network)
        if conn.pause is not None:
            self._park(conn, conn.pause)
            return
        self._arriving_bytes[conn.network] -= conn.admitted
        conn.admitted = conn.discarded = 0
        if done.cancelled() or done.exception() is not None or not done.result():
            self._linger(conn)
        elif rest := conn.parser.unreader.rest():
            self._receive(conn, rest)
        else:
            self._idle(conn)

    def _next_of(self, network: str) -> None:
        queued = self._queued.get(network)
        if queued:
            self._submit(self.tpool, *queued.popleft(), counted=True)
        if not queued:
            self._queued.pop(network, None)
