"""Which addresses the service may connect to on a stranger's word, and connections to exactly those.

A name is resolved once, every address that it has is judged, and the connection goes to a judged address, so that a
name cannot answer differently a moment later (DNS rebinding). The Host header and TLS still carry the name. Proxies
named by the environment are not used: they would resolve again, elsewhere.
"""

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from app.config.networks import Address, Place, parse
from app.config.settings import Settings
from app.errors import AddressRefused, FetchFailed

# Ports of web servers. Services on other ports might misinterpret an HTTP request.
WEB_PORTS = frozenset((80, 443, 8080, 8443))
MAX_URL = 2000
_TOO_LONG = f"This address is longer than {MAX_URL:,} characters."

# Not for everybody's use, by IANA's special-purpose registries; the last one is Azure's host, which answers there.
_PRIVATE_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
# Everything outside of global unicast is refused: loopback, link-local, private, mapped and NAT64 addresses too.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

# A host whose last label is a number is an IPv4 address in some notation (WHATWG URL, section 3.5).
_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]*", re.IGNORECASE)
_ENDS_IN_NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)

_TROUBLE = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = _ip(address)
    if ip is None:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _PRIVATE_V4)
    return ip.scope_id is None and ip in _GLOBAL_V6 and not any(ip in network for network in _PRIVATE_V6)


def resolve(host: str, port: int) -> list[str]:
    """All IP addresses of a name, by the system's resolver, IPv4 first. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Guard:
    """What may be connected to. The default is the public web; tests pass their own.

    allows: judges an IP address; ports: those allowed there, None for all; opened: what the operator opens besides;
    setting: the one by which, for the sentence of a refusal; resolve: a name's IP addresses; ssl_context: how servers
    prove themselves, None for the usual authorities.
    """

    allows: Callable[[str], bool] = is_public
    ports: frozenset[int] | None = WEB_PORTS
    opened: tuple[Place, ...] = ()
    setting: str = ""
    resolve: Callable[[str, int], list[str]] = resolve
    ssl_context: ssl.SSLContext | None = None

    def parse(self, url: str) -> httpx.URL:
        """Check all of an address that needs no name resolved. Raises AddressRefused."""
        try:
            parsed = httpx.URL(url.strip()) if len(url) <= MAX_URL else None
            host = parsed and parsed.host  # Decoded: Punycode may be malformed.
        except (httpx.InvalidURL, ValueError) as error:
            raise AddressRefused("This is not a web address.") from error
        if parsed is None:
            raise AddressRefused(_TOO_LONG)
        if parsed.scheme not in ("http", "https") or not host:
            raise AddressRefused("Only addresses that begin with http:// or https:// can be used.")
        if parsed.userinfo or "@" in parsed.netloc.decode("ascii", "replace"):
            raise AddressRefused("An address with a user name or password in it cannot be used.")
        if len(str(parsed)) > MAX_URL:  # Written in ASCII, one character becomes up to nine.
            raise AddressRefused(_TOO_LONG)
        port = port_of(parsed)
        if self.ports is not None and not self._has_port(port):
            usual = ", ".join(map(str, sorted(self.ports)))
            raise self._refusal(f"Only addresses with a usual web port ({usual}) can be used.")
        literal = _literal(parsed.raw_host.decode("ascii"))
        if literal is not None and not self._lets_through(literal, literal, port):
            raise self._refusal()
        return parsed

    def addresses(self, host: str, port: int, timeout: float) -> list[str]:
        """The judged IP addresses of a host. Raises AddressRefused if it has none or a single one is not allowed."""
        host = host if host.isascii() else httpx.URL(scheme="http", host=host).raw_host.decode("ascii")
        literal = _literal(host)
        found = [literal] if literal is not None else _within(timeout, self.resolve, host, port)
        if not found or not all(self._lets_through(host, address, port) for address in found):
            raise self._refusal()
        return found

    def _has_port(self, port: int) -> bool:
        """Whether there is any host of which this port may be connected to."""
        return self.ports is None or port in self.ports or any(place.port == port for place in self.opened)

    def _lets_through(self, host: str, address: str, port: int) -> bool:
        """Whether this port of an address may be connected to, as one of those that a host has."""
        public = self.allows(address)
        if public and (self.ports is None or port in self.ports):
            return True
        ip = _ip(address)
        return ip is not None and any(
            place.has_port(port, self.ports) and place.holds(host, ip, public=public) for place in self.opened
        )

    def _refusal(self, sentence: str = AddressRefused.message) -> AddressRefused:
        """The same for every address that is not let through, so that it does not tell which names exist."""
        opens = f" The operator of this service can open others with {self.setting}." if self.setting else ""
        return AddressRefused(sentence + opens)


def photo_guard(settings: Settings) -> Guard:
    """What photos may be fetched from: the public web and PHOTO_ALLOWED_NETWORKS."""
    return Guard(opened=parse(settings.photo_allowed_networks), setting="PHOTO_ALLOWED_NETWORKS")


def webhook_guard(settings: Settings) -> Guard:
    """What webhooks may be sent to: the public web and WEBHOOK_ALLOWED_NETWORKS."""
    return Guard(opened=parse(settings.webhook_allowed_networks), setting="WEBHOOK_ALLOWED_NETWORKS")


def port_of(url: httpx.URL) -> int:
    """The port of a URL, by default that of its scheme."""
    return url.port if url.port is not None else {"http": 80, "https": 443}[url.scheme]


def _ip(address: str) -> Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _literal(host: str) -> str | None:
    """The IP address that a host is written as; None for a name. Unusual notations of addresses are refused."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if _ENDS_IN_NUMBER.search(bare) or not _NAME.fullmatch(bare):
            raise AddressRefused() from None
        return None


