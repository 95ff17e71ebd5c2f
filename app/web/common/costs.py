"""What pictures and exports cost: one budget of megapixels for pages and APIs, by key, visitor and address.

Counted is what is decoded and what is made. A request that finds its caller's budget used up is refused; one that began
before is finished, and what it took beyond the budget is missing to later ones. Nothing is made for a caller who has
hung up.
"""

import math
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app, g, request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError

from app.errors import PublicError
from app.store.models import Photo
from app.vision.view import View
from app.web.common.counts import RedisCounts
from app.web.common.keys import caller, visitor_or_caller
from app.web.common.waiting import thread_slots

MEGA = 1_000_000
# A JPEG is decoded at most so many times larger, in pixels, than the picture that is made of it.
DECODED_LARGER = 4
# A visitor may use this share of what an address may, which others use too.
VISITORS_SHARE = 2
# Megapixels of one request. A batch of 200 photos of 40 megapixels takes 16,000.
MAX_AT_ONCE = 20_000
TOO_MANY_EXPORTS = "Too many exports are being made at the moment. Try again in a moment."


class BudgetUsedUp(PublicError):
    status, code = 429, "too-many-pictures"
    message = "Too many pictures and exports were asked for from here. Please wait a little before the next one."


class CallerGone(PublicError):
    """Nobody reads the answer to this."""

    code, message = "caller-gone", "The caller has hung up."


class Costs:
    """Megapixels by caller, counted in Redis where there is one. rates: as in RENDER_LIMIT."""

    def __init__(self, limiter: FixedWindowRateLimiter, rates: str):
        self._limiter = limiter
        self._limits: list[RateLimitItem] = parse_many(rates) if rates else []

    def check(self) -> None:
        """Raises BudgetUsedUp."""
        for limit, who in self._counts():
            if not self._limiter.test(limit, who):
                left = self._limiter.get_window_stats(limit, who).reset_time - time.time()
                raise BudgetUsedUp(headers={"Retry-After": str(max(1, math.ceil(left)))})

    def spend(self, megapixels: int) -> None:
        """Count megapixels of the request's caller."""
        for limit, who in self._counts():
            self._limiter.hit(limit, who, cost=megapixels)

    def _counts(self) -> Iterator[tuple[RateLimitItem, str]]:
        whole, own = caller(), visitor_or_caller()
        for limit in self._limits:
            yield limit, whole
            if own != whole:
                yield type(limit)(max(1, limit.amount // VISITORS_SHARE), limit.multiples), own


def init_app(app: Flask) -> None:
    """Give the application its budgets."""
    services = app.extensions["services"]
    shared, pool = bool(services.settings.redis_url), services.jobs.redis.connection_pool
    storage = RedisCounts("redis://", connection_pool=pool, key_prefix="costs") if shared else MemoryStorage()
    app.extensions["costs"] = Costs(FixedWindowRateLimiter(storage), services.settings.render_limit)


def spend_on_picture(photo: Photo, view: View) -> None:
    """Count the picture that is about to be made of a photo. Raises BudgetUsedUp, CallerGone."""
    pixels = photo.width * photo.height
    made = min(pixels, view.max_size**2) if view.max_size else pixels
    decoded = min(pixels, DECODED_LARGER * made) if photo.format == "jpeg" else pixels
    _check_budget()
    spend(decoded + made)


def spend(pixels: int) -> None:
    """Count pixels that are about to be decoded or made, also beyond the caller's budget.

    Raises:
        BudgetUsedUp: the request took more than any may. CallerGone.
    """
    check_listening()
    megapixels = math.ceil(pixels / MEGA)
    g.megapixels = g.get("megapixels", 0) + megapixels
    if g.megapixels > MAX_AT_ONCE:
        raise BudgetUsedUp("This is more than can be made at once. Ask for fewer photos, or a higher threshold.")
    try:
        _costs().spend(megapixels)
    except RedisError as error:
        current_app.logger.warning("The cost of a picture cannot be counted: %s", error)


@contextmanager
def exporting() -> Iterator[None]:
    """Make an export in the context. Raises BudgetUsedUp; Busy while too many others are being made."""
    _check_budget()
    with thread_slots().exports.required(TOO_MANY_EXPORTS):
        yield


def check_listening() -> None:
    """Raises CallerGone if the request's caller has closed the connection."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is not None and has_hung_up(connection):
        raise CallerGone


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection, or its half of it. Reads nothing from it."""
    poller = select.poll()
    try:
        poller.register(connection, select.POLLIN)
        return bool(poller.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True


def _check_budget() -> None:
    """Raises BudgetUsedUp, once for a request. Without Redis nothing is counted, and pictures are still made."""
    if "megapixels" in g:
        return
    try:
        _costs().check()
    except RedisError as error:
        current_app.logger.warning("The cost of a picture cannot be counted: %s", error)


def _costs() -> Costs:
    costs: Costs = current_app.extensions["costs"]
    return costs
