"""`python -m app.launch` serves everything; `python -m app.launch web` or `worker` one part of it."""

import argparse
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import httpx

from app.launch.processes import Supervised
from app.launch.redis_server import NoRedis, embedded_redis
from app.services import Services
from app.settings import ROOT, Settings, SettingsError
from app.store.errors import StoreUnavailable

log = logging.getLogger("launch")

TICK = 0.2
# Seconds that loading the models may take before something is said about it.
PATIENCE = 60.0
PARTS = ("all", "web", "worker")


class LaunchError(RuntimeError):
    """Nothing can be served; the message is one line that says what to do."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.launch", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=PARTS, help="what to serve (default: all)")
    part = parser.parse_args().part
    try:
        settings = Settings.from_env()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        Launcher(settings, part).run()
    except (SettingsError, LaunchError, NoRedis, StoreUnavailable) as error:
        sys.exit(f"flask-detector: {error}")


class Launcher:
    """Starts the processes of one part, keeps them alive, and ends them all when told."""

    def __init__(self, settings: Settings, part: str):
        self._settings, self._part = settings, part
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises LaunchError, NoRedis or StoreUnavailable before anything runs."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        web = self._part in ("all", "web")
        if web:
            check_port(self._settings.host, self._settings.port)
        processes = self._processes()
        Services.from_settings(self._settings).store.migrate()
        try:
            for process in processes:
                process.start()
            waiting, began = web, time.monotonic()
            while not self._stop.wait(TICK):
                for process in processes:
                    process.watch()
                if waiting:
                    waiting = not self._say_when_ready(time.monotonic() - began)
        finally:
            # The web process first, so that nothing comes in that nobody would work on.
            for process in reversed(processes):
                process.stop()

    def _processes(self) -> list[Supervised]:
        settings, environment = self._settings, {}
        processes = []
        if self._part == "all" and not settings.redis_url:
            server, url = embedded_redis(settings.data_path / "redis")
            processes.append(server)
            environment["REDIS_URL"] = url
        if self._part in ("all", "worker"):
            command = [sys.executable, str(ROOT / "worker.py")]
            processes.append(Supervised("the worker", command, environment, grace=settings.job_timeout + 10))
        if self._part in ("all", "web"):
            command = [sys.executable, "-m", "gunicorn", "--config", "python:app.launch.gunicorn", "app:create_app()"]
            processes.append(Supervised("the web process", command, environment, grace=20))
        return processes

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _say_when_ready(self, seconds: float) -> bool:
        """Print the address once the service answers; whether it was printed."""
        state = readiness(self._settings)
        served = state is not None and (state["ready"] or self._part == "web")
        if state is None or not served:
            if seconds > PATIENCE and int(seconds) % 30 == 0:
                log.info("still waiting for the models to load")
                time.sleep(1)
            return False
        for line in introduction(self._settings, state, seconds):
            print(line, flush=True)
        return True


def readiness(settings: Settings) -> dict[str, Any] | None:
    """What /readyz says; None while the web process does not answer."""
    try:
        answer = httpx.get(f"http://{reachable(settings.host)}:{settings.port}/readyz", timeout=5, trust_env=False)
        return dict(answer.json())
    except (httpx.HTTPError, ValueError):
        return None


def introduction(settings: Settings, state: dict[str, Any], seconds: float) -> Sequence[str]:
    """What is printed once the service is ready: the address, what it can do, and what would make it better."""
    lines = [
        "",
        f"  Flask Detector is ready at http://{reachable(settings.host)}:{settings.port} ({seconds:.0f} s)",
        "",
    ]
    for name, analysis in state["analyses"].items():
        lines.append(f"  {name}: {analysis['title']}")
        if analysis["note"]:
            lines.append(f"    {analysis['note']}")
    lines += [f"  {name}: not available. {step}" for name, step in state["missing"].items()]
    return [*lines, "", "  Ctrl-C ends it.", ""]


def reachable(host: str) -> str:
    """The host part of an address that works on this machine."""
    return "127.0.0.1" if host in ("0.0.0.0", "") else host


def check_port(host: str, port: int) -> None:
    """Raises LaunchError when the address is taken or may not be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise LaunchError(f"Port {port} needs more rights; choose another with PORT=8080 make up.") from error
        except OSError as error:
            raise LaunchError(f"Port {port} is taken; choose another with PORT={port + 1} make up.") from error


if __name__ == "__main__":
    main()
