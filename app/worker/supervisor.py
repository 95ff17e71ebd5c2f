"""Supervises worker processes: starts them, enforces the time limit, requeues the analysis of one that died.

It loads neither models nor torch, so that it does not crash with them.
"""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import redis
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ServiceUnavailable
from app.queue import constants
from app.queue.services import Services
from app.queue.status import WorkerStatus
from app.worker.maintenance import Maintenance
from app.worker.messages import ModelsLoaded
from app.worker.models import Models
from app.worker.recovery import give_up, retry
from app.worker.versions import Versions
from app.worker.worker_process import Clock, WorkerProcess

log = logging.getLogger(__name__)

TICK = 0.25  # seconds between two checks of the processes
MAX_BACKOFF = 30.0  # seconds before a process that keeps dying while loading is restarted
# The database or Redis is unavailable: repeated at the next tick.
AWAY = (redis.RedisError, SQLAlchemyError, ServiceUnavailable, OSError)


class Supervisor:
    """Runs `settings.workers` processes until SIGTERM or SIGINT.

    Args:
        start_process: starts one more worker process.
        models: prepares their models; None if they need no preparation.
        clock: monotonic seconds.
        versions: says which version is the default; None where none can be.
    """

    def __init__(
        self,
        services: Services,
        start_process: Callable[[], WorkerProcess],
        models: Models | None = None,
        clock: Clock = time.monotonic,
        versions: Versions | None = None,
    ):
        self._services, self._start_process, self._clock = services, start_process, clock
        self._models, self._versions = models, versions
        self._fetching: str | None = None  # the better model that was announced
        self._processes: list[WorkerProcess] = []
        self._lost: list[tuple[str, bool]] = []  # analyses of ended processes; whether they were overdue
        self._stop = threading.Event()
        self._failures = 0  # processes in a row that ended before they were ready
        self._start_at = self._heartbeat_at = 0.0
        self._last_error = ""  # why nothing could be reported at the last tick

    def run(self) -> None:
        """Work until a signal, then let every process finish its current analysis."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        maintenance = Maintenance(self._services)
        maintenance.start()
        threads = [thread for thread in (self._models, self._versions) if thread]
        for thread in threads:
            thread.start()
        while not self._stop.is_set():
            self.tick()
            self._stop.wait(TICK)
        for thread in threads:
            thread.stop()
        maintenance.stop()
        self.end_processes()

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stop.is_set():
            for worker in self._processes:
                worker.process.kill()
        self._stop.set()

    def tick(self) -> None:
        """Check every process once, start those that are missing, and report."""
        if self._models and self._models.improved():
            for worker in self._processes:
                worker.process.terminate()  # After its current analysis; its successor loads the better model.
        if self._versions and self._versions.changed():
            for worker in self._processes:
                worker.outdated = True
        for worker in list(self._processes):
            self._check(worker)
        self._end_outdated()
        self._start_missing()
        try:
            self._report()
            self._last_error = ""
        except AWAY as error:
            if str(error) != self._last_error:
                log.warning("not reported yet: %s", error)
            self._last_error = str(error)

    def _start_missing(self) -> None:
        """Start processes where there are too few; beside outdated ones, which still work, one at a time."""
        ready = all(thread.ready for thread in (self._models, self._versions) if thread)
        if not ready or self._clock() < self._start_at:
            return
        current = [worker for worker in self._processes if not worker.outdated]
        missing = self._services.settings.workers - len(current)
        if len(current) < len(self._processes):
            missing = min(missing, 1 if all(worker.ready for worker in current) else 0)
        for _ in range(missing):
            self._processes.append(self._start_process())

    def _end_outdated(self) -> None:
        """Let an outdated process end, after its current analysis, for each that is ready to take its place."""
        ready = [worker for worker in self._processes if worker.ready and not worker.outdated]
        outdated = [worker for worker in self._processes if worker.outdated and not worker.ending]
        for worker in outdated[: max(0, len(ready) + len(outdated) - self._services.settings.workers)]:
            worker.process.terminate()  # Once: a second signal would end its analysis.
            worker.ending = True

    def _check(self, worker: WorkerProcess) -> None:
        """Kill a process whose analysis is overdue; remove one that has ended, and remember its analysis."""
        process = worker.process
        overdue = worker.is_overdue(self._services.settings.job_timeout)
        if overdue and process.poll() is None:
            log.error("worker process %d ended: analysis %s takes too long", process.pid, worker.analysis)
            process.kill()
            process.wait()
        status = process.poll()
        if status is None:
            return
        log.warning("worker process %d ended with %s", process.pid, status)
        self._processes.remove(worker)
        if worker.analysis is not None:
            self._lost.append((worker.analysis, overdue))
        self._failures = 0 if worker.ready else self._failures + 1
        self._start_at = self._clock() + (min(MAX_BACKOFF, 2.0**self._failures) if self._failures else 0)
        self._heartbeat_at = self._clock()

    def _report(self) -> None:
        """Report changes to Redis and the database. What fails is repeated at the next tick."""
        store, jobs = self._services.store, self._services.jobs
        while self._lost:
            analysis_id, overdue = self._lost[0]
            if overdue:
                give_up(store, jobs, analysis_id, self._services.settings.job_timeout)
            else:
                retry(store, jobs, analysis_id)
            self._lost.pop(0)
        fetching = self._models.fetching.name if self._models and self._models.fetching else None
        for worker in self._processes:
            if worker.offer is not None and not (worker.announced and self._fetching == fetching):
                self._announce(worker.offer)
                worker.announced = True
                self._heartbeat_at = self._clock()
        self._fetching = fetching
        if self._clock() >= self._heartbeat_at:
            self._heartbeat()

    def _heartbeat(self) -> None:
        """Repeat the announcement if Redis has lost it, then send the heartbeats: only an announced worker is ready."""
        jobs = self._services.jobs
        offer = next((worker.offer for worker in self._processes if worker.announced), None)
        if offer is not None and not jobs.is_announced():
            self._announce(offer)
        for worker in self._processes:
            jobs.heartbeat(worker.name, WorkerStatus(worker.announced, worker.analysis))
        self._heartbeat_at = self._clock() + constants.HEARTBEAT

    def _announce(self, offer: ModelsLoaded) -> None:
        cards = self._models.annotate(offer.cards) if self._models else offer.cards
        self._services.jobs.announce(cards, offer.missing)
        log.info("announced: %s", ", ".join(f"{card.analyzer} by {card.title}" for card in cards) or "nothing")

    def end_processes(self) -> None:
        """Let every process finish its current analysis, and kill those that take too long."""
        for worker in self._processes:
            worker.process.terminate()
        deadline = self._clock() + self._services.settings.job_timeout
        for worker in self._processes:
            try:
                status = worker.process.wait(max(0.1, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                status = worker.process.wait()
            try:
                self._services.jobs.remove_worker(worker.name)
                if worker.analysis is not None and status < 0:
                    retry(self._services.store, self._services.jobs, worker.analysis)
            except AWAY as error:
                log.warning("left to the next start: %s", error)
