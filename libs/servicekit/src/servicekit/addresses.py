"""Network addresses as limits count them.

Used by the gateway, which finds out whose a request is, and by the services that count what a client does.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


def parsed_address(text: str) -> Address | None:
    """The address, also in brackets with a port; IPv4 where that is mapped into IPv6; None for what is none."""
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def counted_as(address: str) -> str:
    """What a limit counts: the address; of an IPv6 one its /64, as one household or server has all of it.

    All that is no address is one, `unknown`.
    """
    parsed = parsed_address(address)
    if parsed is None:
        return "unknown"
    return str(ip_network((parsed, 64), strict=False) if isinstance(parsed, IPv6Address) else parsed)
