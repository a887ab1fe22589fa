"""Reads a calendar from elsewhere into the times that it takes: opaque events, repetitions followed to a horizon,
and the times of a calendar that tells no more than when somebody is busy.

A program of its own, started by booking.busy_calendars.fetching: what a stranger's calendar asks for can cost any
amount of time (a rule that repeats each second, or one that never comes true), so it gets a process that may take
only so much and can be ended. Input: the calendar on standard input. Output: JSON, `[[appointment, start, end], …]`
in seconds since 1970. A UID is as long as a stranger likes, so it is not told; but which appointment of ours it
names is, else null. What is wrong is one line on standard error, for the person who typed the address, and exit
code 2.
"""

import json
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar, vRecur

from servicekit.ical import appointment_of

MOST = 20_000
"""Times of one calendar; a person with more of them is none."""
_CPU_SECONDS = 5
_MEMORY = 192 * 1024 * 1024
_LONGEST = 40
_DAY = timedelta(days=1)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Beyond the years that anything can be booked in, all times are these, so that they can be reckoned with."""

Taken = tuple[UUID | None, datetime, datetime]
Event = Mapping[str, Any]
"""A VEVENT's properties."""


class UnreadableError(Exception):
    """What is wrong with the calendar, as the end of a sentence that begins with it."""


def busy_times(content: bytes, zone: tzinfo, begin: datetime, end: datetime) -> list[Taken]:
    """(appointment, start, end) of each time taken between two instants; None for an event that is not ours.

    `zone` is where the staff member works: a date, and a time without a zone, are meant there.

    Raises UnreadableError.
    """
    try:
        calendars = Calendar.from_ical(content, multiple=True)  # as a file may have (RFC 5545, 3.4)
    except (ValueError, IndexError, KeyError) as error:
        raise UnreadableError("is not an iCalendar file") from error
    if {calendar.name for calendar in calendars} != {"VCALENDAR"}:
        raise UnreadableError("is not an iCalendar file")
    found: list[Taken] = []
    for appointment_id, start, until in _taken(calendars, zone, end):
        if begin < until and start < until and start < end:
            found.append((appointment_id, max(start, _FIRST), min(until, _LAST)))
        if len(found) > MOST:
            raise UnreadableError(f"holds more than {MOST} times that are taken")
    return found


def _taken(calendars: list[Any], zone: tzinfo, end: datetime) -> Iterator[Taken]:
    """Of all time; repetitions up to `end`."""
    events = (event for calendar in calendars for event in calendar.walk("VEVENT"))
    for uid, same in _by_uid(events).items():
        appointment_id = appointment_of(uid)
        try:
            for start, until in _of_series(same, zone, end):
                yield appointment_id, start, until
        except _FAULTS as error:
            raise UnreadableError(f"holds an event that cannot be read{_named(same[0])}") from error
    for calendar in calendars:
        for told in calendar.walk("VFREEBUSY"):
            try:
                yield from ((None, *times) for times in _busy(told, zone))
            except _FAULTS as error:
                raise UnreadableError("holds a busy time that cannot be read") from error


_FAULTS = (ValueError, TypeError, AttributeError, LookupError)
"""What a stranger's words raise where they are no dates, lengths or rules."""


def _named(event: Event) -> str:
    """Where to look for it; its title is not for everybody who may read this."""
    begins = event["DTSTART"]
    text = str(begins) if isinstance(begins, str) else begins.to_ical().decode()
    return f": the one that begins at {text[:_LONGEST]!a}"


