"""A child process of the supervisor, and its last reported state."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import IO, Protocol

from app.config.settings import ROOT
from app.system.machine import cpu_count
from app.worker.messages import AnalysisEnded, AnalysisStarted, Message, ModelsLoaded, from_line

log = logging.getLogger(__name__)

Clock = Callable[[], float]


class Process(Protocol):
    """The part of `subprocess.Popen` that is used; tests have their own."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class WorkerProcess:
    """A worker process.

    offer: its models, once they are loaded; announced: whether they were announced; analysis: the id of the current
    one; outdated: whether it ends as soon as a successor, with the models of now, is ready; ending: whether it was told
    to.
    """

    def __init__(self, process: Process, clock: Clock = time.monotonic):
        # The host comes first: a container's health check looks for workers of its own host.
        self.name = f"{socket.gethostname()}:{uuid.uuid4().hex}"
        self.process = process
        self.offer: ModelsLoaded | None = None
        self.announced = False
        self.analysis: str | None = None
        self.outdated = self.ending = False
        self._clock, self._started_at = clock, 0.0

    @property
    def ready(self) -> bool:
        """Whether its models are loaded."""
        return self.offer is not None

    def receive(self, message: Message) -> None:
        """Update the state by a message of the process."""
        match message:
            case ModelsLoaded():
                self.offer = message
            case AnalysisStarted(analysis_id):
                self._started_at = self._clock()
                self.analysis = analysis_id
            case AnalysisEnded():
                self.analysis = None

    def is_overdue(self, limit: float) -> bool:
        """Whether the current analysis has taken longer than `limit` seconds."""
        return self.analysis is not None and self._clock() - self._started_at > limit

    def read_messages(self, pipe: IO[str]) -> None:
        """Receive messages from a pipe until it is closed."""
        for line in pipe:
            self.receive(from_line(line))


def start_process(loader: str, workers: int, model: str = "") -> WorkerProcess:
    """Start one of several worker processes that share the CPUs, and a thread that reads its messages.

    model: what its setting MODEL is; empty for what it is here.
    """
    read, write = os.pipe()
    threads = max(1, cpu_count() // workers)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"MODEL": model} if model else {}
    command = [sys.executable, str(ROOT / "worker.py"), "--status-fd", str(write), "--analyzers", loader]
    process = subprocess.Popen(command, pass_fds=[write], env=environment, start_new_session=True)
    os.close(write)
    worker = WorkerProcess(process)
    threading.Thread(target=worker.read_messages, args=(os.fdopen(read),), daemon=True).start()
    log.info("worker process %d started", process.pid)
    return worker
