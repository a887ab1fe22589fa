"""Cursors that nobody was given: a client's own, and what PostgreSQL would not store."""

import pytest

from servicekit.errors import Invalid
from servicekit.http.pages import PageRequest, encode_cursor


@pytest.mark.parametrize("part", ["\0", "\ud800"])
def test_a_cursor_of_what_no_text_holds_is_refused(part: str) -> None:
    """Some lists look for it as it is (billing's invoices), which was a 500."""
    with pytest.raises(Invalid, match="not a cursor"):
        PageRequest._decode(encode_cursor("2026-01-01T00:00:00+00:00", part))


def test_a_cursor_that_was_given_is_read_back() -> None:
    assert PageRequest._decode(encode_cursor("a", "Zoë")) == ("a", "Zoë")
