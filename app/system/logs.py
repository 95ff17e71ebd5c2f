"""Logging: one configuration for every process, and the id of the request that a line belongs to."""

import json
import logging
import logging.config
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

FORMATS = ("text", "json")
# Libraries that log addresses with their queries, headers or every step of theirs.
QUIET = ("PIL", "alembic", "boto3", "botocore", "httpcore", "httpx", "rq", "s3transfer", "urllib3")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def configure_logging(level: str, format: str) -> None:
    """Log to standard error, one line for each message. level: of `logging`; format: one of FORMATS."""
    logging.config.dictConfig(logging_config(level, format))


def logging_config(level: str, format: str) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`, which gunicorn takes too."""
    quiet = {"level": max(logging.WARNING, logging.getLevelNamesMapping()[level])}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": JsonFormatter if format == "json" else TextFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {**dict.fromkeys(QUIET, quiet), "gunicorn.error": {"handlers": [], "propagate": True}},
    }


class TextFormatter(logging.Formatter):
    """`2026-11-26 18:49:10,123 INFO app.worker.tasks [request id]: message`; a traceback follows on its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        id = request_id()
        record.request = f" [{id}]" if id else ""
        # A line break inside a message would let it pass for a line of its own.
        record.message = _CONTROL.sub(lambda match: repr(match[0])[1:-1], record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """A JSON object for each message, with the members of `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if id := request_id():
            entry["request_id"] = id
        entry |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(entry, default=str)


def request_id() -> str:
    """The id of the request that is being handled here; empty where there is none."""
    return _request_id.get()


def set_request_id(id: str) -> None:
    """Set the id of the request that this thread handles from now on; empty for none."""
    _request_id.set(id)


@contextmanager
def request_context(id: str) -> Iterator[None]:
    """Handle a request with this id in the context; with an empty id, the current one stays."""
    token = _request_id.set(id or request_id())
    try:
        yield
    finally:
        _request_id.reset(token)


def accept_request_id(text: str) -> str:
    """An id that a client sent, or a new one where it has another form than ids have."""
    return text if _REQUEST_ID.fullmatch(text) else uuid4().hex
