"""Where the next look begins: early enough for what may still become visible, and not much earlier."""

from datetime import UTC, datetime, timedelta

import pytest

from notification.looks import BEGINNING, MARGIN, Looks

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
JUST_NOW = NOW - MARGIN / 5


@pytest.fixture
def looks() -> Looks:
    """That have found all up to now."""
    made = Looks()
    made.end(NOW)
    return made


def test_the_first_begins_at_the_beginning_until_one_has_ended() -> None:
    looks = Looks()
    assert (looks.begin(), looks.begin()) == (BEGINNING, BEGINNING)


def test_the_next_begins_a_margin_before_the_end_of_the_last(looks: Looks) -> None:
    assert looks.begin() == NOW - MARGIN


def test_where_there_was_more_it_goes_on_from_what_was_found(looks: Looks) -> None:
    looks.end(NOW, LONG_AGO)
    assert looks.begin() == LONG_AGO


def test_what_was_found_last_may_have_come_before_what_is_visible_later(looks: Looks) -> None:
    looks.end(NOW, JUST_NOW)
    assert looks.begin() == NOW - MARGIN


def test_it_goes_back_once(looks: Looks) -> None:
    looks.go_back(LONG_AGO)
    assert (looks.begin(), looks.begin()) == (LONG_AGO, NOW - MARGIN)


def test_it_never_goes_forward_to_what_is_due(looks: Looks) -> None:
    looks.go_back(JUST_NOW)
    assert looks.begin() == NOW - MARGIN


def test_told_during_a_look_it_goes_back_behind_it(looks: Looks) -> None:
    looks.begin()
    looks.go_back(LONG_AGO)
    looks.end(NOW)
    assert looks.begin() == LONG_AGO


def test_it_follows_a_clock_that_is_set_back(looks: Looks) -> None:
    looks.end(LONG_AGO)
    assert looks.begin() == LONG_AGO - MARGIN
