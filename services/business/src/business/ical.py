"""Reads closed days from an iCalendar file (RFC 5545): whole days, several in a row, and those of every year.

Pure; called by business.closures, and for MAX_BYTES by its routes. What is not supported is refused with the
event's name, and nothing is guessed: else a business could be booked on a day that it has closed.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Component, vRecur

from business.domain import MAX_HOLIDAYS
from contracts.business import Holiday
from servicekit.errors import Invalid

MAX_BYTES = 256 * 1024
_MAX_EVENTS = 300
_AHEAD = timedelta(days=3 * 366)
_LONGEST = timedelta(days=366)
_DAY = timedelta(days=1)
_NAME = 120
_YEARLY = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "WKST"})
_OF_MONTH = frozenset({"BYMONTHDAY", "BYDAY"})
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_REPLACES = "RECURRENCE-ID"
_EARLIEST = date(1900, 1, 1)


def closed_days(calendar: bytes, today: date) -> list[Holiday]:
    """The days of the calendar's events from `today` until three years on. Raises Invalid, naming what is wrong."""
    events = _parse(calendar).walk("VEVENT")
    if not events:
        raise _refused("the calendar holds no event")
    if len(events) > _MAX_EVENTS:
        raise _refused(f"the calendar holds {len(events)} events; {_MAX_EVENTS} are the most")
    found: dict[date, Holiday] = {}
    named = [(f"event {place}, {_name(event)!r}", event) for place, event in enumerate(events, 1)]
    replaced = _replaced(named)
    for what, event in named:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        name = _name(event)
        for day in _days(event, what, today, replaced):
            found.setdefault(day, Holiday(date=day, name=name))
        if len(found) > MAX_HOLIDAYS:
            raise _refused(f"it closes more than {MAX_HOLIDAYS} days of the next three years")
    if not found:
        raise _refused("none of its events lies in the next three years")
    return [found[day] for day in sorted(found)]


def _name(event: Component) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in str(event.get("SUMMARY", "")))
    return " ".join(shown.split())[:_NAME] or "Closed"


def _refused(detail: str) -> Invalid:
    return Invalid.field("/", detail)


def _parse(calendar: bytes) -> Component:
    try:
        text = calendar.decode("utf-8-sig")
        # As bytes: icalendar takes a text of one line for the name of a file, any of this machine's, and reads it.
        parsed: Component = Calendar.from_ical(text.encode())
    except UnicodeDecodeError:
        raise _refused("the file is not UTF-8") from None
    except (ValueError, IndexError, KeyError) as error:
        raise _refused(f"this is not an iCalendar file: {str(error)[:200]}") from None
    except Exception:  # noqa: BLE001 - icalendar fails on some parameters with whatever Python raises
        raise _refused(
            "something in the file cannot be read, such as a VALUE or TZID that does not suit its property"
        ) from None
    return parsed


def _replaced(named: list[tuple[str, Component]]) -> set[tuple[str, date]]:
    """UID and first day of each repetition that another event, perhaps a cancelled one, replaces."""
    found: set[tuple[str, date]] = set()
    for what, event in named:
        if any(field == _REPLACES for field, _fault in event.errors):
            raise _unread(event, what)
        if _REPLACES not in event:
            continue
        if "UID" not in event:
            raise _refused(f"{what} has a {_REPLACES} and no UID")
        day = _whole_day(event[_REPLACES], _REPLACES, what)
        if "RANGE" in event[_REPLACES].params:
            raise _refused(f"{what} changes all that follow; write these dates as events of their own")
        found.add((str(event["UID"]), day))
    return found


def _unread(event: Component, what: str) -> Invalid:
    field, fault = event.errors[0]
    return _refused(f"{what}: {field} cannot be read: {fault}")


def _days(event: Component, what: str, today: date, replaced: set[tuple[str, date]]) -> Iterator[date]:
    first, length = _span(event, what)
    last = today + _AHEAD
    left_out = _left_out(event, what)
    if _REPLACES not in event:
        left_out |= {day for uid, day in replaced if uid == str(event.get("UID", ""))}
    for start in _starts(event, what, first, last):
        if start in left_out or start + length <= today:
            continue
        for offset in range(length.days):
            day = start + offset * _DAY
            if today <= day <= last:
                yield day


def _span(event: Component, what: str) -> tuple[date, timedelta]:
    """The event's first day, and its length in whole days."""
    if event.errors:
        raise _unread(event, what)
    if "DTSTART" not in event:
        raise _refused(f"{what} has no DTSTART")
    first = _whole_day(event["DTSTART"], "DTSTART", what)
    if first < _EARLIEST:
        raise _refused(f"{what} begins before {_EARLIEST.year}")
    if "RDATE" in event:
        raise _refused(f"{what} has an RDATE; write these dates as events of their own")
    length = _DAY
    if "DTEND" in event:
        length = _whole_day(event["DTEND"], "DTEND", what) - first
    elif "DURATION" in event:
        length = _value(event["DURATION"], "DURATION", what)
    if not isinstance(length, timedelta) or length < _DAY or length % _DAY:
        raise _refused(f"{what} does not end behind its first day; DTEND is the day after the last")
    if length > _LONGEST:
        raise _refused(f"{what} lasts longer than a year")
    return first, length


