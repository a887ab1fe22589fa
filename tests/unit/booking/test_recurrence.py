"""Recurring starts: the wall clock stays through every clock change, and dates that do not exist are left out."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.recurrence import MOST, Every, Rule, recurring

FAR = datetime(2040, 1, 1, tzinfo=UTC)


def walls(first: str, rule: Rule, zone: str) -> list[str]:
    """The starts as the zone's clocks show them, with their offset."""
    found = recurring(datetime.fromisoformat(first), rule, ZoneInfo(zone), FAR)
    return [start.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") for start in found.starts]


@pytest.mark.parametrize(
    ("zone", "first", "offsets"),
    [
        # Europe's summer time ends on 25 October 2026, North America's on 1 November, Lord Howe's begins on 4
        # October by half an hour, Cairo's ends on the last Friday of October at midnight.
        ("Europe/Lisbon", "2026-10-12T09:00+01:00", ["+01:00", "+01:00", "+00:00", "+00:00"]),
        ("America/New_York", "2026-10-19T09:00-04:00", ["-04:00", "-04:00", "-05:00", "-05:00"]),
        ("Australia/Lord_Howe", "2026-09-21T09:00+10:30", ["+10:30", "+10:30", "+11:00", "+11:00"]),
        ("Africa/Cairo", "2026-10-19T09:00+03:00", ["+03:00", "+03:00", "+02:00", "+02:00"]),
        ("Asia/Kolkata", "2026-10-12T09:00+05:30", ["+05:30", "+05:30", "+05:30", "+05:30"]),
    ],
)
def test_nine_stays_nine_when_the_clocks_change(zone: str, first: str, offsets: list[str]) -> None:
    found = walls(first, Rule(Every.WEEK, 1, count=4), zone)
    assert [wall[11:16] for wall in found] == ["09:00"] * 4
    assert [wall[16:] for wall in found] == offsets
    days = [date.fromisoformat(wall[:10]) for wall in found]
    assert {later - day for day, later in pairwise(days)} == {timedelta(days=7)}


@pytest.mark.parametrize(
    ("zone", "first", "expected"),
    [
        # The gap of 28 March 2027 in Lisbon is 01:00 to 02:00.
        ("Europe/Lisbon", "2027-03-27T01:30+00:00", ["01:30+00:00", "02:00+01:00", "01:30+01:00"]),
        ("America/New_York", "2027-03-13T02:30-05:00", ["02:30-05:00", "03:00-04:00", "02:30-04:00"]),
        # Twice on 31 October 2027: the first, which is still summer time.
        ("Europe/Lisbon", "2027-10-30T01:30+01:00", ["01:30+01:00", "01:30+01:00", "01:30+00:00"]),
        ("America/New_York", "2027-11-06T01:30-04:00", ["01:30-04:00", "01:30-04:00", "01:30-05:00"]),
        # Half an hour, on 3 October 2027.
        ("Australia/Lord_Howe", "2027-10-02T02:15+10:30", ["02:15+10:30", "02:30+11:00", "02:15+11:00"]),
    ],
)
def test_a_time_that_is_skipped_moves_to_the_gaps_end_and_one_that_repeats_is_the_first(
    zone: str, first: str, expected: list[str]
) -> None:
    assert [wall[11:] for wall in walls(first, Rule(Every.DAY, 1, count=3), zone)] == expected


def test_the_first_start_is_what_was_asked_for_even_the_second_of_two() -> None:
    """01:30 in Lisbon on 25 October 2026, when it comes round again."""
    found = walls("2026-10-25T01:30+00:00", Rule(Every.DAY, 1, count=2), "Europe/Lisbon")
    assert found == ["2026-10-25T01:30+00:00", "2026-10-26T01:30+00:00"]


@pytest.mark.parametrize(
    ("first", "interval", "days", "lacking"),
    [
        (
            "2027-01-31T09:00+00:00",
            1,
            ["2027-01-31", "2027-03-31", "2027-05-31", "2027-07-31"],
            ["2027-02", "2027-04", "2027-06"],
        ),
        ("2027-01-30T09:00+00:00", 1, ["2027-01-30", "2027-03-30", "2027-04-30", "2027-05-30"], ["2027-02"]),
        ("2027-01-28T09:00+00:00", 1, ["2027-01-28", "2027-02-28", "2027-03-28", "2027-04-28"], []),
        ("2026-11-30T09:00+00:00", 3, ["2026-11-30", "2027-05-30", "2027-08-30", "2027-11-30"], ["2027-02"]),
        ("2028-02-29T09:00+00:00", 12, ["2028-02-29", "2032-02-29", "2036-02-29"], None),
    ],
)
def test_a_month_without_the_day_is_left_out_and_counts_for_none(
    first: str, interval: int, days: list[str], lacking: list[str] | None
) -> None:
    rule = Rule(Every.MONTH, interval, count=len(days))
    zone = ZoneInfo("Europe/Lisbon")
    found = recurring(datetime.fromisoformat(first), rule, zone, FAR)
    assert [f"{start.astimezone(zone):%F}" for start in found.starts] == days
    if lacking is not None:
        assert list(found.months_without_day) == lacking


def test_the_day_is_the_zones_not_that_of_utc() -> None:
    """Half past eight in the evening of the 31st in Los Angeles is the 1st in UTC."""
    found = walls("2027-02-01T04:30+00:00", Rule(Every.MONTH, 1, count=2), "America/Los_Angeles")
    assert [wall[:16] for wall in found] == ["2027-01-31T20:30", "2027-03-31T20:30"]


def test_until_is_inclusive_and_local() -> None:
    rule = Rule(Every.DAY, 2, until=date(2027, 2, 5))
    assert [wall[:10] for wall in walls("2027-02-01T23:30+00:00", rule, "Europe/Lisbon")] == [
        "2027-02-01",
        "2027-02-03",
        "2027-02-05",
    ]


def test_an_end_too_far_away_shows_and_ends() -> None:
    first = datetime(2027, 1, 1, 9, tzinfo=UTC)
    many = recurring(first, Rule(Every.DAY, 1, until=date(2039, 1, 1)), ZoneInfo("UTC"), FAR)
    assert len(many.starts) == MOST + 1
    horizon = first + timedelta(days=30)
    long = recurring(first, Rule(Every.MONTH, 12, count=52), ZoneInfo("UTC"), horizon)
    assert long.starts == (first, datetime(2028, 1, 1, 9, tzinfo=UTC))


@given(
    zone=st.sampled_from(
        ["Europe/Lisbon", "America/St_Johns", "Africa/Casablanca", "Antarctica/Troll", "UTC"]
    ),
    minutes=st.integers(0, 2 * 365 * 24 * 60),
    every=st.sampled_from(Every),
    interval=st.integers(1, 12),
    count=st.integers(2, MOST),
)
def test_starts_run_forward_and_keep_the_wall_or_end_a_gap(
    zone: str, minutes: int, every: Every, interval: int, count: int
) -> None:
    tz, first = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = recurring(first, Rule(every, interval, count=count), tz, datetime(2400, 1, 1, tzinfo=UTC)).starts
    assert len(found) == count
    assert list(found) == sorted(set(found))
    wall = first.astimezone(tz).time()
    for start in found[1:]:
        local = start.astimezone(tz)
        if local.time() != wall:
            # A wall time that does not exist that day: what is shown instead is the very end of the gap.
            before = (start - timedelta(seconds=1)).astimezone(tz)
            assert before.utcoffset() != local.utcoffset()
            assert before.time() < wall < local.time()
