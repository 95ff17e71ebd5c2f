"""Supervises everything: Redis, the worker, the web process."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from app.config.settings import ROOT, Settings
from app.launch import LaunchError
from app.launch.data_folder import lock_folder, use_for_uploads, writable_folder
from app.launch.processes import Supervised, adopt_orphans, end_orphans, reap_orphans
from app.launch.ready import introduction, readiness
from app.launch.redis_server import check_redis, embedded_redis
from app.queue.constants import TRAININGS
from app.queue.services import Services
from app.worker import training

log = logging.getLogger("launch")

TICK = 0.2  # seconds between two checks of the children
PROGRESS_INTERVAL = 60.0  # seconds between two messages while models are loading
MAX_FAILURES = 3  # failed starts in a row, before the service was ever ready, after which the launcher gives up
GRACE_WEB, GRACE_WORKER = 15.0, 5.0  # seconds to end in; JOB_TIMEOUT is added to the worker's
GRACE_TRAINER = 60.0  # to finish a step
# glibc gives threads heaps of their own, up to eight a core, and each keeps what was freed in it; and it keeps large
# pieces that were freed, unless it is told from which size on to give them back. Measured with 16 threads on two cores:
# 132 MB after 15,000 requests instead of 138 to 143 by the first, for the same CPU time; and by the second 139 MB
# instead of 145 to 155 after 20,000 with 500 drawn pictures and 1,000 photos, of which a drawn picture takes 19 ms of
# CPU time instead of 15 and all others no more.
WEB_ENVIRONMENT = {
    name: os.environ.get(name, value)
    for name, value in {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": str(128 * 1024)}.items()
}
WORKER = [str(ROOT / "worker.py"), "--ready-models"]
GUNICORN = ["-m", "gunicorn", "--config", "python:app.launch.gunicorn", "app:create_app()"]


class Launcher:
    """Starts the processes, keeps them alive, and ends them all on a signal."""

    def __init__(self, settings: Settings, worker: Sequence[str] = WORKER):
        self._settings, self._worker = settings, worker
        self._stop, self._hurry = threading.Event(), threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises LaunchError or StoreUnavailable if that is impossible."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        adopt_orphans()
        settings = self._settings
        # Opened first: nobody else can take the port, and no visitor is refused while the web process restarts.
        with listen(settings.host, settings.port) as listener:
            folder = writable_folder(settings)
            use_for_uploads(folder)
            processes = []
            environment = {"LISTENER_FD": str(listener.fileno())}
            if not settings.redis_url:
                lock = lock_folder(folder)
                server, environment["REDIS_URL"] = embedded_redis(folder / "redis")
                processes.append(server)
            else:
                check_redis(settings)
            Services.from_settings(settings).store.migrate()
            processes += self._worker_and_web(environment, listener.fileno())
            try:
                self._serve(processes)
            finally:
                self._end(processes)
                if not settings.redis_url:
                    lock.close()

    def _worker_and_web(self, environment: dict[str, str], listener: int) -> list[Supervised]:
        worker = Supervised(
            "The worker",
            [sys.executable, *self._worker],
            grace=self._settings.job_timeout + GRACE_WORKER,
            environment=environment,
            ending=signal.SIGKILL,  # Its current analysis is requeued; on SIGTERM it would finish that first.
        )
        web = Supervised(
            "The web process",
            [sys.executable, *GUNICORN],
            grace=GRACE_WEB,
            environment={**WEB_ENVIRONMENT, **environment},
            ending=signal.SIGQUIT,
            fds=[listener],
        )
        if training.missing():
            return [worker, web]
        trainer = Supervised(
            "The worker of the trainings",
            [sys.executable, WORKER[0], "--queue", TRAININGS],
            grace=GRACE_TRAINER,
            environment=environment,
        )
        return [worker, trainer, web]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _serve(self, processes: list[Supervised]) -> None:
        """Keep the processes alive until a signal; print a message when all are ready."""
        began = reported = time.monotonic()
        ready = False
        while not self._stop.is_set():
            for process in processes:
                process.watch()
                if process.failures >= MAX_FAILURES and not ready:
                    where = f"see {process.output}" if process.output else "its messages are above"
                    raise LaunchError(f"{process.name} cannot start; {where}.")
            reap_orphans([process.pid for process in processes if process.pid])
            if not ready:
                ready = self._announce_if_ready(time.monotonic() - began)
            if not ready and time.monotonic() - reported > PROGRESS_INTERVAL:
                reported = time.monotonic()
                log.info("Still loading the models, after %.0f s.", reported - began)
            self._stop.wait(TICK)

    def _announce_if_ready(self, seconds: float) -> bool:
        state = readiness(self._settings)
        if state is None or not state.get("ready"):
            return False
        for line in introduction(self._settings, state, seconds):
            print(line, flush=True)
        return True

    def _end(self, processes: list[Supervised]) -> None:
        """End the web process and the worker together, then Redis, then whatever is left."""
        self._stop.set()
        if any(process.pid and process.status is None for process in processes):
            print("Stopping after the current photo. Ctrl-C again stops at once.", flush=True)
        served = [process for process in reversed(processes) if process.name != "Redis"]
        for process in served:
            process.terminate()
        for process in served:
            process.stop(self._hurry.is_set)
        for process in processes:
            process.stop()
        end_orphans()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; on `::` for IPv4 too. Raises LaunchError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except PermissionError as error:
        raise LaunchError(f"You are not allowed to use port {port}; choose another: PORT=8080 make up.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LaunchError(f"Port {port} is taken; choose another: PORT={port + 1} make up.") from error
        reason = str(error.strerror).split(" (while")[0]
        raise LaunchError(f"Cannot listen on {host}:{port} ({reason}); try HOST=127.0.0.1 or HOST=0.0.0.0.") from error
