"""Fields and values of the audit trails in plain words; `web.dashboard.history_words` makes lines of them.

The trails speak of ids, minutes, minor units and lists (docs/records.md). A field that is not known here by name is
shown as it stands there: a newer release may have written it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from web import times
from web.dashboard.languages import language
from web.dashboard.message_words import KINDS
from web.money import money


@dataclass(frozen=True, slots=True)
class Known:
    """What is needed to show ids, times and amounts: names by id, the zone, the currency.

    `things` are rooms and equipment. `members` is None where their names could not be had.
    """

    zone: str
    currency: str
    services: Mapping[str, str]
    staff: Mapping[str, str]
    things: Mapping[str, str]
    members: Mapping[str, str] | None


_LABELS = {
    "service_id": "Service",
    "staff_ids": "With",
    "starts_at": "Starts",
    "ends_at": "Ends",
    "locale": "Language",
    "consent": "May be written to",
    "phone": "Phone",
    "email": "E-mail",
    "host": "Found at",
    "display_name": "Name",
    "contact_email": "E-mail",
    "contact_phone": "Phone",
    "timezone": "Time zone",
    "price_amount": "Price",
    "duration_minutes": "Takes",
    "buffer_before_minutes": "Time before",
    "buffer_after_minutes": "Time after",
    "slot_step_minutes": "Starts every",
    "minimum_notice_minutes": "Booked at least so long before",
    "booking_window_days": "Booked at most so long before",
    "cancellation_window_minutes": "Cancelled at least so long before",
    "requires_confirmation": "Has to be confirmed",
    "staff_count": "People who do it together",
    "capacity": "Places",
    "rules": "Reminders",
    "channels": "For messages",
    "channel": "For messages",
    "notices": "Not only for reminders",
    "scope": "Blocked for",
    "to": "Until",
    "url": "Address",
    "url_query": "End of the address",
    "events": "Told of",
    "enabled": "Switched on",
}
_PARTS = {"subject": "subject", "lead": "beginning", "text": "text"}
_WAYS = {"email": "by e-mail", "sms": "by text message"}
_WORDS = {
    "no-show": "did not come",
    "pending": "to be confirmed",
    "by-hand": "entered by hand",
    "all": "all messages",
} | _WAYS
_CODED = frozenset({"status", "channel", "channels", "reason", "scope"})
"""Fields whose values are codes, shown by _WORDS. In any other field, somebody may have typed `all` as a text."""
_ABSENT = {"exceptions": "as every week", "weekly_hours": "always available", "days": "open"}
"""What holds where nothing is set, by the field's first part."""


def label(field: str) -> str:
    """What a field is called. Some name one of several: `exceptions/2026-12-24`, `reminder/sms/en/text`."""
    first, *rest = field.split("/")
    if not rest:
        return _LABELS.get(field, readable(field))
    if first == "time_off":
        return "Time off"
    if first in {"exceptions", "days"}:
        return f"On {_day(rest[0])}"
    if len(rest) == 3:
        channel, tag, part = rest
        message = f"{KINDS.get(first, readable(first))} {_WAYS.get(channel, channel)}"
        return f"{message}, {language(tag)}, {_PARTS.get(part, part)}"
    return readable(field)


def value(field: str, found: Any, known: Known) -> str | None:
    """What a field holds; None where it holds nothing."""
    first = field.partition("/")[0]
    if found is None:
        return "the usual words" if field.count("/") == 3 else _ABSENT.get(first)
    try:
        if first in _READERS:
            return _READERS[first](found, known)
        if first.endswith("_minutes"):
            return _span(60 * found)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # An older release may have written the field in another form.
        return _plain(found)
    return _plain(found, _WORDS if first in _CODED else {}) or None


def readable(name: str) -> str:
    """`no-show_count` as No show count."""
    words = name.replace("-", " ").replace("_", " ").replace(".", " ").replace("/", " ")
    return words[:1].upper() + words[1:]


