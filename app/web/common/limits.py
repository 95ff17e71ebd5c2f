"""Rate limits, counted in Redis per API key, visitor or address.

While Redis is unavailable each process counts in its own memory, so the limit is looser and the service stays up.
"""

import math
import time

from flask import Blueprint, Flask, Response
from flask_limiter import Limiter
from redis import RedisError

from app.config.settings import Settings
from app.web.common.keys import caller, visitor_or_caller

# All APIs share one count.
SCOPE = "api"


def init_app(app: Flask) -> None:
    """Create the application's limiter; `limit` applies it to blueprints."""
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


def limit(app: Flask, blueprint: Blueprint, *, rate: str = "", address_rate: str = "", scope: str = SCOPE) -> None:
    """Limit the requests to a blueprint. Call it after the blueprint's views are defined.

    Args:
        rate: a limit counted as `scope`; empty for RATE_LIMIT, which all APIs share. Where RATE_LIMIT is empty, nothing
            is limited.
        address_rate: makes `rate` the limit of each visitor with a cookie, and this the limit of all visitors who share
            an address.
    """
    limiter: Limiter = app.extensions["rate_limiter"]
    default = app.extensions["services"].settings.rate_limit
    if not default:
        return
    limiter.shared_limit(rate or default, scope=scope, key_func=visitor_or_caller if address_rate else caller)(
        blueprint
    )
    if address_rate:
        limiter.shared_limit(address_rate, scope=f"{scope}-crowd")(blueprint)
    app.after_request_funcs.setdefault(blueprint.name, []).append(lambda response: _add_headers(limiter, response))


def _add_headers(limiter: Limiter, response: Response) -> Response:
    """Add RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), and Retry-After to a refusal."""
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
    if current.breached:
        response.headers["Retry-After"] = str(max(1, seconds))
    return response
