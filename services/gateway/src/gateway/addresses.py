"""Finds a request's client address: from X-Forwarded-For, as far as trusted proxies have written it.

Called by gateway.admission. Anyone may send the header. It is read from its right end, and only as long as the
writer is a trusted proxy (a setting): the first address that is none of them is the client's.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from servicekit.addresses import Address, parsed_address

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The client's address as text. `peer` is the socket's other end; `forwarded_for` the header, joined."""
    address = parsed_address(peer)
    if address is None or not _is_trusted(address, trusted):
        return peer
    for hop in reversed(forwarded_for.split(",")):
        before = parsed_address(hop.strip())
        if before is None:
            break
        address = before
        if not _is_trusted(address, trusted):
            break
    return str(address)


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
