"""The third classic API's log: its last requests, in Redis."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, json, request
from redis import RedisError

from app.web.common.services import services

KEY = "classic:requests"
KEPT = 1000


def watch(app: Flask, blueprint: Blueprint) -> None:
    """Write down every request to a blueprint's views once it is answered."""
    app.after_request_funcs.setdefault(blueprint.name, []).append(_write)


def note(md5: str) -> None:
    """The photo that the current request is about."""
    g.classic_photo = md5


def entries() -> list[dict[str, Any]]:
    """The last requests, newest first: time, address, method, path, status, hash."""
    found: Any = services().jobs.redis.lrange(KEY, 0, KEPT - 1)
    return [json.loads(entry) for entry in found]


def _write(response: Response) -> Response:
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
            pipe.ltrim(KEY, 0, KEPT - 1)
            pipe.execute()
    except RedisError as error:  # the answer matters more than its line in the log
        current_app.logger.warning("A request could not be logged: %s", error)
    return response
