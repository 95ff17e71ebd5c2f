"""The one way to reach Redis."""

import ssl
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config.settings import Settings

DEFAULT_URL = "redis://127.0.0.1:6379/0"
# Seconds. A request must learn quickly that Redis is away; redis-py's own default tries for a minute.
TIMEOUT = 3.0


def connect(settings: Settings, *, blocking: bool = False) -> redis.Redis:
    """A client of REDIS_URL; opens no connection before it is used.

    Args:
        blocking: for blocking reads (a worker waiting for a job, a subscriber): reads never time out.
    """
    url = settings.redis_url or DEFAULT_URL
    options: dict[str, Any] = {
        "socket_connect_timeout": TIMEOUT,
        "socket_timeout": None if blocking else TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": 15,
        # One more try with a fresh connection: the pooled one may be from before a restart of Redis.
        "retry": Retry(NoBackoff(), 1),
    }
    if url.startswith("rediss://") and not settings.redis_tls_verify:
        options |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return redis.Redis.from_url(url, **options)
