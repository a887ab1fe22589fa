"""Network addresses as limits count them.

Called by the gateway, to tell clients apart, and by auth.attempts and booking.clients, which limit what one does.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")


def parsed_address(text: str) -> Address | None:
    """Parses an address, with or without a port, as some proxies write one; None when it is no address.

    An IPv6 address with a port has to be in brackets. An IPv4-mapped IPv6 address becomes the IPv4 one.
    """
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    with_port = _IPV4_AND_PORT.fullmatch(text)
    bare = with_port[1] if with_port else bare
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def counted_as(address: str) -> str:
    """What a limit counts by: an IPv4 address, or the /64 of an IPv6 one, as one household or server has all of it.

    `unknown` for whatever is no address.
    """
    parsed = parsed_address(address)
    if parsed is None:
        return "unknown"
    return str(ip_network((parsed, 64), strict=False) if isinstance(parsed, IPv6Address) else parsed)