def _busy(told: Event, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """The busy periods of a VFREEBUSY (RFC 5545, 3.6.4), whose FREEBUSY may also say when somebody is free."""
    for period in _listed(told, "FREEBUSY"):
        if str(period.params.get("FBTYPE", "BUSY")).upper() != "FREE":
            first, last = period.dt
            start = _instant(first, zone)
            yield start, _after(start, last) if isinstance(last, timedelta) else _instant(last, zone)


def _by_uid(events: Iterable[Any]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if "DTSTART" in event:  # without a start it takes no time
            found.setdefault(str(event.get("UID", "")), []).append(event)
    return found


def _of_series(events: list[Event], zone: tzinfo, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The times of the events with one UID: a series, and its occurrences that were changed one by one."""
    moved = {_instant(event["RECURRENCE-ID"].dt, zone) for event in events if "RECURRENCE-ID" in event}
    for event in events:
        if not _takes_time(event):
            continue
        alone = "RECURRENCE-ID" in event
        for start, until in _occurrences(event, zone, end, repeats=not alone):
            if alone or start not in moved:
                yield start, until


def _takes_time(event: Event) -> bool:
    transparent = str(event.get("TRANSP", "OPAQUE")).upper() == "TRANSPARENT"
    return not transparent and str(event.get("STATUS", "")).upper() != "CANCELLED"


def _end(event: Event, start: datetime, zone: tzinfo) -> datetime:
    """The end of the occurrence at `start`, which lasts as long as the first one, or as many whole days."""
    first = event["DTSTART"].dt
    timed = isinstance(first, datetime)
    if "DTEND" in event:
        last = event["DTEND"].dt
        length = (
            _instant(last, zone) - _instant(first, zone) if timed else _wall(last, zone) - _wall(first, zone)
        )
    elif "DURATION" in event:
        length = event["DURATION"].dt
    else:
        length = timedelta(0)
    if timed:
        return _after(start, length)
    # DTEND is the day after the last (RFC 5545, 3.6.1), but some programs write the first again for one day.
    return _instant(_after(_wall(start, zone), max(length, _DAY)), zone)


def _occurrences(
    event: Event, zone: tzinfo, end: datetime, *, repeats: bool
) -> Iterator[tuple[datetime, datetime]]:
    """When it begins, up to `end`, and ends; rules are followed in the wall time of the event's zone."""
    first = event["DTSTART"].dt
    if not repeats:
        start = _instant(first, zone)
        yield start, _end(event, start, zone)
        return
    own = first.tzinfo if isinstance(first, datetime) and first.tzinfo is not None else zone
    left_out = {_instant(item.dt, zone) for item in _dates(event, "EXDATE")}
    lasting = dict(_periods(event, own))
    yield from ((start, until) for start, until in lasting.items() if start not in left_out)
    seen = left_out | lasting.keys()
    for local in _locals(event, _wall(first, own), own, end):
        start = _in(local.replace(tzinfo=own), UTC)
        if start not in seen:
            seen.add(start)
            yield start, _end(event, start, zone)


def _periods(event: Event, own: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Occurrences that have a length of their own, whatever a rule says of their start (RFC 5545, 3.8.5.2)."""
    for item in _dates(event, "RDATE"):
        if isinstance(item.dt, tuple):
            begin, last = item.dt
            start = _instant(begin, own)
            yield start, _after(start, last) if isinstance(last, timedelta) else _instant(last, own)


def _locals(event: Event, first: datetime, own: tzinfo, end: datetime) -> Iterator[datetime]:
    yield first
    for item in _dates(event, "RDATE"):
        if not isinstance(item.dt, tuple):
            yield _wall(item.dt, own)
    last = _wall(end, own) + _DAY
    for rule in _listed(event, "RRULE"):
        until = _until(rule, own)
        bounded: Any = vRecur({name: value for name, value in rule.items() if name.upper() != "UNTIL"})
        for local in rrulestr(bounded.to_ical().decode(), dtstart=first):
            if local > last or (until is not None and local > until):
                break
            yield local


def _until(rule: vRecur, own: tzinfo) -> datetime | None:
    values = rule.get("UNTIL")
    if not values:
        return None
    value = values[0] if isinstance(values, list) else values
    if not isinstance(value, datetime):
        return datetime.combine(value, time.max)
    return _wall(value, own)


def _dates(event: Event, name: str) -> Iterator[Any]:
    for item in _listed(event, name):
        yield from item.dts


def _listed(event: Event, name: str) -> list[Any]:
    value = event.get(name, [])
    return value if isinstance(value, list) else [value]


def _wall(value: date, own: tzinfo) -> datetime:
    """The local time in the zone; midnight for a date."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(0))
    return value.replace(tzinfo=None) if value.tzinfo is None else _in(value, own).replace(tzinfo=None)


def _instant(value: date, zone: tzinfo) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return _in(value, UTC)
    return _in(_wall(value, zone).replace(tzinfo=zone), UTC)


def _in(value: datetime, zone: tzinfo) -> datetime:
    """The same instant in a zone, _FIRST or _LAST where that has no such year.

    Programs write the first and the last moment that they know for no time at all: 0001-01-01T00:00:00, or
    99991231T235959Z.
    """
    try:
        return value.astimezone(zone)
    except OverflowError:
        return (_FIRST if value.year == 1 else _LAST).astimezone(zone)


def _after(moment: datetime, length: timedelta) -> datetime:
    try:
        return moment + length
    except OverflowError:
        return _LAST.replace(tzinfo=moment.tzinfo)


def main() -> int:
    """`python -m booking.busy_calendars.reading <zone> <begin> <end>`, the instants in seconds since 1970."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    zone, begin, end = sys.argv[1:]
    span = [datetime.fromtimestamp(int(value), UTC) for value in (begin, end)]
    try:
        found = busy_times(sys.stdin.buffer.read(), ZoneInfo(zone), *span)
    except UnreadableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    told = [(own and str(own), start.timestamp(), until.timestamp()) for own, start, until in found]
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
