"""What reverse proxies say about a request, and under which names this service answers."""

import functools
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config.checks import split
from app.config.settings import Settings
from app.errors import PublicError
from app.web.common.services import services

# Orchestrators ask these by whatever name they know.
PROBES = ("/healthz", "/readyz")
PREFIX_HEADER = "HTTP_X_FORWARDED_PREFIX"
# Two slashes at the beginning would make a path another host's address.
_PREFIX = re.compile(r"((/[A-Za-z0-9._~-]+)+/?)?")

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class UnknownHost(PublicError):
    status, code = 421, "unknown-host"
    message = (
        "This service does not answer under this name. "
        "Its operator can allow it: PUBLIC_URL, or ALLOWED_HOSTS, names the hosts that people use."
    )


def init_app(app: Flask) -> None:
    """Trust the proxies that the settings name, and answer only under known names."""
    settings: Settings = app.extensions["services"].settings
    trust_proxies(app, settings.trusted_proxies, split(settings.trusted_headers))
    app.before_request(check_host)


def trust_proxies(app: Flask, count: int, headers: Iterable[str]) -> None:
    """Trust some X-Forwarded-* headers of this many proxies, and nothing else.

    headers: of `for`, `proto`, `host`, `port` and `prefix`.
    """
    if not count:
        return
    trusted = {f"x_{name}": count if name in headers else 0 for name in ("for", "proto", "host", "port", "prefix")}
    app.wsgi_app = _without_odd_prefix(ProxyFix(app.wsgi_app, **trusted))  # type: ignore[method-assign, assignment]


def _without_odd_prefix(wsgi_app: WsgiApp) -> WsgiApp:
    def filtered(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        prefixes = environ.get(PREFIX_HEADER, "").split(",")
        if not all(_PREFIX.fullmatch(prefix.strip()) for prefix in prefixes):
            del environ[PREFIX_HEADER]
        return wsgi_app(environ, start_response)

    return filtered


def check_host() -> None:
    """Refuse a name that nobody gave this service.

    A website's owner can let the site's name lead here (DNS rebinding), and its scripts could then read everything.

    Raises:
        UnknownHost: it is neither an IP address, nor a name of this machine, nor one that the settings name.
    """
    if request.path not in PROBES and not is_known(request.host, services().settings):
        raise UnknownHost


@functools.lru_cache(64)
def is_known(host: str, settings: Settings) -> bool:
    """Whether a Host header names this service. Nobody else's DNS can make an IP address or `localhost` lead here."""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    allowed = split(settings.allowed_hosts.lower())
    machine = socket.gethostname().lower()
    return (
        "*" in allowed
        or name in allowed
        or any(pattern.startswith(".") and name.endswith(pattern) for pattern in allowed)
        or name in ("localhost", machine, f"{machine}.local", urlsplit(settings.public_url).hostname)
        or name.endswith(".localhost")
        or _is_address(name)
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
