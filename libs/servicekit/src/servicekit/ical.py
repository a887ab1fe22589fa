"""Appointments as iCalendar (RFC 5545): booking's link and its feeds, and notification's mails.

All name an appointment alike, so that a calendar knows it again and replaces what it has: the UID stays, SEQUENCE
rises with each change. Pure. The import of other calendars asks here which events are our own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText

EventStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]
Method = Literal["PUBLISH", "CANCEL"]

MEDIA_TYPE = "text/calendar; charset=utf-8"
_DOMAIN = "@slotwright"


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """What a calendar shows of an appointment. `version` is the appointment's; `stamp` is when this was said."""

    appointment_id: UUID
    version: int
    starts_at: datetime
    ends_at: datetime
    status: EventStatus
    summary: str
    stamp: datetime
    url: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Organizer:
    """Who tells of the event; a method needs one (RFC 5546 §3.2)."""

    name: str
    email: str


def appointment_of(uid: str) -> UUID | None:
    """The appointment whose event has this UID; None for an event that is not ours."""
    name, domain, rest = uid.partition(_DOMAIN)
    if not domain or rest:
        return None
    try:
        return UUID(name)
    except ValueError:
        return None


def calendar_file(
    event: CalendarEvent, *, method: Method | None = None, organizer: Organizer | None = None
) -> bytes:
    """One appointment. With a method it is an iTIP message (RFC 5546) for a mail; without, a copy to download."""
    calendar = _calendar()
    if method is not None:
        calendar.add("method", method)
    calendar.add_component(_entry(event, organizer))
    return _bytes(calendar)


def calendar_feed(events: Iterable[CalendarEvent], *, name: str, refresh: timedelta) -> bytes:
    """Many appointments, with the feed's name and how often to fetch it again (RFC 7986)."""
    calendar = _calendar()
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", refresh, parameters={"VALUE": "DURATION"})
    for event in events:
        calendar.add_component(_entry(event, None))
    return _bytes(calendar)


def _calendar() -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//Slotwright//Booking//EN")
    calendar.add("version", "2.0")
    return calendar


def _entry(event: CalendarEvent, organizer: Organizer | None) -> Event:
    entry = Event()
    entry.add("uid", f"{event.appointment_id}{_DOMAIN}")
    entry.add("sequence", event.version - 1)
    entry.add("dtstamp", event.stamp.astimezone(UTC))
    entry.add("dtstart", event.starts_at.astimezone(UTC))
    entry.add("dtend", event.ends_at.astimezone(UTC))
    entry.add("summary", event.summary)
    entry.add("status", event.status)
    if event.url is not None:
        entry.add("url", event.url)
    if event.location is not None:
        entry.add("location", event.location)
    if organizer is not None:
        whom = vCalAddress(f"mailto:{organizer.email}")
        whom.params["CN"] = vText(organizer.name)
        entry.add("organizer", whom)
    return entry


def _bytes(calendar: Calendar) -> bytes:
    content: bytes = calendar.to_ical()
    return content
