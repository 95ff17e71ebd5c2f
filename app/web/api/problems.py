"""Errors of the API as problem details (RFC 9457), of one shape everywhere."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Response, json, request, url_for
from pydantic import ValidationError

from app.errors import PublicError

MEDIA_TYPE = "application/problem+json"


class InvalidRequest(PublicError):
    """The request is well formed, but its values cannot be used; `errors` says which."""

    status, code, message = 422, "invalid-request", "This request has values that cannot be used."

    def __init__(self, message: str | None = None, errors: Sequence[dict[str, Any]] = ()):
        super().__init__(message)
        self.errors = list(errors)

    @classmethod
    def from_validation(cls, error: ValidationError) -> "InvalidRequest":
        """Made of what pydantic found."""
        errors = [{"loc": list(found["loc"]), "msg": found["msg"]} for found in error.errors(include_url=False)]
        first = errors[0]
        where = ".".join(str(part) for part in first["loc"])
        return cls(f"{where}: {first['msg']}." if where else f"{first['msg']}.", errors)

    @classmethod
    def refuse(cls, error: ValidationError) -> NoReturn:
        """Raise it."""
        raise cls.from_validation(error) from error


class Busy(PublicError):
    """Every place to wait in is taken; the next request may find one."""

    status, code, message = 503, "too-many-waiting", "Too many requests wait for a result here. Try again in a moment."

    def __init__(self, message: str | None = None):
        super().__init__(message, {"Retry-After": "1"})


def problem(error: PublicError) -> Response:
    """The answer that tells an error."""
    body = {
        "type": url_for("api_docs.page", _anchor=f"problem-{error.code}"),
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "instance": request.path,
        "code": error.code,
        "errors": getattr(error, "errors", []),
    }
    response = Response(json.dumps(body), error.status, mimetype=MEDIA_TYPE)
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def kinds() -> list[type[PublicError]]:
    """Every kind of problem that the service names, by code."""
    found = {kind.code: kind for kind in _subclasses(PublicError) if isinstance(kind.__dict__.get("code"), str)}
    return [found[code] for code in sorted(found)]


def _subclasses(kind: type[PublicError]) -> Iterable[type[PublicError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)
