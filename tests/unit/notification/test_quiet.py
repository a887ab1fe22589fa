"""Quiet hours across midnight and across changes of clocks, and against a slow look at the wall clock."""

import random
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from contracts.booking import Channel
from notification.quiet import MARGIN, QuietHours

LISBON = ZoneInfo("Europe/Lisbon")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def quiet(begins: str, ends: str) -> QuietHours:
    return QuietHours(
        version=1,
        begins=time.fromisoformat(begins),
        ends=time.fromisoformat(ends),
        channels=frozenset(Channel),
        notices=False,
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        (("22:00", "08:00"), "2026-01-10 21:59:59", None),
        (("22:00", "08:00"), "2026-01-10 22:00", "2026-01-11 08:00"),
        (("22:00", "08:00"), "2026-01-11 03:00", "2026-01-11 08:00"),
        (("22:00", "08:00"), "2026-01-11 07:59:59", "2026-01-11 08:00"),
        (("22:00", "08:00"), "2026-01-11 08:00", None),
        (("12:00", "14:00"), "2026-01-11 13:00", "2026-01-11 14:00"),
        (("12:00", "14:00"), "2026-01-11 14:00", None),
        (("00:00", "07:00"), "2026-01-11 00:00", "2026-01-11 07:00"),
        # The clocks go forward at 01:00 UTC on 29 March: summer time is an hour ahead of UTC.
        (("22:00", "08:00"), "2026-03-28 23:00", "2026-03-29 07:00"),
        (("22:00", "01:30"), "2026-03-28 23:00", "2026-03-29 01:00"),
        (("01:30", "08:00"), "2026-03-29 00:59:59", None),
        (("01:30", "08:00"), "2026-03-29 01:00", "2026-03-29 07:00"),
        (("01:10", "01:50"), "2026-03-29 01:00", None),
        # And back at 01:00 UTC on 25 October: from 00:00 UTC on, 01:00 to 02:00 comes twice.
        (("22:00", "08:00"), "2026-10-24 22:00", "2026-10-25 08:00"),
        (("22:00", "01:30"), "2026-10-25 00:29:59", "2026-10-25 00:30"),
        (("22:00", "01:30"), "2026-10-25 01:15", None),
        (("01:30", "08:00"), "2026-10-25 01:15", "2026-10-25 08:00"),
    ],
)
def test_they_end_by_the_wall_clock(hours: tuple[str, str], now: str, until: str | None) -> None:
    expected = utc(until) if until else None
    assert quiet(*hours).hold_until(utc(now), LISBON, FAR) == expected


def test_what_would_come_too_late_goes_out_at_once() -> None:
    night, now = quiet("22:00", "08:00"), utc("2026-01-11 03:00")
    end = utc("2026-01-11 08:00")
    assert night.hold_until(now, LISBON, end + MARGIN) == end
    assert night.hold_until(now, LISBON, end + MARGIN - timedelta(seconds=1)) is None


def test_they_are_what_the_wall_clock_shows_minute_by_minute() -> None:
    """On days without a change of clocks, which the cases above are about."""
    seed = 20261128
    rng = random.Random(seed)  # noqa: S311 - the same each time
    zones = [
        ZoneInfo(name)
        for name in ("Europe/Lisbon", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
    ]
    minute = timedelta(minutes=1)
    for _ in range(300):
        zone = rng.choice(zones)
        begins, ends = (time(rng.randrange(24), rng.randrange(60)) for _ in range(2))
        now = datetime(2026, 1, 1, tzinfo=UTC) + rng.randrange(525_600) * minute
        offsets = {(now + timedelta(days=shift)).astimezone(zone).utcoffset() for shift in (-2, 0, 2)}
        if begins == ends or len(offsets) > 1:
            continue
        hours = QuietHours(1, begins, ends, frozenset(Channel), notices=False)
        seen = now
        while _quiet_on_the_wall(seen.astimezone(zone).time(), hours):
            seen += minute
        expected = seen if seen > now else None
        assert hours.hold_until(now, zone, FAR) == expected, f"seed {seed}: {hours}, {now}, {zone}"


def _quiet_on_the_wall(wall: time, hours: QuietHours) -> bool:
    if hours.begins < hours.ends:
        return hours.begins <= wall < hours.ends
    return wall >= hours.begins or wall < hours.ends
