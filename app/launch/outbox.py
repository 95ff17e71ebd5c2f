"""What is sent to a client: as much as it takes at once, and the rest as it reads."""

import select
import socket
from collections import deque
from typing import Any

# Seconds that a client may take for every SEND_STEP bytes of a response.
SEND_SECONDS, SEND_STEP = 30.0, 256 * 1024
_PIECES = 64  # that are sent together


class Outbox:
    """The bytes of a response that are still to be sent. gunicorn takes it for the connection.

    size: how many there are.
    """

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._pieces: deque[memoryview] = deque()
        self.size = 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Keep something to be sent."""
        if data:
            self._pieces.append(memoryview(data).cast("B"))
            self.size += len(data)

    def send(self, data: Any) -> int:
        """The same."""
        self.sendall(data)
        return len(data)

    def push(self) -> bool:
        """Send what the client takes now; whether that was all. Raises OSError where it has hung up."""
        while self._pieces:
            try:
                sent = self._connection.sendmsg([self._pieces[i] for i in range(min(_PIECES, len(self._pieces)))])
            except BlockingIOError:
                return False
            self._drop(sent)
        return True

    def push_all(self) -> None:
        """Send it all, and wait for the client. Raises OSError where it has hung up, or does not read."""
        poller = select.poll()
        poller.register(self._connection, select.POLLOUT)
        while not self.push():
            if not poller.poll(1000 * SEND_SECONDS):
                raise TimeoutError

    def clear(self) -> None:
        """Forget the rest."""
        self._pieces.clear()
        self.size = 0

    def _drop(self, count: int) -> None:
        self.size -= count
        while count:
            first = self._pieces.popleft()
            if count < len(first):
                self._pieces.appendleft(first[count:])
            count -= min(count, len(first))
