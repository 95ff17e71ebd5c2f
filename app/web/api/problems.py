"""Errors of the API as problem details (RFC 9457)."""

from collections.abc import Iterable
from http import HTTPStatus

from flask import Response, json, request, url_for

from app.errors import PublicError
from app.system.logs import request_id

MEDIA_TYPE = "application/problem+json"


def problem(error: PublicError) -> Response:
    """The response for an error."""
    body = {
        "type": url_for("api_docs.page", _anchor=f"problem-{error.code}"),
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "instance": request.path,
        "code": error.code,
        "errors": getattr(error, "errors", []),
        "request_id": request_id(),
    }
    response = Response(json.dumps(body), error.status, mimetype=MEDIA_TYPE)
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def error_classes() -> list[type[PublicError]]:
    """Every error class with a code of its own, by code."""
    found = {cls.code: cls for cls in _subclasses(PublicError) if isinstance(cls.__dict__.get("code"), str)}
    return [found[code] for code in sorted(found)]


def _subclasses(cls: type[PublicError]) -> Iterable[type[PublicError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)
