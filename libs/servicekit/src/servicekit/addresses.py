"""Network addresses as limits count them.

Used by the gateway, which finds out whose a request is, and by the services that count what a client does.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")


def parsed_address(text: str) -> Address | None:
    """The address, also with a port as some proxies write it; IPv4 where that is mapped into IPv6; None for none.

    An IPv6 one with a port is in brackets.
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
    """What a limit counts: the address; of an IPv6 one its /64, as one household or server has all of it.

    All that is no address is one, `unknown`.
    """
    parsed = parsed_address(address)
    if parsed is None:
        return "unknown"
    return str(ip_network((parsed, 64), strict=False) if isinstance(parsed, IPv6Address) else parsed)
