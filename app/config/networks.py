"""PHOTO_ALLOWED_NETWORKS and WEBHOOK_ALLOWED_NETWORKS: places besides the public web that may be connected to."""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

WANTED = "places such as 192.168.1.0/24, 192.168.1.20:8123, [fd12::7]:80 or camera.lan:8081, separated by commas"

# What lies in these networks, or on the public web, may be opened as part of a network or by a name. All else is opened
# only by its own address: loopback, link-local, multicast, and addresses with another one inside.
_LOCAL = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
# Metadata services of Alibaba, Amazon and Google, which are inside these networks.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))

# `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; an IPv6 address without a port needs no brackets.
_PLACE = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::(\d{1,5}))?")
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
# A last label that begins with a digit would be an IPv4 address in some spelling.
_NAME = re.compile(rf"({_LABEL}\.)*(?!\d){_LABEL}")


@dataclass(frozen=True)
class Place:
    """One entry. target: a network (of one address, where one is named) or a host's name; port: None for web ports."""

    target: Network | str
    port: int | None

    def holds(self, host: str, ip: Address, *, public: bool) -> bool:
        """Whether this entry opens an IP address of a host.

        public: whether the address is on the public web.
        """
        if isinstance(self.target, str):
            return host.lower().rstrip(".") == self.target and (public or _is_local(ip))
        return ip in self.target and (self.target.num_addresses == 1 or public or _is_local(ip))

    def has_port(self, port: int, web_ports: Collection[int] | None) -> bool:
        """Whether a port is opened by this entry. web_ports: those of an entry without one; None for all."""
        return port == self.port if self.port is not None else web_ports is None or port in web_ports


def parse(text: str) -> tuple[Place, ...]:
    """The places of a setting, separated by commas. Raises ValueError, with what is wanted."""
    return tuple(_place(entry.strip().lower()) for entry in text.split(",") if entry.strip())


def _place(entry: str) -> Place:
    match = _PLACE.fullmatch(entry)
    target = (match[1] or match[2]) if match else entry
    port = int(match[3]) if match and match[3] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(WANTED)
    return Place(_network(target) or _name(target), port)


def _network(text: str) -> Network | None:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return None
    if network.num_addresses > 1 and (network.is_loopback or network.is_link_local):
        raise ValueError("single addresses where they are loopback or link-local, such as 127.0.0.1:8123")
    return network


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(WANTED)
    return text


def _is_local(ip: Address) -> bool:
    return ip not in _METADATA and any(ip in network for network in _LOCAL)
