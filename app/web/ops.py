"""Health checks: `/healthz` (the process answers) and `/readyz` (photos can be analysed)."""

import logging
import tempfile
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError

from app.errors import PublicError
from app.web.common.detectors import compare
from app.web.common.services import services

log = logging.getLogger(__name__)
ops = Blueprint("ops", __name__)
# Bytes that must find room for the service to be ready.
PROBE = 1024 * 1024


def init_app(app: Flask) -> None:
    """Attach both checks."""
    app.register_blueprint(ops)


@ops.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while the process answers."""
    return jsonify(status="ok")


@ops.get("/readyz")
def readyz() -> ResponseReturnValue:
    """200 when Redis, the database, room on the disk and a worker are available, else 503; with the analyses.

    `analyses`: {name: {"model", "title", "note"}}; `missing`: {name: the step that adds it}; `detectors`: which model
    finds objects now, and what the others of the catalogue would give.
    """
    checks = {"redis": _redis(), "database": _database(), "disk": _disk()}
    offer = _offer()
    ready = all(checks.values()) and offer["workers"] > 0
    return jsonify(ready=ready, **checks, **offer), 200 if ready else 503


def _redis() -> bool:
    try:
        return bool(services().jobs.redis.ping())
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        return False


def _database() -> bool:
    try:
        services().store.check()
    except PublicError as error:
        log.warning("the database does not answer: %s", error)
        return False
    return True


def _disk() -> bool:
    """Whether uploads find room while they are read; the folder for photos is checked with the database."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(PROBE))
            file.flush()
    except OSError as error:
        log.warning("no room for uploads in the temporary folder: %s", error)
        return False
    return True


def _offer() -> dict[str, Any]:
    try:
        queue = services().jobs.status()
        analyses = {
            name: {"model": card.model, "title": card.title, "note": card.note} for name, card in queue.cards.items()
        }
        detectors = [asdict(detector) for detector in compare(queue.cards.get("objects"))]
        return {"workers": queue.ready, "analyses": analyses, "missing": queue.missing, "detectors": detectors}
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        return {"workers": 0, "analyses": {}, "missing": {}, "detectors": []}
