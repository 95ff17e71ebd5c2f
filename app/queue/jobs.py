"""The queue as the web process and the workers see it: ids, positions, estimates, and what the workers offer."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.errors import AnalysisUnavailable, QueueFull, UnknownAnalysis
from app.queue import constants
from app.queue.changes import Changes
from app.queue.connection import connect
from app.store.models import Run
from app.store.states import State
from app.system.logs import request_id
from app.vision.results import ModelCard


def request_id_of(job: Job) -> str:
    """The id of the request that queued a job; empty for one that an older release queued."""
    return str(job.meta.get("request_id", ""))


@dataclass(frozen=True)
class WorkerStatus:
    """The state of a worker. ready: its models are loaded; job: the id of its current analysis."""

    ready: bool
    job: str | None


@dataclass(frozen=True)
class Progress:
    """How far a run is that has not finished.

    position: in the queue, of its last queued analysis, 1 being next; None when none is queued.
    eta: seconds until it is done, estimated from measured durations; None before the first measurement.
    workers: every worker that is alive, by name.
    """

    position: int | None
    eta: float | None
    workers: dict[str, WorkerStatus]


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

    def offer(self) -> tuple[dict[str, ModelCard], dict[str, str]]:
        """The announced models by analyzer, and the step that adds each analyzer that no worker serves."""
        stored = cast(dict[bytes, bytes], self.redis.hgetall(constants.OFFER))
        announced = {name.decode(): json.loads(card_or_step) for name, card_or_step in stored.items()}
        cards = {name: ModelCard.from_dict(card) for name, card in announced.items() if isinstance(card, dict)}
        return cards, {name: step for name, step in announced.items() if isinstance(step, str)}

    def cards(self) -> dict[str, ModelCard]:
        """The announced models by analyzer."""
        return self.offer()[0]

    def missing(self) -> dict[str, str]:
        """Analyzers that no worker serves, each with the step that adds it."""
        return self.offer()[1]

    def identities(self, analyses: Sequence[str]) -> dict[str, str]:
        """The identity of the model that serves each analysis.

        Raises:
            UnknownAnalysis: an analysis does not exist, or none was named. AnalysisUnavailable: no worker offers one.
        """
        unknown = [name for name in analyses if name not in ANALYSES]
        if unknown or not analyses:
            raise UnknownAnalysis(f"An analysis is one of {', '.join(ANALYSES)}.")
        cards, missing = self.offer()
        for name in analyses:
            if name not in cards:
                raise AnalysisUnavailable(missing.get(name), headers={"Retry-After": "5"})
        return {name: cards[name].identity for name in analyses}

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
        return self._statuses(cast(set[bytes], self.redis.smembers(constants.WORKERS)))

    def _statuses(self, names: Iterable[bytes]) -> dict[str, WorkerStatus]:
        """The states of those named workers that are alive."""
        known = [name.decode() for name in names]
        keys = [constants.ALIVE + name for name in known]
        values = cast(list[bytes | None], self.redis.mget(keys)) if keys else []
        statuses = dict(zip(known, values, strict=True))
        dead = [name for name, status in statuses.items() if status is None]
        if dead:  # one that was only slow returns with its next heartbeat
            self.redis.srem(constants.WORKERS, *dead)
        return {name: WorkerStatus(**json.loads(status)) for name, status in statuses.items() if status is not None}

    def workers(self) -> int:
        """Number of live workers whose models are loaded."""
        return sum(status.ready for status in self.live_workers().values())

    # The queue

    def enqueue(self, analysis_id: str) -> None:
        """Put an analysis at the end of the queue, with the current request's id. The supervisor limits its time."""
        self.queue.enqueue_call(
            constants.TASK,
            args=(analysis_id,),
            job_id=analysis_id,
            meta={"request_id": request_id()},
            timeout=-1,
            result_ttl=0,
            failure_ttl=3600,
        )

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

    def check_capacity(self, count: int = 1) -> None:
        """Raises QueueFull, with Retry-After, when the queue cannot take `count` more analyses."""
        waiting = self.queue.count
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
            pipe.smembers(constants.WORKERS)
            *indices, stored, names = pipe.execute()
        queued = [analysis.state == State.QUEUED for analysis in pending]
        position = max(
            (i + 1 for i, waits in zip(indices, queued, strict=True) if waits and i is not None), default=None
        )
        workers = self._statuses(names)
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


def _seconds(stored: Mapping[bytes, bytes]) -> dict[str, float]:
    return {name.decode(): float(value) for name, value in stored.items()}


def _mean(durations: Mapping[str, float]) -> float:
    """The mean over all analyzers."""
    return sum(durations.values()) / len(durations)
