"""Instants as people read them, in a zone; used by the pages and the templates."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from servicekit.localtime import instant_of, zone_names

_YEARS = range(1000, 9000)
"""The years that are taken: Python has 1 to 9999, and days and weeks around a date must exist in every zone."""
_Default = TypeVar("_Default", dt.date, None)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def zone_or(name: str | None, default: str) -> str:
    """The zone's name when it is one, else the default."""
    return name if name in zone_names() else default


def instant(text: str) -> dt.datetime:
    """An RFC 3339 time. Raises ValueError when it is none, has no offset, or lies thousands of years away."""
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a time without an offset")
    if value.year not in _YEARS:
        raise ValueError("a time out of all bounds")
    return value


def local(value: str | dt.datetime, zone: str) -> dt.datetime:
    """The wall-clock time in the zone."""
    moment = instant(value) if isinstance(value, str) else value
    return moment.astimezone(ZoneInfo(zone))


def clock(value: dt.datetime) -> str:
    """09:00; 01:30 WEST, with the zone's abbreviation, where that time comes twice as the clocks are put back."""
    twice = value.replace(fold=1 - value.fold).utcoffset() != value.utcoffset()
    return f"{value:%H:%M %Z}" if twice else f"{value:%H:%M}"


def to_input(moment: dt.datetime) -> str:
    """A local time as the value of a datetime-local input."""
    return f"{moment:%Y-%m-%dT%H:%M}"


def from_input(text: str, zone: str) -> dt.datetime:
    """The local time of a datetime-local input's value. Raises ValueError.

    A time that comes twice means the first one; a time that the clocks skip moves to the end of the gap.
    """
    wall = dt.datetime.fromisoformat(text)
    if wall.tzinfo is not None or wall.year not in _YEARS:
        raise ValueError("no local date and time")
    return instant_of(wall.date(), wall.time(), ZoneInfo(zone)).astimezone(ZoneInfo(zone))


def today(zone: str) -> dt.date:
    return dt.datetime.now(ZoneInfo(zone)).date()


def day_or(text: str | None, default: _Default) -> dt.date | _Default:
    """The ISO date, else the default; also for one that lies thousands of years away."""
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        return default
    return day if day.year in _YEARS else default


def day_bounds(day: dt.date, zone: str, days: int = 1) -> tuple[dt.datetime, dt.datetime]:
    """The instants at which local days begin and end."""
    tz = ZoneInfo(zone)
    begin = dt.datetime.combine(day, dt.time(), tz)
    end = dt.datetime.combine(day + dt.timedelta(days=days), dt.time(), tz)
    return begin.astimezone(dt.UTC), end.astimezone(dt.UTC)


def long_day(value: dt.date) -> str:
    """Tuesday, 3 March 2026."""
    return f"{DAYS[value.weekday()]}, {value.day} {value:%B} {value.year}"


def month(value: str) -> str:
    """March 2026, of 2026-03."""
    return f"{dt.date.fromisoformat(f'{value}-01'):%B %Y}"


def short_day(value: dt.date) -> str:
    """Tue 3 Mar."""
    return f"{value:%a} {value.day} {value:%b}"


def days_in_words(first: dt.date, last: dt.date) -> str:
    """Fri 25 Dec 2026, or Mon 3 Aug – Fri 14 Aug 2026."""
    if first == last:
        return f"{short_day(last)} {last.year}"
    begin = short_day(first) if first.year == last.year else f"{short_day(first)} {first.year}"
    return f"{begin} – {short_day(last)} {last.year}"


def by_day(slots: Iterable[dict[str, Any]], zone: str) -> dict[dt.date, list[dict[str, Any]]]:
    """Slots grouped by their local date, each with its local start under `local`."""
    days: dict[dt.date, list[dict[str, Any]]] = {}
    for slot in slots:
        start = local(slot["starts_at"], zone)
        days.setdefault(start.date(), []).append(slot | {"local": start})
    return days


def offset_words(seconds: int) -> str:
    """1 day, 90 minutes: how long before an appointment a reminder goes out."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise ValueError("seconds must be a whole number")
