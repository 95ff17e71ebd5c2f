"""Rate limits of requests and photos, counted in Redis per API key, visitor or address.

While Redis is unavailable each process counts in its own memory, so the limit is looser and the service stays up.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Flask, Response, current_app, g
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter
from redis import RedisError

from app.config.settings import Settings
from app.errors import TooManyRequests
from app.web.common.counts import RedisCounts
from app.web.common.keys import caller, visitor_or_caller

# All APIs share one count, with the photos that pages send.
SCOPE = "api"
# Seconds for which Redis is not asked after it did not answer.
PAUSE = 5.0


@dataclass(frozen=True)
class Rate:
    """So many in a time for each caller. Equal scopes share one count."""

    limit: RateLimitItem
    scope: str
    caller: Callable[[], str]


@dataclass(frozen=True)
class Count:
    """What is left of a rate after something was counted, and until when. refused: it was too much."""

    rate: Rate
    left: int
    reset_at: float
    refused: bool


class Counter:
    """Counts what callers do, in Redis where there is one. rates: those of SCOPE, none where nothing is limited."""

    def __init__(self, rates: Sequence[Rate], shared: RateLimiter | None):
        self.rates = rates
        self._shared, self._own = shared, SlidingWindowCounterRateLimiter(MemoryStorage())
        self._paused_until = 0.0

    def count(self, rate: Rate, cost: int = 1) -> Count:
        """Count something of a caller, unless it is too much."""
        who = (rate.caller(), rate.scope)
        if self._shared is not None and time.monotonic() >= self._paused_until:
            try:
                return _count(self._shared, rate, who, cost)
            except RedisError as error:
                current_app.logger.warning("Requests are counted by each process for itself: %s", error)
                self._paused_until = time.monotonic() + PAUSE
        return _count(self._own, rate, who, cost)


def init_app(app: Flask) -> None:
    """Give the application its counter; `limit` applies it to blueprints."""
    services = app.extensions["services"]
    settings: Settings = services.settings
    shared = None
    if settings.redis_url:
        pool = services.jobs.redis.connection_pool
        shared = SlidingWindowCounterRateLimiter(RedisCounts("redis://", connection_pool=pool, key_prefix="limits"))
    app.extensions["counter"] = Counter(_rates(settings.rate_limit, SCOPE, caller), shared)


def limit(app: Flask, blueprint: Blueprint, *, rate: str = "", address_rate: str = "", scope: str = SCOPE) -> None:
    """Limit the requests to a blueprint, before everything else that it does. Call it when it is registered.

    Args:
        rate: a limit counted as `scope`; empty for RATE_LIMIT, which all APIs share. Where RATE_LIMIT is empty, nothing
            is limited.
        address_rate: makes `rate` the limit of each visitor with a cookie, and this the limit of all visitors who share
            an address.
    """
    rates = _counter(app).rates
    if not rates:
        return
    if rate:
        crowd = _rates(address_rate, f"{scope}-crowd", caller) if address_rate else []
        rates = [*_rates(rate, scope, visitor_or_caller if address_rate else caller), *crowd]
    app.before_request_funcs.setdefault(blueprint.name, []).insert(0, partial(_count_request, rates))
    app.after_request_funcs.setdefault(blueprint.name, []).append(_add_headers)


def count_photos(photos: int = 1) -> None:
    """Count photos that come besides a request that was counted, or by a page. Raises TooManyRequests."""
    if counted := _count_all(_counter(current_app).rates, photos):
        g.count = counted


def _counter(app: Flask) -> Counter:
    counter: Counter = app.extensions["counter"]
    return counter


def _rates(text: str, scope: str, caller: Callable[[], str]) -> list[Rate]:
    return [Rate(limit, scope, caller) for limit in parse_many(text)] if text else []


def _count_request(rates: Sequence[Rate]) -> None:
    g.count = _count_all(rates, 1)


def _count_all(rates: Sequence[Rate], cost: int) -> Count | None:
    """The count of which the least is left. Raises TooManyRequests."""
    counts: list[Count] = []
    for rate in rates:
        count = _counter(current_app).count(rate, cost)
        counts.append(count)
        if count.refused:
            g.count = count
            raise TooManyRequests(headers={"Retry-After": str(max(1, _seconds_left(count)))})
    return min(counts, key=lambda count: count.left, default=None)


def _count(limiter: RateLimiter, rate: Rate, who: Sequence[str], cost: int) -> Count:
    refused = not limiter.hit(rate.limit, *who, cost=cost)
    stats = limiter.get_window_stats(rate.limit, *who)
    return Count(rate, max(0, stats.remaining), stats.reset_time, refused)


def _seconds_left(count: Count) -> int:
    return max(0, math.ceil(count.reset_at - time.time()))


def _add_headers(response: Response) -> Response:
    """Add RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
    count: Count | None = g.get("count")
    if count is not None:
        limit = count.rate.limit
        response.headers["RateLimit-Policy"] = f'"default";q={limit.amount};w={limit.get_expiry()}'
        response.headers["RateLimit"] = f'"default";r={count.left};t={_seconds_left(count)}'
    return response
