"""How many requests a second the API answers to 64 clients at once while the worker is saturated, and how fast.

Run as `python -m bench.load`. Clients, web process, worker and Redis share one machine.
"""

import contextlib
import http.client
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from app.launch.redis_server import free_port, server_binary
from tests.e2e import stack
from tests.e2e.light import SLOW_SIDE
from tests.unit.photos import jpeg

CLIENTS = 64
SECONDS = 8.0
# No limits but the machine's.
SETTINGS = {"RATE_LIMIT": "", "QUEUE_MAX": "1000000", "LOG_LEVEL": "ERROR"}

Request = Callable[[http.client.HTTPConnection], int]


def measure(clients: int = CLIENTS, seconds: float = SECONDS) -> dict[str, dict[str, float]]:
    """Requests a second, median and 99th percentile in milliseconds, and refused requests, of POST and GET."""
    with contextlib.ExitStack() as held:
        folder, redis_url = held.enter_context(tempfile.TemporaryDirectory()), held.enter_context(redis_server())
        with stack.serving(Path(folder), redis_url, stack.LIGHT, **SETTINGS) as site:
            host = site.removeprefix("http://")
            made: list[str] = []
            numbers = count()

            def post(connection: http.client.HTTPConnection) -> int:
                connection.request("POST", "/api/v1/runs", _photo(next(numbers)), {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 202:
                    made.append(json.loads(body)["id"])
                return answer.status

            def get(connection: http.client.HTTPConnection) -> int:
                connection.request("GET", f"/api/v1/runs/{made[next(numbers) % len(made)]}")
                answer = connection.getresponse()
                answer.read()
                return answer.status

            return {"post": _load(host, post, clients, seconds), "get": _load(host, get, clients, seconds)}


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own; its address."""
    port = free_port()
    command = [server_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            next(line for line in server.stdout if "eady to accept connections" in line)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


_BASE = jpeg(SLOW_SIDE, 250)


def _photo(number: int) -> bytes:
    """A photo that no request sent before: one file with a comment of its own."""
    comment = str(number).encode()
    return _BASE[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + _BASE[2:]


def _load(host: str, request: Request, clients: int, seconds: float) -> dict[str, float]:
    times: list[float] = []
    refused = count()
    end = time.perf_counter() + seconds

    def work() -> None:
        connection = http.client.HTTPConnection(host, timeout=60)
        while (begin := time.perf_counter()) < end:
            if request(connection) >= 400:
                next(refused)
            times.append(time.perf_counter() - begin)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    ranks = statistics.quantiles(times, n=100)
    return {
        "clients": clients,
        "requests_per_second": round(len(times) / elapsed, 1),
        "p50_ms": round(1000 * ranks[49], 1),
        "p99_ms": round(1000 * ranks[98], 1),
        "refused": next(refused),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
