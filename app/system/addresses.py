"""The network that a client belongs to."""

import ipaddress

# An IPv6 network of this length is one connection's: its owner may use any of its addresses (RFC 6177).
IPV6_PREFIX = 64


def network_of(address: str | None) -> str:
    """What the clients of one connection have in common: an IPv4 address, or an IPv6 network (2001:db8:1:2::/64)."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip.packed, IPV6_PREFIX), strict=False))
