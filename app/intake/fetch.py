"""Fetching photos by URL: only from allowed addresses, within limits of size and time."""

import time
from urllib.parse import unquote

import httpcore
import httpx

from app.errors import AddressRefused, FetchFailed, UploadTooLarge
from app.intake.address import Guard, exchange
from app.intake.formats import MEDIA_TYPES
from app.intake.names import photo_name

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = (
    ("Accept", ", ".join(MEDIA_TYPES)),
    ("Accept-Encoding", "identity"),  # A compressed response could expand to any size.
    ("User-Agent", "FlaskDetector/1.0"),
)
_PUBLIC = Guard()


def fetch_photo(url: str, *, timeout: float, max_bytes: int, guard: Guard = _PUBLIC) -> tuple[str, bytes]:
    """Fetch a URL. The bytes are not checked yet: pass them to `read_photo`.

    Args:
        url: http or https; redirects are followed, and each is checked.
        timeout: seconds for everything.
        max_bytes: maximum size of the response; a larger one is not read to its end.
        guard: what may be connected to.

    Returns:
        A file name taken from the address, and the bytes.

    Raises:
        AddressRefused: the address, or one that it redirects to, is not on the public web.
        FetchFailed: no response, none in time, or one that is not 200. UploadTooLarge: beyond max_bytes.
    """
    deadline = time.monotonic() + timeout
    target = guard.parse(url)
    for _ in range(MAX_REDIRECTS + 1):
        with exchange("GET", target, guard=guard, deadline=deadline, headers=_HEADERS) as response:
            if response.status not in _REDIRECTS:
                return photo_name(unquote(target.path)), _body(response, max_bytes)
            target = _next(target, _header(response, b"location"), guard)
    raise FetchFailed(f"This address redirects more than {MAX_REDIRECTS} times.")


def _next(base: httpx.URL, location: str, guard: Guard) -> httpx.URL:
    if not location:
        raise FetchFailed("The server at this address redirects to nowhere.")
    try:
        return guard.parse(str(base.join(location)))
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused() from error


def _body(response: httpcore.Response, max_bytes: int) -> bytes:
    if response.status != 200:
        raise FetchFailed(f"The server at this address answered with status {response.status} instead of a photo.")
    too_large = UploadTooLarge(f"The file at this address is larger than {max_bytes / 2**20:g} MB.")
    promised = _header(response, b"content-length")
    if promised.isdigit() and int(promised) > max_bytes:
        raise too_large
    pieces, size = [], 0
    for piece in response.iter_stream():
        size += len(piece)
        if size > max_bytes:
            raise too_large
        pieces.append(piece)
    return b"".join(pieces)


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")
