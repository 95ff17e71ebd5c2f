"""RQ's worker, adapted to run one task in this process and to survive an outage of Redis with its models loaded."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty

from app.queue.jobs import Jobs, request_id_of
from app.system.logs import request_context

log = logging.getLogger(__name__)

REDIS_RETRY = 1.0  # seconds
REDIS_AWAY = (redis.ConnectionError, redis.TimeoutError)

Task = Callable[[str], None]


class NoDeathPenalty(BaseDeathPenalty):
    """The supervisor enforces the time limit, because an alarm cannot interrupt native code."""

    def setup_death_penalty(self) -> None:
        pass

    def cancel_death_penalty(self) -> None:
        pass


class AnalysisJob(Job):
    """A job whose function is given by the worker that runs it.

    Nothing is looked up by a name that the job holds: whoever writes to Redis could name any function.
    """

    task: Task
    success_callback = failure_callback = stopped_callback = None

    @property
    def func(self) -> Task:
        return self.task


class DetectorWorker(SimpleWorker):
    """RQ's worker without a fork for each job, which reconnects quickly after an outage of Redis.

    task: run for every job; on_stop: called when a signal asks this process to end after the current job.
    """

    job_class = AnalysisJob
    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0

    def __init__(self, jobs: Jobs, queue: Queue, task: Task, on_stop: Callable[[], None]):
        super().__init__([queue], connection=jobs.blocking, serializer=JSONSerializer, worker_ttl=60)
        self._task, self._on_stop = task, on_stop

    def perform_job(self, job: Job, queue: Queue) -> bool:
        assert isinstance(job, AnalysisJob)
        job.task = self._task
        return bool(super().perform_job(job, queue))

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job. If Redis becomes unavailable, RQ's bookkeeping fails and this worker must be replaced."""
        with request_context(request_id_of(job)):
            try:
                super().execute_job(job, queue)
            except REDIS_AWAY as error:
                log.warning("Redis went away during analysis %s: %s", job.id, error)
                raise StopRequested from error

    def subscribe(self) -> None:
        """Accept no commands through Redis: the supervisor ends this process."""

    def handle_warm_shutdown_request(self) -> None:
        log.info("this process ends after the current analysis")
        self._on_stop()

    def set_shutdown_requested_date(self) -> None:
        """Record nothing in Redis, because an error in a signal handler would be raised inside the analysis."""

    def register_death(self) -> None:
        base: Any = super()
        with suppress(redis.RedisError):
            base.register_death()


class QueueConsumer:
    """Runs a task for every job, through outages of Redis. RQ's loop ends at some of them, and is then restarted."""

    def __init__(self, jobs: Jobs, task: Task, queue: Queue | None = None):
        self._jobs, self._task, self._queue = jobs, task, jobs.queue if queue is None else queue
        self._stopping = False
        self._last_error = ""  # of Redis

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, and finish the current job."""
        while not self._stopping:
            with suppress(StopRequested, *REDIS_AWAY):
                if self._redis_answers():
                    DetectorWorker(self._jobs, self._queue, self._task, self._stop).work(logging_level=None)
                if not self._stopping:
                    time.sleep(REDIS_RETRY)

    @property
    def stopping(self) -> bool:
        """Whether a signal has asked this process to end after the current job."""
        return self._stopping

    def _stop(self) -> None:
        self._stopping = True

    def _redis_answers(self) -> bool:
        """Whether Redis responds. RQ waits for it too, but not at its start."""
        try:
            return bool(self._jobs.redis.ping())
        except redis.RedisError as error:
            if str(error) != self._last_error:
                log.warning("waiting for Redis: %s", error)
            self._last_error = str(error)
            return False
