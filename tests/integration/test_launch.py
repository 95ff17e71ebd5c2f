"""The launcher with everything that it starts: real Redis, worker and gunicorn; only the models are stand-ins."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from app.config.settings import ROOT
from app.launch.redis_server import _kind, free_port, server_binary
from app.queue.constants import TRAINER

READY = "Flask Detector is ready: "
PATIENCE = 60.0  # seconds for anything to come true before a test fails


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Settings of a service in this folder, which fetches no weights: its proxy does not exist."""
    kept = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")}
    return kept | {
        "DATA_DIR": str(folder / "data"),
        "CHECKPOINTS_DIR": str(folder / "checkpoints"),
        "PORT": str(free_port()),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@dataclass
class Launched:
    """A running launcher: its lines, its address."""

    process: subprocess.Popen[str]
    port: str
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Take in what it says, to its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if READY in line:
                self.ready.set()
        self.ready.set()

    def get(self, address: str = "/readyz", headers: dict[str, str] | None = None) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{address}"
        return httpx.get(url, headers=headers, timeout=PATIENCE, trust_env=False)


@contextlib.contextmanager
def launched(folder: Path, **more: str) -> Iterator[Launched]:
    """The launcher, once it says that it is ready; killed at the end if a test left it."""
    settings = environment(folder, **more)
    command = [sys.executable, "-m", "app.launch", "--analyzers", "tests.e2e.light:offer"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=settings, **pipes)  # type: ignore[call-overload]
    service = Launched(process, settings["PORT"])
    follower = threading.Thread(target=service.follow, daemon=True)
    follower.start()
    try:
        assert service.ready.wait(PATIENCE)
        assert process.poll() is None, "\n".join(service.lines)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)
        follower.join(PATIENCE)


def descendants(pid: int) -> dict[int, str]:
    """The living processes under one, with their command lines."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.name)] = int(parent)
                names[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
    found: dict[int, str] = {}
    todo = [pid]
    while todo:
        parent = todo.pop()
        for child in [child for child, its in parents.items() if its == parent]:
            found[child] = names[child]
            todo.append(child)
    return found


def wait_until_gone(pids: dict[int, str]) -> None:
    """Wait for the end of processes that are not our children."""
    deadline = time.monotonic() + PATIENCE
    for pid, name in pids.items():
        with contextlib.suppress(ProcessLookupError):
            end = os.pidfd_open(pid)
            assert select.select([end], [], [], deadline - time.monotonic())[0], f"{name} is still there"
            os.close(end)


def running(service: Launched, part: str) -> list[int]:
    """The service's processes whose command line holds a text, the oldest first."""
    return sorted(pid for pid, name in descendants(service.process.pid).items() if part in name)


def test_it_serves_says_so_and_term_leaves_no_process_behind(tmp_path: Path) -> None:
    with launched(tmp_path, LOG_FORMAT="json") as service:
        assert any(f"http://127.0.0.1:{service.port}" in line for line in service.lines)
        assert service.get("/api/v1/models").status_code == 200
        assert service.get().json()["ready"] is True
        assert check(tmp_path, "all", PORT=service.port).returncode == 0
        assert service.get("/healthz", {"Cookie": f"others={'x' * 9000}"}).status_code == 200
        refused = service.get("/healthz", {"Cookie": "x" * 40_000})
        assert (refused.status_code, "Delete this site" in refused.text) == (431, True)
        assert "This address is too long." in service.get(f"/{'x' * 9000}").text
        web = Path(f"/proc/{running(service, 'gunicorn')[0]}/environ").read_bytes()
        assert b"MALLOC_ARENA_MAX=2" in web.split(b"\0")
        below = descendants(service.process.pid)
        assert len(below) >= 5  # Redis, gunicorn and its worker, the worker and its child
        service.process.terminate()
        assert service.process.wait(PATIENCE) == 0
        wait_until_gone(below)
    assert check(tmp_path, "all", PORT=service.port).returncode == 1
    assert list((tmp_path / "data" / "redis").glob("*/appendonlydir"))
    logged = [json.loads(line) for line in service.lines if line.startswith("{")]
    assert {"gunicorn.error", "access", "app.worker.supervisor", "app.worker.child"} <= {e["logger"] for e in logged}
    assert not [line for line in service.lines if re.match(r"\S+ \S+ (DEBUG|INFO|WARNING|ERROR) |\[", line)]


