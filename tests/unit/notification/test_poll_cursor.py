"""Where the next poll begins: early enough for what may still become visible, and not much earlier."""

from datetime import UTC, datetime, timedelta

import pytest

from notification.poll_cursor import BEGINNING, MARGIN, PollCursor

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
JUST_NOW = NOW - MARGIN / 5


@pytest.fixture
def cursor() -> PollCursor:
    """That have found all up to now."""
    made = PollCursor()
    made.end(NOW)
    return made


def test_the_first_begins_at_the_beginning_until_one_has_ended() -> None:
    cursor = PollCursor()
    assert (cursor.begin(), cursor.begin()) == (BEGINNING, BEGINNING)


def test_the_next_begins_a_margin_before_the_end_of_the_last(cursor: PollCursor) -> None:
    assert cursor.begin() == NOW - MARGIN


def test_where_there_was_more_it_goes_on_from_what_was_found(cursor: PollCursor) -> None:
    cursor.end(NOW, LONG_AGO)
    assert cursor.begin() == LONG_AGO


def test_what_was_found_last_may_have_come_before_what_is_visible_later(cursor: PollCursor) -> None:
    cursor.end(NOW, JUST_NOW)
    assert cursor.begin() == NOW - MARGIN


def test_it_goes_back_once(cursor: PollCursor) -> None:
    cursor.rewind(LONG_AGO)
    assert (cursor.begin(), cursor.begin()) == (LONG_AGO, NOW - MARGIN)


def test_it_never_goes_forward_to_what_is_due(cursor: PollCursor) -> None:
    cursor.rewind(JUST_NOW)
    assert cursor.begin() == NOW - MARGIN


def test_told_during_a_poll_it_goes_back_behind_it(cursor: PollCursor) -> None:
    cursor.begin()
    cursor.rewind(LONG_AGO)
    cursor.end(NOW)
    assert cursor.begin() == LONG_AGO


def test_it_follows_a_clock_that_is_set_back(cursor: PollCursor) -> None:
    cursor.end(LONG_AGO)
    assert cursor.begin() == LONG_AGO - MARGIN