def _value(field: Any, name: str, what: str) -> Any:
    if isinstance(field, list):
        raise _refused(f"{what} has {name} more than once")
    if not hasattr(field, "dt"):
        raise _refused(f"{what}: {name} has a VALUE that is neither date nor duration")
    return field.dt


def _whole_day(field: Any, name: str, what: str) -> date:
    value = _value(field, name, what)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise _refused(f"{what}: {name} has a time of day; only whole days can be taken")
    return value


def _left_out(event: Component, what: str) -> set[date]:
    given = event.get("EXDATE", [])
    lists: list[Any] = given if isinstance(given, list) else [given]
    return {_whole_day(item, "EXDATE", what) for dates in lists for item in dates.dts}


def _starts(event: Component, what: str, first: date, last: date) -> Iterator[date]:
    """The first days of the event and of its repetitions up to `last`."""
    if "RRULE" not in event or _REPLACES in event:
        if first <= last:
            yield first
        return
    rule = _YearlyRule(event["RRULE"], what, first)
    left = rule.count
    for year in range(first.year, last.year + 1, rule.interval):
        for day in rule.days_of(year):
            if day < first or day > min(last, rule.until):
                continue
            if left == 0:
                return
            left = None if left is None else left - 1
            yield day


class _YearlyRule:
    """A rule for days of one month every year: its own date, BYMONTHDAY or BYDAY (RFC 5545 §3.3.10)."""

    def __init__(self, rule: Any, what: str, first: date) -> None:
        """Raises Invalid for a rule that says more than that."""
        if not isinstance(rule, vRecur):
            raise _refused(f"{what} has more than one RRULE")
        self._parts: dict[str, list[Any]] = {str(name).upper(): list(rule[name]) for name in rule}
        plain = self._parts.get("FREQ") == ["YEARLY"] and self._parts.keys() <= _YEARLY
        months = self._parts.get("BYMONTH", [first.month])
        # A leap month (RFC 7529) is one of another calendar system.
        plain = plain and not getattr(months[0], "leap", False)
        # Without BYMONTH, BYMONTHDAY and BYDAY would apply to every month, or to the year.
        if not plain or len(months) != 1 or ("BYMONTH" not in self._parts and self._parts.keys() & _OF_MONTH):
            raise _refused(
                f"{what} has an RRULE that cannot be taken: only what comes once a year, on a date or on a weekday "
                "of a month; write its dates as events of their own"
            )
        self._month = int(months[0])
        self._first = first
        self.interval: int = self._one("INTERVAL", 1)
        self.count: int | None = self._one("COUNT", None)
        if (
            self.interval < 1
            or (self.count is not None and self.count < 1)
            or self._month not in range(1, 13)
        ):
            raise _refused(f"{what} has an RRULE that never comes")
        until = self._one("UNTIL", date.max)
        if not isinstance(until, date):
            raise _refused(f"{what} has an RRULE whose UNTIL is no date")
        self.until: date = until.date() if isinstance(until, datetime) else until
        # Sets, as each day of many years is looked for in them.
        self._days = self._all("BYMONTHDAY", int)
        self._weekdays = self._all("BYDAY", lambda item: (item.weekday, item.relative or 0))

    def _one(self, name: str, default: Any) -> Any:
        return self._parts.get(name, [default])[0]

    def _all(self, name: str, form: Callable[[Any], Any]) -> frozenset[Any] | None:
        """None where the rule does not say."""
        return frozenset(map(form, self._parts[name])) if name in self._parts else None

    def days_of(self, year: int) -> list[date]:
        """Its days in that year, by date; none where the year does not have it."""
        length = monthrange(year, self._month)[1]
        return [date(year, self._month, day) for day in range(1, length + 1) if self._is(year, day, length)]

    def _is(self, year: int, day: int, length: int) -> bool:
        if self._days is None and self._weekdays is None:
            return day == self._first.day
        if self._days is not None and self._days.isdisjoint({day, day - length - 1}):
            return False
        if self._weekdays is None:
            return True
        name = _WEEKDAYS[date(year, self._month, day).weekday()]
        from_start, from_end = (day - 1) // 7 + 1, -((length - day) // 7 + 1)
        return not self._weekdays.isdisjoint({(name, 0), (name, from_start), (name, from_end)})