def test_each_part_that_is_killed_comes_back_and_no_visitor_is_refused(tmp_path: Path) -> None:
    with launched(tmp_path) as service:
        for part in ("gunicorn", "worker.py", "-server"):
            killed = running(service, part)[0]
            os.kill(killed, signal.SIGKILL)
            wait_until_gone({killed: part})
            assert service.get("/healthz").status_code == 200
            deadline = time.monotonic() + PATIENCE
            while not (service.get().json()["ready"] and running(service, part)):
                assert time.monotonic() < deadline, "\n".join(service.lines)
                time.sleep(0.1)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE) == 0


def test_nothing_outlives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    with launched(tmp_path) as service:
        below = descendants(service.process.pid)
        service.process.kill()
        wait_until_gone(below)


def run(folder: Path, *arguments: str, module: str = "app.launch", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder, **more), capture_output=True, text=True, timeout=60
    )


def check(folder: Path, part: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(folder, part, module="app.launch.check", **more)


def test_what_stands_in_the_way_is_one_line_and_an_exit_status(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run(tmp_path, PORT=str(taken.getsockname()[1]))
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "is taken; choose another" in refused.stderr
    refused = run(tmp_path, THREADS="many")
    assert refused.stderr == "Flask Detector: THREADS must be a whole number, not 'many'.\n"
    assert refused.returncode == 1
    refused = run(tmp_path, "worker")
    assert (
        refused.stderr
        == "Flask Detector: The worker alone needs a Redis that it shares with the other part; set REDIS_URL.\n"
    )
    refused = run(tmp_path, REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "The Redis at REDIS_URL does not respond" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_redis_that_cannot_read_its_file_is_given_up_with_the_place_of_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "redis"
    broken = folder / _kind(server_binary()) / "appendonlydir"
    broken.mkdir(parents=True)
    (broken / "appendonly.aof.manifest").write_text("no manifest\n")
    refused = run(tmp_path, "--analyzers", "tests.e2e.light:offer")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == f"Flask Detector: Redis cannot start; see {folder / 'redis.log'}."
    assert "AOF" in (folder / "redis.log").read_text()


def test_the_web_process_alone_migrates_and_serves_on_a_redis_of_others(tmp_path: Path, clean_redis_url: str) -> None:
    settings = environment(tmp_path, REDIS_URL=clean_redis_url, HOST="::")
    command = [sys.executable, "-m", "app.launch", "web"]
    with subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Booting worker" in line:
                break
        address = f"http://127.0.0.1:{settings['PORT']}"
        state = httpx.get(f"{address}/readyz", timeout=PATIENCE, trust_env=False)
        assert state.status_code == 503
        assert state.json()["database"] is True
        over_ipv6 = httpx.get(f"http://[::1]:{settings['PORT']}/healthz", timeout=PATIENCE, trust_env=False)
        assert over_ipv6.status_code == 200
        assert check(tmp_path, "web", PORT=settings["PORT"]).returncode == 0
        for part in ("worker", "trainings"):
            assert check(tmp_path, part, REDIS_URL=clean_redis_url).returncode == 1
        with redis.Redis.from_url(clean_redis_url) as client:
            client.set(TRAINER, b"1")
        assert check(tmp_path, "trainings", REDIS_URL=clean_redis_url).returncode == 0
        process.terminate()
        process.stderr.read()
        assert process.wait(PATIENCE) == 0


def test_nothing_in_the_data_folder_can_be_read_by_others(tmp_path: Path) -> None:
    with launched(tmp_path) as service:
        photo = (ROOT / "test_images" / "coffee.jpg").read_bytes()
        sent = httpx.post(
            f"http://127.0.0.1:{service.port}/api/v1/runs?wait=30", content=photo, timeout=PATIENCE, trust_env=False
        )
        assert sent.json()["state"] == "done"
        written = [path for path in (tmp_path / "data").rglob("*") if not path.is_socket()]
        assert any(path.parent.name == "tmp" or path.suffix == ".db" for path in written)
        assert [path for path in written if path.stat().st_mode & 0o077] == []