def _within(timeout: float, function: Callable[[str, int], list[str]], host: str, port: int) -> list[str]:
    """Resolve in another thread, because the system's resolver has no time limit."""
    found: list[str] = []

    def work() -> None:
        with contextlib.suppress(OSError, UnicodeError):  # No such name: the caller sees no address.
            found.extend(function(host, port))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout)
    return [] if thread.is_alive() else found


@contextmanager
def exchange(
    method: str,
    url: httpx.URL,
    *,
    guard: Guard,
    deadline: float,
    headers: Iterable[tuple[str, str]] = (),
    content: bytes = b"",
) -> Iterator[httpcore.Response]:
    """Send one HTTP request to a guarded address; redirects are not followed. The body can be iterated in the block.

    Args:
        url: from `guard.parse`.
        deadline: `time.monotonic()` at which everything ends, reading the body included.

    Raises:
        AddressRefused: the guard does not allow the address.
        FetchFailed: no connection, no response in time, or not HTTP.
    """
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host.strip(b"[]"), port=port_of(url), target=url.raw_path)
    sent = [(b"Host", url.netloc), *((name.encode(), value.encode()) for name, value in headers)]
    if content or method == "POST":
        sent.append((b"Content-Length", str(len(content)).encode()))
    seconds = max(0.001, deadline - time.monotonic())
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    context = guard.ssl_context or _public_authorities()
    try:
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=_Pinned(guard, deadline)) as pool,
            pool.stream(method, target, headers=sent, content=content, extensions={"timeout": timeouts}) as response,
        ):
            yield response
    except httpcore.TimeoutException as error:
        raise FetchFailed("The server at this address took too long to answer.") from error
    except _TROUBLE as error:
        raise FetchFailed("The server at this address cannot be reached.") from error


class _Pinned(httpcore.NetworkBackend):
    """Connects only to checked addresses, whatever the name resolves to by then, and not after the deadline."""

    def __init__(self, guard: Guard, deadline: float):
        self.guard, self.deadline = guard, deadline
        self.network = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, *_: Any, **options: Any) -> httpcore.NetworkStream:
        addresses = self.guard.addresses(host, port, self._left())
        for address in addresses:
            try:
                stream = self.network.connect_tcp(address, port, timeout=self._left() / len(addresses))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if address == addresses[-1]:
                    raise
            else:
                return _Bounded(stream, self.deadline)
        raise httpcore.ConnectError("no address")

    def _left(self) -> float:
        return _left(self.deadline)


class _Bounded(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline, however slowly the other side sends."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float):
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), 65536):
            self.stream.write(buffer[start : start + 65536], _left(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return seconds
