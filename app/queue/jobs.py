"""The queue as the web process and the workers see it: ids, places, estimates, announcements."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, cast

import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.errors import AnalysisUnavailable, QueueFull, UnknownAnalysis
from app.queue import names
from app.queue.connection import connect
from app.store.models import QUEUED, RUNNING, Run
from app.vision.results import ModelCard


class Jobs:
    """Everything that goes through Redis: analysis ids, states and announcements, never photos or pickles.

    Every method raises redis.RedisError when Redis is away; the web process answers that with 503.
    """

    def __init__(self, settings: Settings, client: redis.Redis, blocking: redis.Redis):
        self._settings, self.redis, self.blocking = settings, client, blocking
        self.queue = Queue(names.QUEUE, connection=client, serializer=JSONSerializer, default_timeout=-1)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Jobs":
        return cls(settings, connect(settings), connect(settings, blocking=True))

    # What workers offer

    def announce(self, cards: Iterable[ModelCard], missing: Mapping[str, str]) -> None:
        """Say which analyses the workers serve, and what would add the missing ones. Outlives the worker."""
        offer = {**missing, **{card.analyzer: card.to_dict() for card in cards}}
        with self.redis.pipeline() as pipe:
            pipe.delete(names.OFFER)
            for name, what in offer.items():
                pipe.hset(names.OFFER, name, json.dumps(what))
            pipe.execute()

    def announced(self) -> bool:
        """Whether what was announced is still there: Redis may have lost its data, or evicted this part."""
        return bool(self.redis.exists(names.OFFER))

    def cards(self) -> dict[str, ModelCard]:
        """What was announced last, by analyzer."""
        return {name: ModelCard.from_dict(what) for name, what in self._offer().items() if isinstance(what, dict)}

    def missing(self) -> dict[str, str]:
        """Analyses that no worker serves, each with the one step that adds it."""
        return {name: what for name, what in self._offer().items() if isinstance(what, str)}

    def _offer(self) -> dict[str, dict[str, Any] | str]:
        stored = cast(dict[bytes, bytes], self.redis.hgetall(names.OFFER))
        return {name.decode(): json.loads(what) for name, what in stored.items()}

    def identities(self, analyses: Sequence[str]) -> dict[str, str]:
        """The model identity that will answer each analysis.

        Raises:
            UnknownAnalysis: no such analysis, or none asked for. AnalysisUnavailable: no worker offers it.
        """
        unknown = [name for name in analyses if name not in ANALYSES]
        if unknown or not analyses:
            raise UnknownAnalysis(f"An analysis is one of {', '.join(ANALYSES)}.")
        cards = self.cards()
        for name in analyses:
            if name not in cards:
                raise AnalysisUnavailable(self.missing().get(name), headers={"Retry-After": "5"})
        return {name: cards[name].identity for name in analyses}

    # Signs of life

    def beat(self, worker: str, ready: bool, job: str | None) -> None:
        """Say that a worker lives, and which analysis it holds."""
        with self.redis.pipeline() as pipe:
            pipe.set(names.ALIVE + worker, json.dumps({"ready": ready, "job": job}), ex=names.HEARTBEAT_TTL)
            pipe.sadd(names.WORKERS, worker)
            pipe.execute()

    def forget(self, worker: str) -> None:
        """A worker is gone for good."""
        with self.redis.pipeline() as pipe:
            pipe.delete(names.ALIVE + worker)
            pipe.srem(names.WORKERS, worker)
            pipe.execute()

    def living(self) -> list[dict[str, Any]]:
        """{"ready", "job"} of every worker that lives."""
        known = [name.decode() for name in cast(set[bytes], self.redis.smembers(names.WORKERS))]
        values = cast(list[bytes | None], self.redis.mget([names.ALIVE + name for name in known])) if known else []
        dead = [name for name, value in zip(known, values, strict=True) if value is None]
        if dead:  # one that was only slow comes back with its next sign of life
            self.redis.srem(names.WORKERS, *dead)
        return [json.loads(value) for value in values if value is not None]

    def workers(self) -> int:
        """How many workers live and have their models loaded."""
        return sum(worker["ready"] for worker in self.living())

    # The queue

    def enqueue(self, analysis_id: str) -> None:
        """Put an analysis at the end of the queue. Its time limit is kept by the worker's supervisor."""
        self.queue.enqueue_call(
            names.TASK, args=(analysis_id,), job_id=analysis_id, timeout=-1, result_ttl=0, failure_ttl=3600
        )

    def cancel(self, analysis_id: str) -> None:
        """Take an analysis out of the queue; one that is running goes on."""
        self.queue.remove(analysis_id)
        self.redis.delete(Job.key_for(analysis_id))

    def waiting(self) -> list[str]:
        """Ids of the analyses in the queue, next first."""
        return list(self.queue.job_ids)

    def check_room(self, count: int = 1) -> None:
        """Raises QueueFull, with Retry-After, when the queue cannot take `count` more."""
        waiting = self.queue.count
        if waiting + count > self._settings.queue_max:
            seconds = max(1, math.ceil(min(600, waiting * self._pace() / 2)))
            raise QueueFull(headers={"Retry-After": str(seconds)})

    def position(self, run: Run) -> int | None:
        """Place in the queue of a run's last waiting analysis, 1 being next; None when none waits."""
        places = [self._place(analysis.id) for analysis in run.analyses if analysis.state == QUEUED]
        return max((place for place in places if place is not None), default=None)

    def eta(self, run: Run) -> float | None:
        """Seconds until a run is done, from measured service times; None while nothing was measured."""
        seconds = self._seconds()
        mean = sum(seconds.values()) / len(seconds) if seconds else None
        pending = [analysis for analysis in run.analyses if analysis.state in (QUEUED, RUNNING)]
        if mean is None or not pending:
            return None
        own = max(seconds.get(analysis.analyzer, mean) for analysis in pending)
        ahead = max((self.position(run) or 1) - 1, 0)
        return round(own + ahead * mean / max(1, self.workers()), 2)

    def _place(self, analysis_id: str) -> int | None:
        index = cast(int | None, self.redis.lpos(self.queue.key, analysis_id))
        return None if index is None else index + 1

    # Service times

    def measured(self, analyzer: str, seconds: float) -> None:
        """Take a service time into the moving average."""
        known = self.service_time(analyzer)
        average = seconds if known is None else known + names.WEIGHT * (seconds - known)
        self.redis.hset(names.SECONDS, analyzer, f"{average:.4f}")

    def service_time(self, analyzer: str) -> float | None:
        """Seconds that an analysis takes, as a moving average; None before the first."""
        value = cast(bytes | None, self.redis.hget(names.SECONDS, analyzer))
        return None if value is None else float(value)

    def _seconds(self) -> dict[str, float]:
        stored = cast(dict[bytes, bytes], self.redis.hgetall(names.SECONDS))
        return {name.decode(): float(value) for name, value in stored.items()}

    def _pace(self) -> float:
        """Seconds from one finished analysis to the next; a guess of one before the first."""
        seconds = self._seconds()
        mean = sum(seconds.values()) / len(seconds) if seconds else 1.0
        return mean / max(1, self.workers())

    # Changes

    def publish(self, run_ids: Iterable[str]) -> None:
        """Wake everybody who waits for one of these runs."""
        with self.redis.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.publish(names.CHANGES + run_id, "")
            pipe.execute()

    def wait(self, run_id: str, timeout: float, until: Callable[[], bool]) -> None:
        """Return once `until()` is true, looked at on every change of the run, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with closing(self.blocking.pubsub(ignore_subscribe_messages=False)) as changes:
            changes.subscribe(names.CHANGES + run_id)
            # The confirmation of the subscription is the first message: nothing is missed in between.
            while (left := deadline - time.monotonic()) > 0:
                if changes.get_message(timeout=left) is not None and until():
                    return