def _plain(found: Any, words: Mapping[str, str] = MappingProxyType({})) -> str:
    match found:
        case bool():
            return "yes" if found else "no"
        case str():
            return words.get(found, found)
        case list():
            return ", ".join(_plain(item, words) for item in found) or "none"
        case dict():
            return ", ".join(f"{readable(name)}: {_plain(item)}" for name, item in found.items())
        case None:
            return "nothing"
        case _:
            return str(found)


def _span(seconds: int) -> str:
    return times.offset_words(seconds) if seconds else "none"


def _day(text: str) -> str:
    day = times.day_or(text, None)
    return f"{times.short_day(day)} {day.year}" if day else text


def _moment(text: str, known: Known) -> str:
    at = times.local(text, known.zone)
    return f"{times.short_day(at)} {at.year}, {at:%H:%M}"


def _people(ids: Sequence[str], known: Known) -> str:
    """Their names; `staff_ids` has the appointment's rooms and equipment too."""
    names = {**known.things, **known.staff}
    return (
        ", ".join(dict.fromkeys(names.get(each, "somebody or something former") for each in ids)) or "nobody"
    )


def _intervals(found: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(f"{item['opens'][:5]}–{item['closes'][:5]}" for item in found) or "not available"


def _week(found: Sequence[Mapping[str, Any]]) -> str:
    """Consecutive days with the same hours in one: Mon–Fri 09:00–17:00."""
    alike: list[tuple[list[int], str]] = []
    for day, of_day in groupby(sorted(found, key=_begin), key=lambda item: int(item["weekday"])):
        hours = _intervals(list(of_day))
        if alike and alike[-1][0][-1] == day - 1 and alike[-1][1] == hours:
            alike[-1][0].append(day)
        else:
            alike.append(([day], hours))
    return "; ".join(f"{_days(days)} {hours}" for days, hours in alike) or "no hours"


def _begin(item: Mapping[str, Any]) -> tuple[int, str]:
    return item["weekday"], item["opens"]


def _days(days: Sequence[int]) -> str:
    ends = dict.fromkeys((days[0], days[-1]))
    return "–".join(times.DAYS[day][:3] for day in ends)


def _consent(found: Mapping[str, bool]) -> str:
    return " and ".join(words for way, words in _WAYS.items() if found.get(way)) or "not at all"


def _rules(found: Sequence[Mapping[str, Any]]) -> str:
    rules = sorted(found, key=lambda rule: -rule["offset_seconds"])
    return ", ".join(f"{_span(rule['offset_seconds'])} {_WAYS[rule['channel']]}" for rule in rules) or "none"


def _needs(found: Sequence[Mapping[str, Any]], known: Known) -> str:
    return (
        "; ".join(f"{item['count']} of {_people(item['resource_ids'], known)}" for item in found) or "nothing"
    )


_READERS: Mapping[str, Callable[[Any, Known], str]] = {
    "starts_at": _moment,
    "ends_at": _moment,
    "service_id": lambda found, known: known.services.get(found, "a former service"),
    "staff_ids": _people,
    "weekly_hours": lambda found, known: _week(found),
    "exceptions": lambda found, known: _intervals(found),
    "days": lambda found, known: f"closed: {found}" if found else "closed",
    "time_off": lambda found, known: " – ".join(
        _moment(found[end], known) for end in ("starts_at", "ends_at")
    ),
    "consent": lambda found, known: _consent(found),
    "locale": lambda found, known: language(found),
    "timezone": lambda found, known: str(found).replace("_", " "),
    "price_amount": lambda found, known: money({"amount": found, "currency": known.currency}),
    "booking_window_days": lambda found, known: _span(86400 * found),
    "rules": lambda found, known: _rules(found),
    "needs": _needs,
    "questions": lambda found, known: ", ".join(item["label"] for item in found) or "none",
    "events": lambda found, known: ", ".join(
        "everything" if name == "*" else readable(name) for name in found
    ),
    "from": lambda found, known: str(found)[:5],
    "to": lambda found, known: str(found)[:5],
}
