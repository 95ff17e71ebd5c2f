"""Errors as HTTP responses: a page with one sentence and the next step, or JSON.

APIs whose clients expect another format register it for their addresses:

    errors.register_format(app, "/api/", problem)      # problem(error: PublicError) -> response

It also formats errors that occur before a view is reached (404, 405, uploads cut short).
"""

import errno
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from app.errors import PublicError, ServiceUnavailable
from app.store.errors import StoreUnavailable
from app.system.logs import request_id
from app.web.common.services import services

Formatter = Callable[[PublicError], ResponseReturnValue]
HTTP_ERROR, SERVER_ERROR = 400, 500

# Messages for the errors that Flask and its extensions raise themselves.
MESSAGES = {
    400: "This request cannot be understood.",
    403: "This is not allowed.",
    404: "There is nothing at this address. It may have expired or been deleted.",
    405: "This method is not allowed at this address.",
    408: "This took too long. Please try again.",
    413: "This request is too large.",
    414: "This address is too long.",
    429: "Too many requests. Please wait a little before the next one.",
    500: "Something went wrong on our side. Please try again.",
}
EXPIRED_FORM = "This page was open for too long, or cookies are off. Reload it and try again."
ONLY_OVER_HTTPS = "Cookies are sent over HTTPS only here. Open this page by its https address and try again."
DISK_FULL = "There is no room left on the disk of this service. Send less at once, or try again later."
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class NextStep:
    """The link on an error page: its text and its endpoint."""

    text: str
    endpoint: str


TRY_AGAIN = NextStep("Choose another photo", "start.start")
HOME = NextStep("Back to the start", "start.start")
# The heading above the message, by status.
HEADINGS = {
    403: "Not allowed",
    404: "Nothing here",
    409: "Not ready yet",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Please wait a moment",
}


class HttpError(PublicError):
    """An HTTP error raised by Flask, with a message of ours."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str]):
        self.status, self.code = status, code
        super().__init__(message, headers)


def init_app(app: Flask) -> None:
    """Handle every error, expected or not."""
    app.extensions["error_formats"] = {}
    app.register_error_handler(PublicError, error_response)
    app.register_error_handler(HTTPException, _handle_http)
    app.register_error_handler(RedisError, _handle_redis)
    app.register_error_handler(OSError, _handle_os)
    app.register_error_handler(500, _handle_unexpected)


def register_format(app: Flask, prefix: str, formatter: Formatter) -> None:
    """Format errors at addresses that begin with `prefix`; of several prefixes the longest applies."""
    app.extensions["error_formats"][prefix] = formatter


def error_response(error: PublicError) -> ResponseReturnValue:
    """The response for an error, in the format of the address, or the one that the Accept header asks for."""
    log_cause(error)
    formats: dict[str, Formatter] = current_app.extensions["error_formats"]
    prefixes = [prefix for prefix in formats if request.path.startswith(prefix)]
    if prefixes:
        return formats[max(prefixes, key=len)](error)
    response = _json(error) if wants_json() else _page(error)
    response.status_code = error.status
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def log_cause(error: PublicError) -> None:
    """Log the part of an error that concerns the operator and not the visitor."""
    if isinstance(error, StoreUnavailable):
        current_app.logger.error("%s", error)


def wants_json() -> bool:
    """Whether the response should be JSON, by the Accept header or because the address always answers JSON."""
    if request.path.rstrip("/").endswith(("/status", "/overlay")):
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _json(error: PublicError) -> Response:
    return jsonify(error=error.message, code=error.code, status=error.status, request_id=request_id())


def _page(error: PublicError) -> Response:
    heading = HEADINGS.get(error.status, "This did not work")
    wrong_address = request.method == "GET" and error.status == 400
    step = HOME if wrong_address or error.status in (403, 404, 405, 500) else TRY_AGAIN
    id = request_id() if error.status >= SERVER_ERROR else ""
    context = {"error": error, "heading": heading, "step": step, "href": url_for(step.endpoint), "request_id": id}
    return make_response(render_template("error.html", **context))


def _handle_http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < HTTP_ERROR:  # A redirect.
        return error.get_response(request.environ)
    kept = {"allow", "retry-after", "www-authenticate"}
    headers = {k: v for k, v in error.get_headers(request.environ) if k.lower() in kept}
    message = _form_message() if isinstance(error, CSRFError) else MESSAGES.get(status, MESSAGES[400])
    return error_response(HttpError(status, error.name.lower().replace(" ", "-"), message, headers))


def _form_message() -> str:
    """Why a form's token was not valid."""
    return ONLY_OVER_HTTPS if services().settings.cookie_secure and not request.is_secure else EXPIRED_FORM


def _handle_redis(error: RedisError) -> ResponseReturnValue:
    current_app.logger.warning("Redis does not answer: %s", error)
    return error_response(ServiceUnavailable(headers={"Retry-After": "5"}))


def _handle_os(error: OSError) -> ResponseReturnValue:
    """A full or read-only disk, on which large uploads and exports are kept while they are read; others go on."""
    if error.errno not in NO_ROOM:
        raise error
    current_app.logger.error("The folder %s has no room for uploads: %s", tempfile.gettempdir(), error)
    return error_response(ServiceUnavailable(DISK_FULL, headers={"Retry-After": "60"}))


def _handle_unexpected(error: Exception) -> ResponseReturnValue:
    """Flask has logged the exception; the response does not show it."""
    return error_response(HttpError(500, "internal-server-error", MESSAGES[500], {}))
