"""Whoever sends wrong keys has to wait, longer the more there were."""

import math
import time

from flask import Flask, current_app, request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError

from app.errors import PublicError
from app.system.addresses import network_of
from app.web.common.counts import RedisCounts

# Wrong keys from one network: a mistyped one is forgiven, and guessing soon takes days.
MAX_WRONG = "10/minute;30/hour;60/day"


class TooManyGuesses(PublicError):
    status, code = 429, "too-many-wrong-keys"
    message = "Too many wrong keys were sent from this address. Try again later."


class Guesses:
    """Wrong keys by network, counted in Redis where there is one."""

    def __init__(self, limiter: FixedWindowRateLimiter):
        self._limiter = limiter
        self._limits: list[RateLimitItem] = parse_many(MAX_WRONG)

    def check(self) -> None:
        """Raises TooManyGuesses where too many wrong keys came from the request's network."""
        network = network_of(request.remote_addr)
        for limit in self._limits:
            if not self._limiter.test(limit, network):
                left = self._limiter.get_window_stats(limit, network).reset_time - time.time()
                raise TooManyGuesses(headers={"Retry-After": str(max(1, math.ceil(left)))})

    def count(self) -> None:
        """Count a wrong key."""
        for limit in self._limits:
            self._limiter.hit(limit, network_of(request.remote_addr))


def init_app(app: Flask) -> None:
    """Give the application its count."""
    services = app.extensions["services"]
    pool = services.jobs.redis.connection_pool
    shared = bool(services.settings.redis_url)
    storage = RedisCounts("redis://", connection_pool=pool, key_prefix="wrong-keys") if shared else MemoryStorage()
    app.extensions["guesses"] = Guesses(FixedWindowRateLimiter(storage))


def check_guesses() -> None:
    """Raises TooManyGuesses. Without Redis nothing is counted, and a right key still works."""
    try:
        current_app.extensions["guesses"].check()
    except RedisError as error:
        current_app.logger.warning("Wrong keys cannot be counted: %s", error)


def count_guess() -> None:
    """Count a wrong key of the request, where that is possible."""
    try:
        current_app.extensions["guesses"].count()
    except RedisError as error:
        current_app.logger.warning("Wrong keys cannot be counted: %s", error)
