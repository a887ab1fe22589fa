"""Recurring starts: the same time on the wall every so many days, weeks or months, across daylight saving.

Pure; used by booking.series. Wall times are turned into instants as everywhere (servicekit.localtime): one that a
zone skips moves to the end of the gap, one that happens twice means the first. A month without the first start's
day has no start and counts for none (RFC 5545, 3.3.10, ignores dates that do not exist).
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from servicekit.localtime import instant_of

MOST = 52
"""Starts of one series."""


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Rule:
    """Every `interval` days, weeks or months: `count` times, or until a local date, inclusive."""

    every: Every
    interval: int
    count: int | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Recurring:
    """The starts, as UTC instants by time, and the months (`YYYY-MM`) between them that lack the day."""

    starts: tuple[datetime, ...]
    months_without_day: tuple[str, ...]


def recurring(first: datetime, rule: Rule, zone: ZoneInfo, horizon: datetime) -> Recurring:
    """What the rule makes of a first start; one start more than MOST, or one behind `horizon`, ends it early."""
    local = first.astimezone(zone)
    starts = [first.astimezone(UTC)]
    lacking: list[str] = []
    steps = 0
    while len(starts) < (rule.count or MOST + 1):
        steps += 1
        year, month, day = _step(local.date(), rule, steps)
        if day > calendar.monthrange(year, month)[1]:
            lacking.append(f"{year:04}-{month:02}")
            continue
        start = date(year, month, day)
        if rule.until is not None and start > rule.until:
            break
        starts.append(instant_of(start, local.time(), zone))
        if starts[-1] > horizon:
            break
    last = starts[-1].astimezone(zone)
    between = tuple(name for name in lacking if name < f"{last:%Y-%m}")
    return Recurring(tuple(starts), between)


def _step(first: date, rule: Rule, steps: int) -> tuple[int, int, int]:
    """Year, month and day of the start after so many steps; the month may lack the day."""
    if rule.every is Every.MONTH:
        years, month = divmod(first.month - 1 + steps * rule.interval, 12)
        return first.year + years, month + 1, first.day
    days = steps * rule.interval * (7 if rule.every is Every.WEEK else 1)
    day = first + timedelta(days=days)
    return day.year, day.month, day.day
