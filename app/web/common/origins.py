"""Requests that a page of another site makes a visitor's browser send.

Programs send neither of the two headers that tell; browsers send at least one of them with every request that changes
something (https://www.w3.org/TR/fetch-metadata/, https://fetch.spec.whatwg.org/#origin-header).
"""

from urllib.parse import urlsplit

from flask import Request, request

from app.config.checks import split
from app.config.settings import Settings
from app.errors import Forbidden
from app.web.common.services import services

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
DEFAULT_PORTS = {"http": 80, "https": 443}


def check_origin() -> None:
    """Refuse a change that another site's page asks for; for blueprints without form tokens.

    Raises:
        Forbidden: the request is from a page of an origin that CORS_ORIGINS does not name.
    """
    if not is_cross_site_change(request):
        return
    allowed = split(services().settings.cors_origins)
    if "*" not in allowed and request.headers.get("Origin") not in allowed:
        raise Forbidden("A page of another site may not send this. The setting CORS_ORIGINS names those that may.")


def is_cross_site_change(request: Request) -> bool:
    """Whether a request changes something, and a page of another origin (scheme, host, port) asks for it."""
    if request.method in SAFE_METHODS:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and not _is_ours(origin, request)


def _is_ours(origin: str, request: Request) -> bool:
    """Whether an Origin header names the address of this service. A proxy may hide the scheme, so it does not count."""
    settings: Settings = services().settings
    ours = [settings.public_url] if settings.public_url else []
    host = _host_and_port(origin)
    return host is not None and host in [_host_and_port(address) for address in (*ours, _requested(origin, request))]


def _requested(origin: str, request: Request) -> str:
    return f"{origin.partition(':')[0]}://{request.host}"


def _host_and_port(address: str) -> tuple[str, int] | None:
    """None for what is no address, such as the origin `null`."""
    try:
        parts = urlsplit(address)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.hostname, port) if parts.hostname else None
