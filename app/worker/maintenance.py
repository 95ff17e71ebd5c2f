"""Periodic maintenance, by one process at a time: lost analyses, expired and removed runs, webhooks."""

import logging
import threading
import time
import uuid
from typing import cast

import redis
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ServiceUnavailable
from app.queue import constants
from app.queue.services import Services
from app.worker.recovery import Reconciler
from app.worker.webhooks import Courier

log = logging.getLogger(__name__)


class Maintenance(threading.Thread):
    """A thread of the supervisor. Of all supervisors, the one that holds the lock in Redis does the work."""

    def __init__(self, services: Services):
        super().__init__(name="maintenance", daemon=True)
        self._services, self._token = services, uuid.uuid4().hex
        self._reconciler = Reconciler(services.store, services.jobs)
        self._courier = Courier(services)
        self._ending, self._cleaned = threading.Event(), 0.0

    def run(self) -> None:
        while not self._ending.wait(constants.MAINTENANCE_INTERVAL):
            try:
                if self._holds_lock():
                    self.round()
            except (redis.RedisError, SQLAlchemyError, ServiceUnavailable, OSError) as error:
                log.warning("maintenance postponed: %s", error)

    def round(self) -> None:
        """One round of everything that is due."""
        self._reconciler.requeue_lost()
        self._courier.nudge()
        self._services.store.delete_removed()
        if time.monotonic() - self._cleaned >= self._services.settings.cleanup_interval or not self._cleaned:
            self._cleaned = time.monotonic()
            log.info("clean-up: %s", self._services.store.cleanup())

    def stop(self) -> None:
        """End the thread after the current round, and let another process take over."""
        self._ending.set()
        self.join(timeout=5)
        try:
            if self._holds_lock():
                self._services.jobs.redis.delete(constants.MAINTENANCE)
        except redis.RedisError as error:
            log.warning("lock left to expire: %s", error)

    def _holds_lock(self) -> bool:
        client = self._services.jobs.redis
        if client.set(constants.MAINTENANCE, self._token, nx=True, ex=constants.MAINTENANCE_TTL):
            return True
        if cast(bytes | None, client.get(constants.MAINTENANCE)) != self._token.encode():
            return False
        client.expire(constants.MAINTENANCE, constants.MAINTENANCE_TTL)
        return True
