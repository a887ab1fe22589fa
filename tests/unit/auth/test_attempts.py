"""Which bucket a try counts in, and that no bucket holds an address in clear."""

import pytest

from auth.attempts import by_account, by_address


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


def test_an_account_is_one_bucket_however_it_is_written() -> None:
    assert by_account("login", "Ada@X.example", 1) == by_account("login", "ada@x.example", 1)
    assert "ada" not in by_account("login", "ada@x.example", 1).bucket
