"""Connections to Redis."""

import ssl
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config.settings import Settings

DEFAULT_URL = "redis://127.0.0.1:6379/0"
# Seconds. A request must fail fast when Redis is unavailable; redis-py's default tries for a minute.
TIMEOUT = 3.0


def connect(settings: Settings, *, blocking: bool = False) -> redis.Redis:
    """A client of REDIS_URL. Connections are opened on first use.

    Args:
        blocking: whether reads never time out, as a worker that waits for a job and a subscriber need.
    """
    url = settings.redis_url or DEFAULT_URL
    options: dict[str, Any] = {
        "socket_connect_timeout": TIMEOUT,
        "socket_timeout": None if blocking else TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": 15,
        # One retry with a new connection: the pooled one may predate a restart of Redis.
        "retry": Retry(NoBackoff(), 1),
    }
    if url.startswith("rediss://") and not settings.redis_tls_verify:
        options |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return redis.Redis.from_url(url, **options)
