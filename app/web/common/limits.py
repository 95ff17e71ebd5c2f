"""How often one caller may ask: counted in Redis per API key, visitor or address, told in the standard headers.

Where Redis is away each process counts for itself until it is back: the limit gets looser, the service goes on.
"""

import math
import time

from flask import Blueprint, Flask, Response, session
from flask_limiter import Limiter
from redis import RedisError

from app.config.settings import Settings
from app.web.common.keys import caller

# One count for all APIs together.
SCOPE = "api"


def init_app(app: Flask) -> None:
    """Make the application's limiter; `limit` puts blueprints under it."""
    services = app.extensions["services"]
    settings: Settings = services.settings
    shared = bool(settings.redis_url)
    limiter = Limiter(
        caller,
        storage_uri="redis://" if shared else "memory://",
        storage_options={"connection_pool": services.jobs.redis.connection_pool} if shared else {},
        strategy="sliding-window-counter",
        in_memory_fallback_enabled=shared,
        key_prefix="limits",
        enabled=bool(settings.rate_limit),
    )
    limiter.init_app(app)
    app.extensions["rate_limiter"] = limiter


def limit(app: Flask, blueprint: Blueprint, *, rate: str = "", crowd: str = "", scope: str = SCOPE) -> None:
    """Count the requests to a blueprint's views against a limit. Call it once the views are there.

    rate: a limit of its own, counted as `scope`; empty: the setting, one count for all APIs. Without that setting
    there are no limits at all. crowd: with it `rate` is each visitor's own, for those with a cookie, and this is the
    limit of all who share an address.
    """
    limiter: Limiter = app.extensions["rate_limiter"]
    common = app.extensions["services"].settings.rate_limit
    if not common:
        return
    limiter.shared_limit(rate or common, scope=scope, key_func=visitor if crowd else caller)(blueprint)
    if crowd:
        limiter.shared_limit(crowd, scope=f"{scope}-crowd")(blueprint)
    app.after_request_funcs.setdefault(blueprint.name, []).append(lambda response: _tell(limiter, response))


def visitor() -> str:
    """What requests from pages are counted by: the visitor known by the signed cookie, else the caller."""
    return f"visitor:{session['visitor']}" if "visitor" in session else caller()


def _tell(limiter: Limiter, response: Response) -> Response:
    """Add RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) and the X-RateLimit-* of old."""
    current = limiter.current_limit
    if current is None:
        return response
    try:
        amount, window, left = current.limit.amount, current.limit.get_expiry(), max(0, current.remaining)
        seconds = max(0, math.ceil(current.reset_at - time.time()))
    except RedisError:
        return response
    response.headers["RateLimit-Policy"] = f'"default";q={amount};w={window}'
    response.headers["RateLimit"] = f'"default";r={left};t={seconds}'
    response.headers["X-RateLimit-Limit"] = str(amount)
    response.headers["X-RateLimit-Remaining"] = str(left)
    response.headers["X-RateLimit-Reset"] = str(current.reset_at)
    if current.breached:
        response.headers["Retry-After"] = str(max(1, seconds))
    return response
