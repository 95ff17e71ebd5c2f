"""The id of each request (X-Request-ID), and its line in the log."""

import logging
import re
import time
from functools import partial
from urllib.parse import quote

from flask import Flask, Response, g, request

from app.system.logs import accept_request_id, request_id, set_request_id
from app.web.common.waiting import Later

log = logging.getLogger("access")

HEADER = "X-Request-ID"
MAX_PATH = 200  # characters
# Asked every few seconds by whoever watches the service.
HEALTH_CHECKS = ("/healthz", "/readyz")
# Ids of runs and signatures of pictures: whoever has one may see the photo. The log keeps enough to tell them apart.
_SECRET_PART = re.compile(r"([\w-]{6})[\w-]{15,}", re.ASCII)


def init_app(app: Flask) -> None:
    """Give each request its id before anything else handles it, and log it after its response."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _: set_request_id(""))


def loggable_path(path: str) -> str:
    """A request's path without secrets, on one line. Queries are not logged at all."""
    return quote(_SECRET_PART.sub(r"\1...", path), safe="/:@!$&'()*+,;=~")[:MAX_PATH]


def _begin() -> None:
    g.began = time.perf_counter()
    set_request_id(accept_request_id(request.headers.get(HEADER, "")))


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    log_answer = partial(_log, g.began)
    if isinstance(response, Later):
        response.then.append(log_answer)
    else:
        log_answer(response)
    return response


def _log(began: float, response: Response) -> None:
    level = logging.DEBUG if request.path in HEALTH_CHECKS else logging.INFO
    if not log.isEnabledFor(level):
        return
    fields = {
        "method": request.method,
        "path": loggable_path(request.path),
        "status": response.status_code,
        "ms": round((time.perf_counter() - began) * 1000, 1),
    }
    log.log(level, "%(method)s %(path)s %(status)s %(ms).1f ms", fields, extra={"fields": fields})
