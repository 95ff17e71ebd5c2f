"""The process that holds the models and works the queue, one analysis at a time.

It runs native code that may hang, crash or eat all memory, so it keeps no watch of its own: it tells its supervisor
through a pipe what it does, and the supervisor ends it and starts another when it must.
"""

import json
import logging
import os
import signal
import time
from importlib import import_module

import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty

from app.config.settings import Settings
from app.queue.services import Services
from app.system.process import die_first, die_with_parent
from app.vision.analyses.offer import Offer
from app.worker.tasks import Context, prepare

log = logging.getLogger(__name__)

LOADER = "app.vision.analyses.offer:offer"
REDIS_RETRY = 1.0  # seconds


class NoDeathPenalty(BaseDeathPenalty):
    """The supervisor keeps the time limit: an alarm cannot interrupt native code."""

    def setup_death_penalty(self) -> None:
        pass

    def cancel_death_penalty(self) -> None:
        pass


class DetectorWorker(SimpleWorker):
    """RQ's worker without a fork for each job, and quick to come back after Redis was away."""

    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0


def main(status_fd: int, loader: str) -> None:
    """Load the models, say so, and work until told to stop (SIGTERM finishes the analysis in hand)."""
    die_with_parent(signal.SIGKILL)
    die_first()
    settings = Settings.from_env()
    services = Services.from_settings(settings)
    status = os.fdopen(status_fd, "w", buffering=1)

    def tell(job: str | None, **more: object) -> None:
        status.write(json.dumps({"job": job, **more}) + "\n")

    offer = _load(loader, settings)
    prepare(Context(services, offer.analyzers, tell))
    cards = [analyzer.card.to_dict() for analyzer in offer.analyzers.values()]
    tell(None, ready=True, cards=cards, missing=offer.missing)
    _wait_for_redis(services)
    worker = DetectorWorker(
        [services.jobs.queue], connection=services.jobs.blocking, serializer=JSONSerializer, worker_ttl=60
    )
    worker.work(logging_level=settings.log_level)


def _wait_for_redis(services: Services) -> None:
    """RQ goes on after Redis was away, but ends where it finds none at first, and the models with it."""
    told = False
    while True:
        try:
            services.jobs.redis.ping()
            return
        except redis.RedisError as error:
            if not told:
                log.warning("waiting for Redis: %s", error)
            told = True
            time.sleep(REDIS_RETRY)


def _load(loader: str, settings: Settings) -> Offer:
    """Call `module:function` with the settings, and load every analyzer that it offers."""
    module, _, name = loader.partition(":")
    offer: Offer = getattr(import_module(module), name)(settings)
    offer.load(settings.device)
    for analyzer in offer.analyzers.values():
        log.info("%s is ready: %s", analyzer.card.analyzer, analyzer.card.title)
    return offer
