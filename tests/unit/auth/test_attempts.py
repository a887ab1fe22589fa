"""Which bucket a network's tries count in."""

import pytest

from auth.attempts import by_address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("made up", "also made up", True),
    ],
)
def test_a_network_is_one_bucket(one: str, other: str, same: bool) -> None:
    assert (by_address("login", one, 1).bucket == by_address("login", other, 1).bucket) is same
