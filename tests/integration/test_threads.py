"""Waiting costs no thread: one address cannot keep a gunicorn of four threads from answering others."""

import contextlib
import socket
import textwrap
from collections.abc import Iterator

import pytest

from tests.integration.test_body import LIMITS, head, read_answer, served

APPLICATION = """
import threading
from flask import Flask, Response, jsonify
from app.queue.changes import Pause, Watch

app = Flask(__name__)
released = threading.Event()

@app.get("/ping")
def ping():
    return jsonify(pong=True)

@app.get("/hold")
def hold():
    return jsonify(released=released.wait(30))

@app.get("/release")
@app.get("/healthz")
def release():
    released.set()
    return jsonify(status="ok")

watches = []
ended = threading.Semaphore(0)

@app.get("/follow")
def follow():
    def pieces():
        watch = Watch(None, "a run")
        watches.append(watch)
        try:
            yield "first,"
            yield Pause(watch, 30)
            yield "last"
        finally:
            ended.release()
    return Response(pieces())

@app.get("/long")
def long():
    def pieces():
        try:
            for number in range(64):
                yield bytes([number]) * 250_000
        finally:
            ended.release()
    return Response(pieces(), headers={"Content-Length": str(64 * 250_000)})

@app.get("/change")
def change():
    for watch in watches:
        watch.notify()
    return jsonify(told=len(watches))

@app.get("/ended")
def wait_for_end():
    return jsonify(ended=ended.acquire(timeout=30))

@app.get("/again")
def again():
    released.clear()
    return jsonify(status="ok")
"""
LONG = b"".join(bytes([number]) * 250_000 for number in range(64))  # The answer of /long.
MOST = 100
ATTACKER, OTHER = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("threads")
    (folder / "held.py").write_text(textwrap.dedent(APPLICATION))
    limits = {**LIMITS, "UPLOAD_TIMEOUT": "30", "CONNECTIONS_PER_ADDRESS": str(MOST)}
    with served("held:app", "--pythonpath", str(folder), **limits) as port:
        yield port


def connect(port: int, address: str = ATTACKER) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def ask(port: int, path: str, address: str = OTHER) -> tuple[int, dict[str, object]]:
    with connect(port, address) as connection:
        connection.sendall(get(path))
        return read_answer(connection)


@contextlib.contextmanager
def holding(port: int, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """So many connections of the attacker, on which this was sent."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(port)) for _ in range(count)]
        for connection in connections:
            connection.sendall(sent)
        yield connections


def is_open(connection: socket.socket) -> bool:
    """Whether nothing was answered yet, and the connection is not closed."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /ping HTTP/1.1\r\nHost: x\r\nX-", head("/ping", "Content-Length: 1000") + b"x", get("/ping")[:-2]],
    ids=["silence", "half a head", "half a body", "no last line"],
)
def test_what_is_never_ended_holds_no_thread(port: int, sent: bytes) -> None:
    with holding(port, 12, sent) as stalled:
        assert ask(port, "/ping") == (200, {"pong": True})
        assert all(map(is_open, stalled))


def test_health_checks_are_answered_when_every_other_thread_is_held(port: int) -> None:
    ask(port, "/again")
    with holding(port, 6, get("/hold")) as held, contextlib.ExitStack() as stack:
        others = [stack.enter_context(connect(port, OTHER)) for _ in range(6)]
        for other in others:
            other.sendall(get("/hold"))
        assert ask(port, "/healthz", "127.0.0.3") == (200, {"status": "ok"})
        assert all(read_answer(connection) == (200, {"released": True}) for connection in (*held, *others))


def test_one_address_has_half_of_the_threads(port: int) -> None:
    ask(port, "/again")
    with holding(port, 12, get("/hold")) as held:
        assert ask(port, "/release") == (200, {"status": "ok"})
        assert all(read_answer(connection) == (200, {"released": True}) for connection in held)


def test_an_address_may_hold_a_number_of_connections(port: int) -> None:
    with holding(port, MOST, b"") as held:
        with connect(port) as refused:
            assert refused.recv(100).startswith(b"HTTP/1.1 503")
        assert ask(port, "/ping") == (200, {"pong": True})
        held[0].sendall(get("/ping"))
        assert read_answer(held[0]) == (200, {"pong": True})


def test_requests_sent_together_are_answered_in_turn(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(get("/ping") + get("/release") + get("/ping")[:-2])
        answers = b""
        while answers.count(b"}") < 2:
            answers += connection.recv(1000)
        assert answers.index(b"pong") < answers.index(b"status")
        connection.sendall(b"\r\n")
        assert read_answer(connection) == (200, {"pong": True})


def test_a_body_is_asked_for_also_where_its_head_came_with_the_request_before(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(get("/ping") + head("/missing", "Content-Length: 1", "Expect: 100-continue"))
        answers = b""
        while b"HTTP/1.1 100 Continue\r\n\r\n" not in answers:
            answers += connection.recv(1000)
        connection.sendall(b"x")
        while b"HTTP/1.1 404" not in answers:
            answers += connection.recv(1000)


def test_a_response_that_pauses_holds_no_thread(port: int) -> None:
    with holding(port, 12, get("/follow")) as following:
        received = [b""] * len(following)
        for place, connection in enumerate(following):
            while b"first," not in received[place]:
                received[place] += connection.recv(1000)
        assert ask(port, "/ping", ATTACKER) == (200, {"pong": True})
        assert ask(port, "/change") == (200, {"told": 12})
        for place, connection in enumerate(following):
            while not received[place].endswith(b"0\r\n\r\n"):
                received[place] += connection.recv(1000)
            assert received[place].endswith(b"4\r\nlast\r\n0\r\n\r\n")
            connection.sendall(get("/ping"))
            assert read_answer(connection) == (200, {"pong": True})
    for _ in following:
        assert ask(port, "/ended") == (200, {"ended": True})


def test_a_paused_response_ends_when_its_client_hangs_up(port: int) -> None:
    with holding(port, 1, get("/follow")) as following:
        while b"first," not in following[0].recv(1000):
            pass
    assert ask(port, "/ended") == (200, {"ended": True})


def test_a_response_that_is_read_slowly_holds_no_thread(port: int) -> None:
    with holding(port, 12, get("/long")) as slow:
        assert ask(port, "/ping", ATTACKER) == (200, {"pong": True})
        for connection in slow[:2]:
            received = bytearray()
            while not received.endswith(LONG):
                received += connection.recv(1_000_000)
            connection.sendall(get("/ping"))
            assert read_answer(connection) == (200, {"pong": True})
            assert len(received.partition(b"\r\n\r\n")[2]) == len(LONG)
    for _ in slow:  # Those that hung up too.
        assert ask(port, "/ended") == (200, {"ended": True})
