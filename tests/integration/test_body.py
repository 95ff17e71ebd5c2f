"""The checks on bodies over a real gunicorn with threads, with raw sockets and with curl."""

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.store import Store
from tests.conftest import ROOT

APPLICATION = """
from flask import Flask, jsonify, request
from app.errors import PublicError
from app.config.settings import Settings
from app.web.common.bodies import check_bodies

app = Flask(__name__)
check_bodies(app, Settings.from_env())

@app.errorhandler(PublicError)
def answer(error):
    return jsonify(code=error.code), error.status

@app.post("/raw")
def raw():
    return jsonify(size=len(request.get_data()))

@app.post("/form")
def form():
    return jsonify(size=len(request.files["file"].read()))

@app.post("/unread")
def unread():
    return jsonify(code="forbidden"), 403

@app.get("/ping")
def ping():
    return "pong"
"""

MB = 1024 * 1024
LIMITS = {"MAX_UPLOAD_MB": "1", "MAX_BATCH_MB": "1", "UPLOAD_TIMEOUT": "1"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A gunicorn that serves APPLICATION."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "served.py").write_text(textwrap.dedent(APPLICATION))
    with served("served:app", "--pythonpath", str(folder), **LIMITS) as port:
        yield port


@pytest.fixture(scope="module")
def real_port(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[int]:
    """A gunicorn that serves the whole application with small limits."""
    folder = tmp_path_factory.mktemp("data")
    settings = {
        "DATA_DIR": str(folder),
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a key for the tests",
        "ALLOWED_HOSTS": "x",
    }
    Store.from_settings(Settings.from_env(settings)).migrate()
    with served("app:create_app()", **settings, **LIMITS) as port:
        yield port


@contextmanager
def served(application: str, *options: str, **environment: str) -> Iterator[int]:
    """The port of a gunicorn with 4 threads, listening from the start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--threads", "4"]
        command += ["--worker-class", "app.launch.threads.Worker", "--no-control-socket", *options, application]
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        )
        yield int(listener.getsockname()[1])
        server.terminate()
        server.wait()


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def read_answer(connection: socket.socket) -> tuple[int, dict]:
    """Status and JSON of one HTTP answer; the connection stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    top, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in top.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += _some(connection)
    return int(top.split()[1]), json.loads(body)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection was closed before the whole answer"
    return data


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ask(port: int, request: bytes) -> tuple[int, dict]:
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def test_a_whole_body_is_read_and_the_connection_lives_on(port: int) -> None:
    with connect(port) as connection:
        for size in (0, 5, MB):
            connection.sendall(head("/raw", f"Content-Length: {size}") + b"x" * size)
            assert read_answer(connection) == (200, {"size": size})


def test_chunked_bodies_are_411(port: int) -> None:
    chunks = b"5\r\nhello\r\n0\r\n\r\n"
    for path, kind in (("/raw", "image/png"), ("/form", "multipart/form-data; boundary=x")):
        request = head(path, "Transfer-Encoding: chunked", f"Content-Type: {kind}") + chunks
        assert ask(port, request) == (411, {"code": "length-required"})


def test_endless_chunks_are_answered_at_once(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/raw", "Transfer-Encoding: chunked"))
        stop = threading.Event()
        sender = threading.Thread(target=_send_until, args=(connection, b"1000\r\n" + b"x" * 4096 + b"\r\n", stop))
        sender.start()
        assert read_answer(connection)[0] == 411
        stop.set()
        sender.join()


def _send_until(connection: socket.socket, data: bytes, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            connection.sendall(data)
        except OSError:
            return


def test_the_answer_413_comes_before_the_body_and_survives_it(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/raw", f"Content-Length: {64 * MB}", "Content-Type: image/jpeg"))
        status = read_answer(connection)
        for _ in range(64):
            connection.sendall(b"x" * MB)  # A browser that only listens when it has sent everything is not reset.
        assert status == (413, {"code": "upload-too-large"})


def test_a_sender_that_listens_only_at_the_end_still_sees_413(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/raw", f"Content-Length: {20 * MB}") + b"x" * 20 * MB)
        assert read_answer(connection)[0] == 413


def test_an_answer_that_ignores_the_body_survives_it_too(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/unread", f"Content-Length: {MB}") + b"x" * MB)
        assert read_answer(connection)[0] == 403


@pytest.mark.parametrize("path", ["/raw", "/form"])
def test_a_body_cut_short_is_400(port: int, path: str) -> None:
    with connect(port) as connection:
        connection.sendall(
            head(path, "Content-Length: 1000", "Content-Type: multipart/form-data; boundary=x") + b"--x\r\n"
        )
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection) == (400, {"code": "upload-cut-short"})


def test_a_body_that_stalls_is_408(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/raw", "Content-Length: 1000") + b"x" * 999)
        assert read_answer(connection) == (408, {"code": "upload-too-slow"})


def test_a_body_that_trickles_is_408(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/form", "Content-Length: 100000", "Content-Type: multipart/form-data; boundary=x"))
        stop = threading.Event()
        sender = threading.Thread(target=_trickle, args=(connection, stop))
        sender.start()
        assert read_answer(connection) == (408, {"code": "upload-too-slow"})
        stop.set()
        sender.join()


def _trickle(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        try:
            connection.send(b"x")
        except OSError:
            return


def test_a_slow_body_that_makes_progress_is_taken(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/raw", f"Content-Length: {MB}"))
        for _ in range(4):
            time.sleep(0.35)  # Together longer than the timeout of a second, which each part meets.
            connection.sendall(b"x" * (MB // 4))
        assert read_answer(connection) == (200, {"size": MB})


def test_slow_uploads_do_not_outnumber_the_threads_for_long(port: int) -> None:
    stalled = [connect(port) for _ in range(4)]
    for connection in stalled:
        connection.sendall(head("/raw", "Content-Length: 1000"))
    with connect(port) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in connection.recv(100)
    for connection in stalled:
        assert read_answer(connection)[0] == 408
        connection.close()


@pytest.mark.parametrize(
    "sent", [b"GET /ping HTTP/1.1\r\nHost: x\r\nX-", b"GET /ping HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_requests_never_ended_hold_no_thread_for_long(port: int, sent: bytes) -> None:
    stalled = [connect(port) for _ in range(4)]
    for connection in stalled:
        connection.sendall(sent)
    with connect(port) as connection:
        connection.settimeout(60)
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in connection.recv(100)
    for connection in stalled:
        connection.settimeout(60)
        while connection.recv(4096):
            pass
        connection.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sees_413_for_a_large_file(port: int, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(30 * MB)
    for options in (["--data-binary", f"@{large}"], ["--form", f"file=@{large}"]):
        command = ["curl", "-sS", "-w", "%{http_code}", *options, f"http://127.0.0.1:{port}/form"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("413")


DOORS = {
    "/": "multipart/form-data; boundary=x",
    "/api/v1/runs": "multipart/form-data; boundary=x",
    "/classify": "image/jpeg",
    "/image": "application/json",
    "/do_data_science": "multipart/form-data; boundary=x",
}


@pytest.mark.parametrize("path", DOORS)
def test_every_door_of_the_application_answers_a_bad_body_itself(real_port: int, path: str) -> None:
    usual = ("Accept: application/json", f"Content-Type: {DOORS[path]}")
    assert ask(real_port, head(path, *usual, "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n")[0] == 411
    assert ask(real_port, head(path, *usual, f"Content-Length: {8 * MB}") + b"x" * 8 * MB)[0] == 413
    with connect(real_port) as connection:
        connection.sendall(head(path, *usual, "Content-Length: 1000") + b"--x\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection)[0] == 400
