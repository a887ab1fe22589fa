"""What a limit counts, and whose request it is."""

import pytest
from fastapi import Request

from servicekit.addresses import counted_as
from servicekit.http.clients import client_address


def test_one_ipv6_network_counts_as_one_and_so_does_all_that_is_no_address() -> None:
    assert (
        counted_as("2001:db8:0:1:aaaa::1") == counted_as("[2001:db8:0:1:bbbb::2]:443") == "2001:db8:0:1::/64"
    )
    assert counted_as("198.51.100.1") == counted_as("::ffff:198.51.100.1") == "198.51.100.1"
    assert counted_as("198.51.100.1:50123") == "198.51.100.1"
    assert counted_as("") == counted_as("made up") == "unknown"


@pytest.mark.parametrize(
    ("forwarded", "behind_gateway", "client"),
    [
        ([], True, "192.0.2.1"),
        (["198.51.100.1"], True, "198.51.100.1"),
        (["203.0.113.9, 198.51.100.1"], True, "198.51.100.1"),
        (["203.0.113.9", "198.51.100.1"], True, "198.51.100.1"),
        ([""], True, "192.0.2.1"),
        (["198.51.100.1"], False, "192.0.2.1"),
    ],
)
def test_the_last_hop_counts_where_the_gateway_writes_it(
    forwarded: list[str], behind_gateway: bool, client: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    request = Request({"type": "http", "headers": headers, "client": ("192.0.2.1", 4711)})
    assert client_address(request, behind_gateway=behind_gateway) == client


def test_who_has_no_address_is_unknown() -> None:
    request = Request({"type": "http", "headers": [], "client": None})
    assert client_address(request, behind_gateway=True) == "unknown"
