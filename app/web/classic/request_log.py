"""The log of `/do_data_science`: its last requests, in Redis."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, json, request
from redis import RedisError

from app.web.common.services import services

KEY = "classic:requests"
MAX_ENTRIES = 1000


def log_requests(app: Flask, blueprint: Blueprint) -> None:
    """Log every request to a blueprint after its response."""
    app.after_request_funcs.setdefault(blueprint.name, []).append(_log)


def note_photo(md5: str) -> None:
    """Set the photo of the current request's entry."""
    g.classic_photo = md5


def entries() -> list[dict[str, Any]]:
    """The last requests, newest first: time, address, method, path, status, hash."""
    stored: Any = services().jobs.redis.lrange(KEY, 0, MAX_ENTRIES - 1)
    return [json.loads(entry) for entry in stored]


def _log(response: Response) -> Response:
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
            pipe.lpush(KEY, json.dumps(entry))
            pipe.ltrim(KEY, 0, MAX_ENTRIES - 1)
            pipe.execute()
    except RedisError as error:  # The response is still valid.
        current_app.logger.warning("A request could not be logged: %s", error)
    return response
