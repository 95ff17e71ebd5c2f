"""The queue as the web process and the workers see it: ids, positions, estimates, and what the workers offer."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import cast

import redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config.settings import Settings
from app.errors import QueueFull
from app.queue import constants
from app.queue.changes import Changes
from app.queue.connection import connect
from app.queue.status import Progress, QueueStatus, WorkerStatus
from app.store.models import Run
from app.store.states import State
from app.system.logs import request_id
from app.vision.results import ModelCard


def request_id_of(job: Job) -> str:
    """The id of the request that queued a job; empty for one that an older release queued."""
    return str(job.meta.get("request_id", ""))


class Jobs:
    """Everything that goes through Redis: analysis ids, states and announcements, never photos or pickles.

    Every method raises redis.RedisError when Redis is unavailable; the web process then responds with 503.
    """

    def __init__(self, settings: Settings, client: redis.Redis, blocking: redis.Redis):
        self._settings, self.redis, self.blocking = settings, client, blocking
        self.changes = Changes(blocking)
        self.queue = Queue(constants.QUEUE, connection=client, serializer=JSONSerializer, default_timeout=-1)
        self.trainings = Queue(constants.TRAININGS, connection=client, serializer=JSONSerializer, default_timeout=-1)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Jobs":
        return cls(settings, connect(settings), connect(settings, blocking=True))

    # What workers offer

    def announce(self, cards: Iterable[ModelCard], missing: Mapping[str, str]) -> None:
        """Publish which analyses the workers serve, and the steps that add missing ones. Stays when the workers end."""
        offer = {**missing, **{card.analyzer: card.to_dict() for card in cards}}
        with self.redis.pipeline() as pipe:
            pipe.delete(constants.OFFER)
            for name, card_or_step in offer.items():
                pipe.hset(constants.OFFER, name, json.dumps(card_or_step))
            pipe.execute()

    def is_announced(self) -> bool:
        """Whether the announcement is still in Redis, which may have lost or evicted it."""
        return bool(self.redis.exists(constants.OFFER))

    def status(self) -> QueueStatus:
        """The queue and its workers now. Workers are read first: one announces its models before it is ready."""
        with self.redis.pipeline(transaction=False) as pipe:
            _ask_workers(pipe)
            pipe.hgetall(constants.OFFER)
            pipe.llen(self.queue.key)
            workers, offer, waiting = pipe.execute()
        return QueueStatus.of(self._alive(workers), offer, waiting)

    def cards(self) -> dict[str, ModelCard]:
        """The announced models by analyzer."""
        return self.status().cards

    def missing(self) -> dict[str, str]:
        """Analyzers that no worker serves, each with the step that adds it."""
        return self.status().missing

    # Heartbeats

    def heartbeat(self, worker: str, status: WorkerStatus) -> None:
        """Record that a worker is alive, and its state."""
        with self.redis.pipeline() as pipe:
            pipe.set(constants.ALIVE + worker, json.dumps(asdict(status)), ex=constants.HEARTBEAT_TTL)
            pipe.sadd(constants.WORKERS, worker)
            pipe.execute()

    def remove_worker(self, worker: str) -> None:
        """Record that a worker has ended."""
        with self.redis.pipeline() as pipe:
            pipe.delete(constants.ALIVE + worker)
            pipe.srem(constants.WORKERS, worker)
            pipe.execute()

    def live_workers(self) -> dict[str, WorkerStatus]:
        """Every worker that is alive, by name."""
        with self.redis.pipeline(transaction=False) as pipe:
            _ask_workers(pipe)
            [found] = pipe.execute()
        return self._alive(found)

    def _alive(self, workers: Iterable[tuple[bytes, bytes | None]]) -> dict[str, WorkerStatus]:
        """The states of those workers that are alive, of the answer to `_ask_workers`."""
        statuses = {name.decode(): status for name, status in workers}
        dead = [name for name, status in statuses.items() if status is None]
        if dead:  # one that was only slow returns with its next heartbeat
            self.redis.srem(constants.WORKERS, *dead)
        return {name: WorkerStatus(**json.loads(status)) for name, status in statuses.items() if status is not None}

    def workers(self) -> int:
        """Number of live workers whose models are loaded."""
        return sum(status.ready for status in self.live_workers().values())

    # The queue

    def enqueue(self, *analyses: str) -> None:
        """Put analyses at the end of the queue, with the current request's id. The supervisor limits their time."""
        with self.redis.pipeline() as pipe:
            for id in analyses:
                self.queue.enqueue_call(
                    constants.TASK,
                    args=(id,),
                    job_id=id,
                    description=constants.TASK,
                    meta={"request_id": request_id()},
                    timeout=-1,
                    result_ttl=0,
                    failure_ttl=3600,
                    pipeline=pipe,
                )
            pipe.execute()

    def enqueue_training(self, id: str) -> None:
        """Put a training at the end of its queue, unless it is there."""
        if id not in self.trainings.job_ids:
            self.trainings.enqueue_call(
                constants.TRAIN, args=(id,), job_id=id, timeout=-1, result_ttl=0, failure_ttl=60
            )

    def trainer_beat(self) -> None:
        """Record that a worker of the trainings is alive."""
        self.redis.set(constants.TRAINER, b"1", ex=constants.HEARTBEAT_TTL)

    def can_train(self) -> bool:
        """Whether a worker of the trainings is alive."""
        return bool(self.redis.exists(constants.TRAINER))

    def request_id(self, analysis_id: str) -> str:
        """The id of the request that queued an analysis; empty where it is not known any more."""
        try:
            job = Job.fetch(analysis_id, connection=self.redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return ""
        return request_id_of(job)

    def cancel(self, analysis_id: str) -> None:
        """Take an analysis out of the queue. One that is already running is not stopped."""
        self.queue.remove(analysis_id)
        self.redis.delete(Job.key_for(analysis_id))

    def waiting(self) -> list[str]:
        """Ids of the analyses in the queue, next first."""
        return list(self.queue.job_ids)

    def check_capacity(self, count: int = 1, waiting: int | None = None) -> None:
        """Raises QueueFull, with Retry-After, when the queue cannot take `count` more analyses.

        waiting: in the queue; asked for where it is not known.
        """
        waiting = self.queue.count if waiting is None else waiting
        if waiting and waiting + count > self._settings.queue_max:
            durations = self._durations()
            seconds_each = (_mean(durations) if durations else 1.0) / max(1, self.workers())
            seconds = max(1, math.ceil(min(600, waiting * seconds_each / 2)))
            raise QueueFull(headers={"Retry-After": str(seconds)})

    def progress(self, run: Run) -> Progress:
        """How far a run is that has not finished."""
        pending = [analysis for analysis in run.analyses if analysis.state in (State.QUEUED, State.RUNNING)]
        with self.redis.pipeline(transaction=False) as pipe:
            for analysis in pending:
                pipe.lpos(self.queue.key, analysis.id)
            pipe.hgetall(constants.SECONDS)
            _ask_workers(pipe)
            *indices, stored, found = pipe.execute()
        queued = [analysis.state == State.QUEUED for analysis in pending]
        position = max(
            (i + 1 for i, waits in zip(indices, queued, strict=True) if waits and i is not None), default=None
        )
        workers = self._alive(found)
        durations = _seconds(stored)
        if not durations or not pending:
            return Progress(position, None, workers)
        mean = _mean(durations)
        own = max(durations.get(analysis.analyzer, mean) for analysis in pending)
        ahead = max((position or 1) - 1, 0)
        ready = sum(worker.ready for worker in workers.values())
        return Progress(position, round(own + ahead * mean / max(1, ready), 2), workers)

    # Durations

    def record_duration(self, analyzer: str, seconds: float) -> None:
        """Add a measured duration to the analyzer's moving average."""
        known = self.duration(analyzer)
        average = seconds if known is None else known + constants.WEIGHT * (seconds - known)
        self.redis.hset(constants.SECONDS, analyzer, f"{average:.4f}")

    def duration(self, analyzer: str) -> float | None:
        """Seconds that an analysis takes, as a moving average; None before the first measurement."""
        return self._durations().get(analyzer)

    def _durations(self) -> dict[str, float]:
        return _seconds(cast(dict[bytes, bytes], self.redis.hgetall(constants.SECONDS)))

    # Changes

    def publish(self, run_ids: Iterable[str]) -> None:
        """Wake all who wait for one of these runs."""
        with self.redis.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.publish(constants.CHANGES + run_id, "")
            pipe.execute()

    def wait(self, run_id: str, timeout: float, until: Callable[[], bool]) -> None:
        """Return once `until()` is true, which is asked at every change of the run, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self.changes.watch(run_id) as watch:
            while not until() and (left := deadline - time.monotonic()) > 0:
                watch.wait(left)
                watch.clear()


def _ask_workers(pipe: Pipeline) -> None:
    """Ask for the names in WORKERS, each with what is at ALIVE for it: None for one that is not alive any more."""
    pipe.sort(constants.WORKERS, by="nosort", get=["#", f"{constants.ALIVE}*"], groups=True)


def _seconds(stored: Mapping[bytes, bytes]) -> dict[str, float]:
    return {name.decode(): float(value) for name, value in stored.items()}


def _mean(durations: Mapping[str, float]) -> float:
    """The mean over all analyzers."""
    return sum(durations.values()) / len(durations)
