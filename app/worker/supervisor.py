"""Keeps worker processes alive: starts them, watches their time, takes back what a dead one held.

Light on purpose: no model, no torch, nothing that could crash with them.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import redis
from sqlalchemy.exc import SQLAlchemyError

from app.config.settings import ROOT
from app.errors import ServiceUnavailable
from app.queue import names
from app.queue.services import Services
from app.system.machine import cpu_count
from app.vision.results import ModelCard
from app.worker.maintenance import Maintenance
from app.worker.recovery import give_up, take_back

log = logging.getLogger(__name__)

TICK = 0.25  # seconds from one look at the children to the next
MAX_BACKOFF = 30.0  # seconds before a child is started again that keeps dying while it loads
# Errors of the database and of Redis being away: tried again at the next tick.
AWAY = (redis.RedisError, SQLAlchemyError, ServiceUnavailable, OSError)


@dataclass
class Child:
    """A worker process, and what it said last."""

    process: subprocess.Popen[bytes]
    # The host first: a container asks whether a worker of its own lives.
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{uuid.uuid4().hex}")
    ready: bool = False
    job: str | None = None
    since: float = 0.0
    offer: dict[str, Any] | None = None  # what it can do, once it has said so
    announced: bool = False

    def listen(self, pipe: IO[str]) -> None:
        """Follow the child's lines until its end. Runs in a thread of its own."""
        for line in pipe:
            said = json.loads(line)
            self.since = time.monotonic()
            self.job = said["job"]
            if said.get("ready"):
                self.offer, self.ready = said, True


class Supervisor:
    """Runs `settings.workers` children until it is told to stop."""

    def __init__(self, services: Services, loader: str):
        self._services, self._loader = services, loader
        self._children: list[Child] = []
        self._lost: list[tuple[str, bool]] = []  # analyses to take back; whether their time was up
        self._stop = threading.Event()
        self._failures, self._start_at, self._beaten = 0, 0.0, 0.0
        self._away = ""  # why nothing could be reported at the last tick

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then every child finishes the analysis in hand."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        maintenance = Maintenance(self._services)
        maintenance.start()
        while not self._stop.is_set():
            self._tick()
            self._stop.wait(TICK)
        maintenance.stop()
        self._end_children()

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stop.is_set():
            for child in self._children:
                child.process.kill()
        self._stop.set()

    def _tick(self) -> None:
        for child in list(self._children):
            self._watch(child)
        while len(self._children) < self._services.settings.workers and time.monotonic() >= self._start_at:
            self._children.append(self._start())
        try:
            self._report()
            self._away = ""
        except AWAY as error:
            if str(error) != self._away:
                log.warning("not reported yet: %s", error)
            self._away = str(error)

    def _start(self) -> Child:
        read, write = os.pipe()
        threads = max(1, cpu_count() // self._services.settings.workers)
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(ROOT, "worker.py")), "--status-fd", str(write), "--analyzers", self._loader]
        process = subprocess.Popen(command, pass_fds=[write], env=environment, start_new_session=True)
        os.close(write)
        child = Child(process)
        threading.Thread(target=child.listen, args=(os.fdopen(read),), daemon=True).start()
        log.info("worker process %d started", process.pid)
        return child

    def _watch(self, child: Child) -> None:
        """End a child whose time is up; note the death of one and what it held."""
        limit = self._services.settings.job_timeout
        late = child.job is not None and time.monotonic() - child.since > limit
        if late and child.process.poll() is None:
            log.error("worker process %d ended: analysis %s is over its time", child.process.pid, child.job)
            child.process.kill()
            child.process.wait()
        if child.process.poll() is None:
            return
        log.warning("worker process %d ended with %s", child.process.pid, child.process.returncode)
        self._children.remove(child)
        if child.job is not None:
            self._lost.append((child.job, late))
        self._failures = 0 if child.ready else self._failures + 1
        self._start_at = time.monotonic() + (min(MAX_BACKOFF, 2.0**self._failures) if self._failures else 0)
        self._beaten = 0.0

    def _report(self) -> None:
        """Tell Redis and the database what happened; whatever could not be told stays for the next tick."""
        store, jobs = self._services.store, self._services.jobs
        while self._lost:
            analysis_id, late = self._lost[0]
            if late:
                give_up(store, jobs, analysis_id, self._services.settings.job_timeout)
            else:
                take_back(store, jobs, analysis_id)
            self._lost.pop(0)
        for child in self._children:
            if child.offer is not None and not child.announced:
                self._announce(child.offer)
                child.announced, self._beaten = True, 0.0
        if time.monotonic() - self._beaten >= names.HEARTBEAT:
            for child in self._children:
                jobs.beat(child.name, child.ready, child.job)
            offer = next((child.offer for child in self._children if child.offer is not None), None)
            if offer is not None and not jobs.announced():
                self._announce(offer)
            self._beaten = time.monotonic()

    def _announce(self, offer: dict[str, Any]) -> None:
        cards = [ModelCard.from_dict(card) for card in offer["cards"]]
        self._services.jobs.announce(cards, offer["missing"])
        log.info("announced: %s", ", ".join(card.analyzer for card in cards) or "nothing")

    def _end_children(self) -> None:
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + self._services.settings.job_timeout
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            try:
                self._services.jobs.forget(child.name)
                if child.job is not None and child.process.returncode < 0:
                    take_back(self._services.store, self._services.jobs, child.job)
            except AWAY as error:
                log.warning("left to the next start: %s", error)
