"""Wall-clock times across daylight saving: gaps move to their end, folds mean the first."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from servicekit.http.models import TimeZone
from servicekit.localtime import day_bounds, instant_of, zone_names
from support.zones import later_zone


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "day", "wall", "instant"),
    [
        ("Europe/Lisbon", date(2026, 7, 1), time(9), "2026-07-01T08:00+00:00"),
        # 01:00 to 02:00 does not happen: it means 02:00 summer time.
        ("Europe/Lisbon", date(2026, 3, 29), time(1, 30), "2026-03-29T01:00+00:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:00+00:00"),
        # 01:30 happens twice: the first is still summer time.
        ("Europe/Lisbon", date(2026, 10, 25), time(1, 30), "2026-10-25T00:30+00:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30+00:00"),
        # Half an hour of daylight saving.
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:30+00:00"),
        # A zone whose midnight is skipped: the day begins at 01:00.
        ("Africa/Cairo", date(2026, 4, 24), time(0), "2026-04-23T22:00+00:00"),
        # A day that Samoa did not have.
        ("Pacific/Apia", date(2011, 12, 30), time(12), "2011-12-30T10:00+00:00"),
        ("Asia/Kolkata", date(2026, 1, 1), time(9, 15), "2026-01-01T03:45+00:00"),
    ],
)
def test_instant_of_a_wall_time(zone: str, day: date, wall: time, instant: str) -> None:
    assert instant_of(day, wall, ZoneInfo(zone)) == at(instant)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Lisbon", date(2026, 3, 29), 23),
        ("Europe/Lisbon", date(2026, 10, 25), 25),
        ("Europe/Lisbon", date(2026, 6, 1), 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone: str, day: date, hours: float) -> None:
    begin, end = day_bounds(day, ZoneInfo(zone))
    assert end - begin == timedelta(hours=hours)


def test_wall_times_of_a_day_never_run_backwards() -> None:
    for zone in ("Europe/Lisbon", "America/St_Johns", "Africa/Casablanca", "Antarctica/Troll"):
        for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1)):
            instants = [
                instant_of(day, time(minute // 60, minute % 60), ZoneInfo(zone)).astimezone(UTC)
                for minute in range(0, 1440, 10)
            ]
            assert instants == sorted(instants), (zone, day)


def a_zone(name: str) -> bool:
    """Whether a request may name it."""
    try:
        TypeAdapter(TimeZone).validate_python(name)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "name", ["Factory", "localtime", "posixrules", "posix/Europe/Lisbon", "", "Mars/Olympus"]
)
def test_what_is_no_zone_of_the_iana_database_is_refused(name: str) -> None:
    assert not a_zone(name)


def test_every_zone_of_the_iana_database_is_taken() -> None:
    assert {"UTC", "Europe/Lisbon", "America/Argentina/Ushuaia", "Etc/GMT+5"} <= zone_names()
    assert all(map(a_zone, zone_names()))


def test_a_request_that_names_a_zone_has_no_files_read(tmp_path: Path) -> None:
    with later_zone(tmp_path) as name:
        assert a_zone("Europe/Lisbon")
        assert not a_zone(name)
