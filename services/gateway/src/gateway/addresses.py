"""Where a request comes from, as far as it can be believed.

X-Forwarded-For is a claim of whoever wrote it. It is read from its right end, only as far as the writers are
trusted proxies (a setting): the first address that is none of them is the client's.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The client's address as text. `peer` is the socket's other end; `forwarded_for` the header, joined."""
    address = _parse(peer)
    if address is None or not _is_trusted(address, trusted):
        return peer
    for hop in reversed(forwarded_for.split(",")):
        before = _parse(hop.strip())
        if before is None:
            break
        address = before
        if not _is_trusted(address, trusted):
            break
    return str(address)


def counted_as(address: str) -> str:
    """What a limit counts: the address, or an IPv6 client's /64, as one host has all of it."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _parse(text: str) -> Address | None:
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
