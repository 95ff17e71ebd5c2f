"""What requests cost the web process: CPU milliseconds of one of each kind, and memory after 20,000 mixed ones.

A light worker takes the model's place.

Run as `python -m bench.requests`. CPU time is the process's own, so other programs on the machine hardly change it.
Beside the service, in the same run, a bare Flask view that reads one row, served by the same gunicorn.
"""

import contextlib
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle
from pathlib import Path

import numpy as np
from PIL import Image

from app.config.settings import ROOT
from app.launch.redis_server import free_port
from bench import bare
from bench.load import redis_server
from bench.service import descendants
from tests.e2e import stack

CLIENTS, GETS, POSTS = 64, 2560, 256
MIXED = 20_000
# Limited as in use, but never refused.
SETTINGS = {
    "RATE_LIMIT": "1000000/second",
    "RENDER_LIMIT": "1000000/second",
    "QUEUE_MAX": "1000000",
    "LOG_LEVEL": "ERROR",
}
TICKS = os.sysconf("SC_CLK_TCK")

Request = Callable[[http.client.HTTPConnection], None]


def measure() -> dict[str, float]:
    """CPU milliseconds of the web process for each kind of request, and its megabytes after mixed ones."""
    with contextlib.ExitStack() as held:
        folder, redis_url = Path(held.enter_context(tempfile.TemporaryDirectory())), held.enter_context(redis_server())
        with stack.serving(folder, redis_url, stack.LIGHT, **SETTINGS) as site:
            host = site.removeprefix("http://")
            numbers = count()
            run = _finished_run(host)
            kinds: dict[str, tuple[int, Request]] = {
                "status": (GETS, _get(f"/runs/{run}/status")),
                "run": (GETS, _get(f"/api/v1/runs/{run}")),
                "page": (GETS, _get(f"/runs/{run}")),
                "start": (GETS, _get("/")),
                "post": (POSTS, lambda connection: _post(connection, photo(next(numbers)))),
                "health": (GETS, _get("/healthz")),
            }
            report = {name: _cpu(host, requests, request) for name, (requests, request) in kinds.items()}
            _load(host, MIXED, _mixed(run, kinds["post"][1], numbers))
            report["resident_mb"] = max(map(_resident, _web_processes()))
        with _bare(folder / "data" / "detector.db") as host:
            report["bare"] = _cpu(host, GETS, _get(f"/rows/{run}"))
    return report


def _mixed(run: str, post: Request, numbers: Iterator[int]) -> Request:
    """Of twenty requests eleven ask for a run's state, three for its page, three for its overlay and two for a picture,
    of which every fourth has to be drawn; one sends a photo."""
    state, page, overlay = (_get(f"/runs/{run}{part}") for part in ("/status", "", "/overlay"))

    def picture(connection: http.client.HTTPConnection) -> None:
        number = next(numbers)
        threshold = 0.5 if number % 4 else number % 10_000 / 10_000
        _ask(connection, "GET", f"/runs/{run}/image?threshold={threshold:.4f}")

    turns = cycle([*[state] * 11, *[page] * 3, *[overlay] * 3, *[picture] * 2, post])
    return lambda connection: next(turns)(connection)


def photo(number: int) -> bytes:
    """A photo of 200 kB that no request sent before: one file with a comment of its own."""
    comment = str(number).encode()
    return _BASE[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + _BASE[2:]


def _base(width: int = 1024, height: int = 768) -> bytes:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (height // 6, width // 6, 3), np.uint8))
    file = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=80)
    return file.getvalue()


_BASE = _base()


def _finished_run(host: str) -> str:
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", "/api/v1/runs?wait=60", photo(-1), {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return str(json.loads(answer.read())["id"])


def _get(path: str) -> Request:
    return lambda connection: _ask(connection, "GET", path)


def _post(connection: http.client.HTTPConnection, data: bytes) -> None:
    _ask(connection, "POST", "/api/v1/runs", data, {"Content-Type": "image/jpeg"})


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status in (200, 202), content


def _cpu(host: str, requests: int, request: Request) -> float:
    """CPU milliseconds of the web process for a request, sent by several clients at once."""
    _load(host, 4 * CLIENTS, request)  # So that every thread has its connections.
    began = _seconds()
    _load(host, requests, request)
    return round(1000 * (_seconds() - began) / requests, 3)


def _load(host: str, requests: int, request: Request) -> None:
    def work() -> None:
        with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as connection:
            for _ in range(requests // CLIENTS):
                request(connection)

    with ThreadPoolExecutor(CLIENTS) as clients:
        for client in [clients.submit(work) for _ in range(CLIENTS)]:
            client.result()


def _seconds() -> float:
    """User and system time of the web process so far."""
    total = 0
    for pid in _web_processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _resident(pid: int) -> float:
    """Resident megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _web_processes() -> list[int]:
    found = descendants(os.getpid())
    return [pid for pid in found if "gunicorn" in Path(f"/proc/{pid}/cmdline").read_text()]


@contextlib.contextmanager
def _bare(database: Path) -> Iterator[str]:
    """The bare view, served as the service is; its host and port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:app.launch.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "bench.bare:make_app()"]
    environ = {**os.environ, bare.FILE: str(database), "LOG_LEVEL": "ERROR"}
    with subprocess.Popen(command, cwd=ROOT, env=environ) as server:
        try:
            _until_answering(port)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def _until_answering(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.1)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
