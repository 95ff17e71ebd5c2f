"""What is sent to clients that read slowly, or not at all."""

import socket
from collections.abc import Iterator

import pytest

from app.launch import outbox
from app.launch.outbox import Outbox

LONG = bytes(range(256)) * 64 * 1024  # More than a connection holds.


@pytest.fixture
def pair() -> Iterator[tuple[Outbox, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield Outbox(ours), theirs


def test_small_pieces_leave_together_and_only_when_they_are_pushed(pair: tuple[Outbox, socket.socket]) -> None:
    box, client = pair
    box.sendall(b"head, ")
    box.sendall(b"body")
    box.sendall(b"")
    assert box.size == 10
    assert box.push()
    assert (box.size, client.recv(100)) == (0, b"head, body")


def test_what_a_client_does_not_take_is_kept_and_follows_in_order(pair: tuple[Outbox, socket.socket]) -> None:
    box, client = pair
    for start in range(0, len(LONG), 100_000):
        box.sendall(LONG[start : start + 100_000])
    received = b""
    while not box.push():
        assert box.size + len(received) < len(LONG)
        received += client.recv(1_000_000)
    while len(received) < len(LONG):
        received += client.recv(1_000_000)
    assert received == LONG


def test_a_client_that_hangs_up_is_noticed(pair: tuple[Outbox, socket.socket]) -> None:
    box, client = pair
    box.sendall(LONG)
    assert not box.push()
    client.close()
    with pytest.raises(OSError, match=r"pipe|reset"):
        box.push()


def test_a_client_that_does_not_read_holds_a_thread_for_a_while_only(
    pair: tuple[Outbox, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SEND_SECONDS", 0.05)
    pair[0].sendall(LONG)
    with pytest.raises(TimeoutError):
        pair[0].push_all()
