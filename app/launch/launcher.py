"""The supervisor of everything: Redis, the worker, the web process."""

import errno
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from app.config.settings import ROOT, Settings
from app.launch import LaunchError
from app.launch.data_folder import only_one, writable_folder
from app.launch.processes import Supervised, adopt_orphans, bury_orphans, end_orphans
from app.launch.ready import introduction, readiness
from app.launch.redis_server import check_redis, embedded_redis
from app.queue.services import Services

log = logging.getLogger("launch")

TICK = 0.2  # seconds from one look at the children to the next
PATIENCE = 60.0  # seconds of loading models before something is said about it, and from then to the next time
HOPELESS = 3  # deaths in a row, before the service was ever ready, after which the start is given up
GRACE_WEB, GRACE_WORKER = 15.0, 5.0  # to end in; the worker's is added to JOB_TIMEOUT
WORKER = [str(ROOT / "worker.py"), "--ready-models"]
GUNICORN = ["-m", "gunicorn", "--config", "python:app.launch.gunicorn", "app:create_app()"]


class Launcher:
    """Starts the processes, keeps them alive, and ends them all when told."""

    def __init__(self, settings: Settings, worker: Sequence[str] = WORKER):
        self._settings, self._worker = settings, worker
        self._stop, self._hurry = threading.Event(), threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises LaunchError or StoreUnavailable where that cannot be."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        adopt_orphans()
        settings = self._settings
        # Listened on from the start: nobody else takes the port, and a web process that starts again loses no visitor.
        with listen(settings.host, settings.port) as listener:
            folder = writable_folder(settings)
            processes = []
            environment = {"LISTENER_FD": str(listener.fileno())}
            if not settings.redis_url:
                lock = only_one(folder)
                server, environment["REDIS_URL"] = embedded_redis(folder / "redis")
                processes.append(server)
            else:
                check_redis(settings)
            Services.from_settings(settings).store.migrate()
            processes += self._ours(environment, listener.fileno())
            try:
                self._serve(processes)
            finally:
                self._end(processes)
                if not settings.redis_url:
                    lock.close()

    def _ours(self, environment: dict[str, str], listener: int) -> list[Supervised]:
        """The worker and the web process."""
        worker = Supervised(
            "The worker",
            [sys.executable, *self._worker],
            grace=self._settings.job_timeout + GRACE_WORKER,
            environment=environment,
            ending=signal.SIGKILL,  # What it has in hand is done again; SIGTERM would first finish it.
        )
        web = Supervised(
            "The web process",
            [sys.executable, *GUNICORN],
            grace=GRACE_WEB,
            environment=environment,
            ending=signal.SIGQUIT,
            fds=[listener],
        )
        return [worker, web]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _serve(self, processes: list[Supervised]) -> None:
        """Keep the processes alive until told to stop; say when all of it is ready."""
        began = said = time.monotonic()
        ready = False
        while not self._stop.is_set():
            for process in processes:
                process.watch()
                if process.failures >= HOPELESS and not ready:
                    words = f"see {process.output}" if process.output else "what it said is above"
                    raise LaunchError(f"{process.name} cannot start; {words}.")
            bury_orphans([process.pid for process in processes if process.pid])
            if not ready:
                ready = self._say_when_ready(time.monotonic() - began)
            if not ready and time.monotonic() - said > PATIENCE:
                said = time.monotonic()
                log.info("Still loading the models, for %.0f s now.", said - began)
            self._stop.wait(TICK)

    def _say_when_ready(self, seconds: float) -> bool:
        state = readiness(self._settings)
        if state is None or not state.get("ready"):
            return False
        for line in introduction(self._settings, state, seconds):
            print(line, flush=True)
        return True

    def _end(self, processes: list[Supervised]) -> None:
        """End the web process and the worker at once, and when both are gone Redis; then whatever is left."""
        self._stop.set()
        if any(process.pid and process.status is None for process in processes):
            print("Stopping; a photo in hand is finished first. Ctrl-C again stops at once.", flush=True)
        ours = [process for process in reversed(processes) if process.name != "Redis"]
        for process in ours:
            process.tell()
        for process in ours:
            process.stop(self._hurry.is_set)
        for process in processes:
            process.stop()
        end_orphans()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address. Raises LaunchError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except PermissionError as error:
        raise LaunchError(f"Port {port} needs more rights than you have; choose another: PORT=8080 make up.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LaunchError(f"Port {port} is taken; choose another: PORT={port + 1} make up.") from error
        reason = str(error.strerror).split(" (while")[0]
        raise LaunchError(f"Cannot listen on {host}:{port} ({reason}); try HOST=127.0.0.1 or HOST=0.0.0.0.") from error
