"""A client's connection: gunicorn's parser reads what has arrived, and what is sent has deadlines."""

import socket
from collections.abc import Callable
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from app.launch.arriving import Arriving
from app.queue.changes import Pause

# Seconds that a client may take for every SEND_STEP bytes of a response.
SEND_SECONDS, SEND_STEP = 30.0, 256 * 1024


class PatientSocket(socket.socket):
    """A connection to a client, which has a while for every part of what is sent to it, and not for ever."""

    def setblocking(self, flag: bool) -> None:
        self.settimeout(SEND_SECONDS if flag else 0.0)

    def sendall(self, data: Any, flags: int = 0) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SEND_STEP):
            super().sendall(view[start : start + SEND_STEP], flags)


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


class Connection(TConn):
    """A client's connection. network: its address, for counting; empty where it is not counted."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, network: str):
        super().__init__(cfg, PatientSocket(fileno=sock.detach()), client, server)
        self.network = network
        self.arriving: Arriving | None = None
        self.environ: dict[str, Any] = {}
        self.whole = True
        self.admitted = 0
        self.discarded = 0
        # While a response pauses: why, and what goes on with it, or ends it.
        self.pause: Pause | None = None
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
