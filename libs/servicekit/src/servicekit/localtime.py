"""Wall-clock times to instants, across daylight saving.

The rule: a wall time that a zone skips moves to the end of the gap; one that happens twice means the first. Source:
PEP 495. Pure but for the names of zones; called by booking, notification, web, servicekit.http.models and
tenant_operator.reconcile.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""Listed by zoneinfo, but no place's zone: the machine's own settings, and one for machines that have none."""


@lru_cache(maxsize=10_000)
def instant_of(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall time on a local date. Remembered, as the same are asked for again and again."""
    local = datetime.combine(day, wall.replace(fold=0), zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    # In a gap, fold=0 takes the offset before it, fold=1 the one after: the gap is as long as they differ, and
    # it ends where the offset changes. The two instants enclose that moment.
    low = local.replace(fold=1).astimezone(UTC)
    high = instant
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        if middle in {low, high}:
            break
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which a local date begins and the next begins."""
    return instant_of(day, time(0), zone), instant_of(day + timedelta(days=1), time(0), zone)


@cache
def zone_names() -> frozenset[str]:
    """The IANA database's zones. Read once, as that opens each zone's file: some milliseconds."""
    return frozenset(available_timezones()) - _NO_PLACES


def zone_or(name: str, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone of this name, or another one when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # ValueError: no name of a zone at all
        return otherwise
