"""A client's connection: gunicorn's parser reads what has arrived, and what it sends goes into an outbox."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from app.launch.arriving import Arriving
from app.launch.outbox import Outbox
from app.queue.changes import Pause


class QuietSocket(socket.socket):
    """A connection that never blocks, whatever gunicorn asks for: its outbox waits where somebody has to."""

    def setblocking(self, flag: bool) -> None:
        """Nothing."""


class Received(SocketUnreader):
    """What gunicorn's parser reads: what has arrived, and never the connection itself."""

    def __init__(self, connection: socket.socket):
        super().__init__(connection)
        self._arrived: Arriving | None = None

    def put(self, arrived: Arriving) -> None:
        """Read this request next."""
        self._arrived = arrived
        arrived.body.seek(0)
        self.unread(bytes(arrived.head))

    def chunk(self, size_hint: int | None = None) -> bytes:
        return self._arrived.body.read(max(size_hint or 0, self.mxchunk)) if self._arrived else b""

    def add(self, data: bytes) -> None:
        """Keep what arrives before the response has ended."""
        if self._arrived is not None:
            place = self._arrived.body.tell()
            self._arrived.body.seek(0, 2)
            self._arrived.body.write(data)
            self._arrived.body.seek(place)

    def rest(self) -> bytes:
        """What has arrived of the next request."""
        rest = bytes(self.take_buffered()) + (self._arrived.body.read() if self._arrived else b"")
        self.close()
        return rest

    def close(self) -> None:
        """Free the request that was read."""
        if self._arrived is not None:
            self._arrived.close()
            self._arrived = None


@dataclass
class Unread:
    """A pause until the client has read so much of a response that its outbox is empty.

    counted: the bytes in the outbox that the loop has counted; next: of them so many are left when the client gets
    more time.
    """

    counted: int = 0
    next: int = 0


class Connection(TConn):
    """A client's connection. network: its address, for counting; empty where it is not counted."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, network: str):
        super().__init__(cfg, QuietSocket(fileno=sock.detach()), client, server)
        self.sock.settimeout(0.0)
        self.network = network
        self.outbox = Outbox(self.sock)
        self.arriving: Arriving | None = None
        self.environ: dict[str, Any] = {}
        self.whole = True
        self.admitted = 0
        self.discarded = 0
        # While a response pauses: why, and what goes on with it, or ends it.
        self.pause: Pause | Unread | None = None
        self.go_on: Callable[[], bool] = lambda: False
        self.end: Callable[[], object] = lambda: None
        self.data_ready = True

    def init(self) -> None:
        """Let the parser read what has arrived. Called in a thread, before each request."""
        super().init()
        if not isinstance(self.parser.unreader, Received):
            self.parser.unreader = Received(self.sock)
        if self.arriving is not None:
            self.environ, self.whole = dict(self.arriving.environ), self.arriving.whole
            self.parser.unreader.put(self.arriving)
            self.arriving = None

    def free(self) -> None:
        """Free what it holds besides the connection."""
        if self.arriving is not None:
            self.arriving.close()
        if self.parser is not None and isinstance(self.parser.unreader, Received):
            self.parser.unreader.close()
