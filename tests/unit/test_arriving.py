"""Requests that arrive bit by bit, by a clock of our own."""

from typing import Any

import pytest

from app.errors import Busy, UploadTooSlow
from app.intake.body import REFUSED, STEP
from app.launch.arriving import HEAD_SECONDS, IN_MEMORY, MAX_HEAD, Arriving, Limits

HEAD = b"POST /photos HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


class Sent:
    """A request, and the time that it sees."""

    def __init__(self, **options: Any):
        self.now = 0.0
        self.request = Arriving(Limits(4 * STEP, timeout=5), clock=lambda: self.now, **options)

    def send(self, data: bytes, seconds: float = 0.0) -> bool:
        self.now += seconds
        return self.request.feed(data)

    def body(self) -> bytes:
        self.request.body.seek(0)
        return self.request.body.read()


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_request_is_handled_once_it_is_whole(step: int) -> None:
    whole, sent = HEAD % 300 + b"x" * 300, Sent()
    pieces = [whole[i : i + step] for i in range(0, len(whole), step)]
    assert [sent.send(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert (bytes(sent.request.head), sent.body(), sent.request.whole) == (HEAD % 300, b"x" * 300, True)


def test_a_request_without_a_body_is_whole_with_its_head() -> None:
    sent = Sent()
    assert sent.send(b"GET /healthz?x=1 HTTP/1.1\r\n\r\nGET / HTTP")
    assert (sent.request.whole, sent.request.is_health_check) == (True, True)
    assert sent.body() == b"GET / HTTP"  # the next request


@pytest.mark.parametrize("path", [b"/health", b"/healthzz", b"/runs/healthz", b"/"])
def test_other_requests_are_no_health_checks(path: bytes) -> None:
    sent = Sent()
    assert sent.send(b"GET " + path + b" HTTP/1.1\r\n\r\n")
    assert not sent.request.is_health_check


@pytest.mark.parametrize(
    "head",
    [
        HEAD % (4 * STEP + 1),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ],
    ids=["too large", "chunks", "both", "two lengths"],
)
def test_a_body_that_nobody_will_read_is_not_waited_for(head: bytes) -> None:
    sent = Sent()
    assert sent.send(head)
    assert not sent.request.whole


def test_a_head_without_end_is_handed_on_to_be_refused() -> None:
    sent = Sent()
    assert not sent.send(b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD // 2))
    assert sent.send(b"x" * MAX_HEAD)


def test_the_deadline_is_for_the_head_and_then_for_every_part_of_the_body() -> None:
    sent = Sent()
    assert sent.request.deadline == HEAD_SECONDS
    sent.send(b"POST / HTTP/1.1\r\n", seconds=3)
    assert (sent.request.deadline, sent.request.begun) == (HEAD_SECONDS, False)
    sent.send(b"Content-Length: %d\r\n\r\n" % (2 * STEP), seconds=1)
    assert (sent.request.deadline, sent.request.begun) == (4 + 5, True)
    sent.send(b"x" * (STEP - 1), seconds=1)
    assert sent.request.deadline == 9
    sent.send(b"x", seconds=1)
    assert sent.request.deadline == 6 + 5


def test_the_application_is_told_that_a_body_was_too_slow() -> None:
    sent = Sent()
    sent.send(HEAD % 10 + b"x")
    sent.request.give_up()
    assert isinstance(sent.request.environ[REFUSED], UploadTooSlow)
    assert not sent.request.whole


def test_large_bodies_are_asked_for_and_small_ones_are_not() -> None:
    asked: list[int] = []

    def refuse(length: int) -> bool:
        asked.append(length)
        return False

    small, large = Sent(admit=refuse), Sent(admit=refuse)
    assert not small.send(HEAD % IN_MEMORY)
    assert large.send(HEAD % (IN_MEMORY + 1))
    assert asked == [IN_MEMORY + 1]
    assert isinstance(large.request.environ[REFUSED], Busy)


def test_a_client_that_waits_for_a_word_gets_it_only_if_its_body_is_wanted() -> None:
    for length, wanted in ((10, True), (4 * STEP + 1, False)):
        sent = Sent()
        sent.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length)
        assert sent.request.wants_word is wanted
