"""The log of `/do_data_science`: its last requests, in Redis, kept no longer than runs are."""

import math
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Blueprint, Flask, Response, current_app, g, json, request
from redis import RedisError

from app.web.common.services import services
from app.web.common.waiting import Later

# A sorted set by time.
KEY = "classic:log"
MAX_ENTRIES = 1000


def log_requests(app: Flask, blueprint: Blueprint) -> None:
    """Log every request to a blueprint after its response."""
    app.after_request_funcs.setdefault(blueprint.name, []).append(_log)


def note_photo(md5: str) -> None:
    """Set the photo of the current request's entry."""
    g.classic_photo = md5


def entries() -> list[dict[str, Any]]:
    """The last requests, newest first: time, address, method, path, status, hash."""
    with services().jobs.redis.pipeline() as pipe:
        pipe.zremrangebyscore(KEY, "-inf", _oldest())
        pipe.zrevrange(KEY, 0, MAX_ENTRIES - 1)
        stored: Any = pipe.execute()[-1]
    return [json.loads(entry.partition(b" ")[2]) for entry in stored]


def _oldest() -> float:
    """The time in seconds since 1970 up to which entries have expired."""
    days = services().settings.retention_days
    return time.time() - days * 86_400 if days else -math.inf


def _log(response: Response) -> Response:
    if isinstance(response, Later):
        response.then.append(_add_entry)
    else:
        _add_entry(response)
    return response


def _add_entry(response: Response) -> None:
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "address": request.remote_addr,
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "hash": g.get("classic_photo", ""),
    }
    try:
        with services().jobs.redis.pipeline() as pipe:
            # Equal entries of a set would be one.
            pipe.zadd(KEY, {f"{uuid4().hex} {json.dumps(entry)}": time.time()})
            pipe.zremrangebyrank(KEY, 0, -MAX_ENTRIES - 1)
            pipe.zremrangebyscore(KEY, "-inf", _oldest())
            pipe.execute()
    except RedisError as error:  # The response is still valid.
        current_app.logger.warning("A request could not be logged: %s", error)
