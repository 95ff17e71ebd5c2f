"""How the client builds requests and reads responses."""

import random
from typing import Any

import httpx

# Statuses after which a request is repeated; 409 only with Retry-After.
_BUSY = (429, 503)
_TOO_LARGE = 413
_MAX_PORT = 65535
_FIRST_DELAY, _MAX_DELAY = 0.5, 30.0


class ApiError(Exception):
    """The server refused a request, or the response is not one of the API.

    status: of the response; code: the problem's short name, or empty; message: one plain sentence.
    request_id: by which the server's log knows the request, or empty.
    """

    def __init__(self, status: int, code: str, message: str, request_id: str = ""):
        super().__init__(message)
        self.status, self.code, self.message, self.request_id = status, code, message, request_id


def api_address(server: str) -> httpx.URL:
    """The address of a server's API. Raises ValueError if the server's address is malformed."""
    try:
        address = httpx.URL(server.rstrip("/") + "/api/v1/")
        usable = address.scheme in ("http", "https") and address.host and (address.port or 0) <= _MAX_PORT
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise ValueError(f"{server!r} is not a server's address such as http://127.0.0.1:5000.")
    return address


def checked_key(key: str) -> str:
    """The API key. Raises ValueError if it cannot be sent in a header."""
    if not (key.isascii() and key.isprintable()):
        raise ValueError("The API key has characters that cannot be in a key.")
    return key


def params(options: dict[str, Any]) -> dict[str, str]:
    """Query parameters: lists joined by commas, flags as 1 and 0, None left out."""
    texts = {}
    for name, value in options.items():
        if isinstance(value, bool):
            texts[name] = "1" if value else "0"
        elif isinstance(value, (list, tuple)):
            texts[name] = ",".join(map(str, value))
        elif value is not None:
            texts[name] = str(value)
    return texts


def sendable(text: str) -> str:
    """The text with a question mark for each byte of a file name that is not UTF-8."""
    return text.encode("utf-8", "replace").decode()


def may_be_repeated(response: httpx.Response) -> bool:
    """Whether the same request may succeed later."""
    return response.status_code in _BUSY or (response.status_code == 409 and "retry-after" in response.headers)


def pause(attempt: int, response: httpx.Response | None = None) -> float:
    """Seconds before the next try: Retry-After, else doubling from try to try, with random jitter."""
    asked = response.headers.get("retry-after", "") if response is not None else ""
    if asked.isdigit():
        return min(float(asked), _MAX_DELAY)
    delay: float = min(_FIRST_DELAY * 2 ** (attempt - 1), _MAX_DELAY)
    return delay * random.uniform(0.75, 1.25)


def error_of(response: httpx.Response) -> ApiError:
    """The error that an unsuccessful response describes."""
    problem = _object(response) or {}
    message = problem.get("detail") or _proxy_says(response.status_code)
    return ApiError(response.status_code, problem.get("code") or "", message, _request_id(response))


def _proxy_says(status: int) -> str:
    """What an answer means that is not the API's own."""
    if status == _TOO_LARGE:
        return "A web server in front of the service takes no upload of this size (status 413)."
    return f"The server answered with status {status}."


def body_of(response: httpx.Response, key: str) -> dict[str, Any]:
    """The JSON object of a response. Raises ApiError if there is none, or none with this key."""
    body = _object(response)
    if body is None or key not in body:
        message = "The response is not the API's; perhaps the address is not that of a Flask Detector."
        raise ApiError(response.status_code, "", message, _request_id(response))
    return body


def _request_id(response: httpx.Response) -> str:
    return str(response.headers.get("x-request-id", ""))


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
