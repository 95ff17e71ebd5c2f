"""Errors as people and programs can use them: a page with one sentence and the next step, or JSON.

Rooms whose programs expect another form name it for their addresses:

    errors.shape(app, "/api/", problem)      # problem(error: PublicError) -> response

The blueprint's own error handlers go first; a shape also answers where no view was reached (404, 405, cut uploads).
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from app.errors import PublicError, ServiceUnavailable
from app.store.errors import StoreUnavailable

Shape = Callable[[PublicError], ResponseReturnValue]
HTTP_ERROR = 400

# Sentences for what Flask and its extensions refuse by themselves.
SENTENCES = {
    400: "This request cannot be understood.",
    403: "This is not allowed.",
    404: "There is nothing at this address. It may have expired, or been deleted.",
    405: "This address cannot be used in this way.",
    408: "This took too long. Please try again.",
    413: "This is more than can be taken at once.",
    414: "This address is too long.",
    429: "Too many requests. Please wait a little before the next one.",
    500: "Something went wrong on our side. Please try again.",
}
EXPIRED_FORM = "This page was open for too long, or cookies are off. Reload it and try again."


@dataclass(frozen=True)
class Step:
    """The next step offered on an error page: what the link says and where it leads."""

    text: str
    endpoint: str


AGAIN = Step("Choose another photo", "start.start")
HOME = Step("Back to the start", "start.start")
# What stands above the sentence, by status.
HEADINGS = {
    403: "Not allowed",
    404: "Nothing here",
    409: "Not yet",
    429: "A little slower, please",
    500: "That did not work",
    503: "One moment, please",
}


class HttpError(PublicError):
    """An HTTP error of Flask's in our words."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str]):
        self.status, self.code = status, code
        super().__init__(message, headers)


def init_app(app: Flask) -> None:
    """Answer every error, expected or not."""
    app.extensions["error_shapes"] = {}
    app.register_error_handler(PublicError, answer)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RedisError, _redis)
    app.register_error_handler(500, _unexpected)


def shape(app: Flask, prefix: str, make: Shape) -> None:
    """Answer errors at addresses that begin with `prefix` by `make`; the longest prefix that fits wins."""
    app.extensions["error_shapes"][prefix] = make


def answer(error: PublicError) -> ResponseReturnValue:
    """The response for an error, in the form that the address or the Accept header asks for."""
    log_cause(error)
    shapes: dict[str, Shape] = current_app.extensions["error_shapes"]
    fitting = [prefix for prefix in shapes if request.path.startswith(prefix)]
    if fitting:
        return shapes[max(fitting, key=len)](error)
    response = _json(error) if wants_json() else _page(error)
    response.status_code = error.status
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def log_cause(error: PublicError) -> None:
    """Write into the log what an error tells whoever runs the service, and not the visitor."""
    if isinstance(error, StoreUnavailable):
        current_app.logger.error("%s", error)


def wants_json() -> bool:
    """Whether a program asks: by its Accept header, or at an address that only ever answers JSON."""
    if request.path.endswith(("/status", "/overlay")):
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _json(error: PublicError) -> Response:
    return jsonify(error=error.message, code=error.code, status=error.status)


def _page(error: PublicError) -> Response:
    heading = HEADINGS.get(error.status, "This did not work")
    step = HOME if error.status in (403, 404, 405, 500) else AGAIN
    page = render_template("error.html", error=error, heading=heading, step=step, href=url_for(step.endpoint))
    return make_response(page)


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < HTTP_ERROR:  # a redirect
        return error.get_response(request.environ)
    kept = {"allow", "retry-after", "www-authenticate"}
    headers = {k: v for k, v in error.get_headers(request.environ) if k.lower() in kept}
    message = EXPIRED_FORM if isinstance(error, CSRFError) else SENTENCES.get(status, SENTENCES[400])
    return answer(HttpError(status, error.name.lower().replace(" ", "-"), message, headers))


def _redis(error: RedisError) -> ResponseReturnValue:
    current_app.logger.warning("Redis does not answer: %s", error)
    return answer(ServiceUnavailable(headers={"Retry-After": "5"}))


def _unexpected(error: Exception) -> ResponseReturnValue:
    """Anything that nobody foresaw: Flask has logged it; nothing of it is shown."""
    return answer(HttpError(500, "internal-server-error", SENTENCES[500], {}))
