"""Appointments as iCalendar (RFC 5545): one for its customer, all of a staff member's for a feed.

A UID stays with its appointment and its SEQUENCE rises with each change, so that a calendar replaces what it has.
Pure; used by the routes that answer a customer's link, by booking.feed_service, and by the import of other
calendars, which has to know our own events again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Event

from booking.domain import Status

MEDIA_TYPE = "text/calendar; charset=utf-8"
_DOMAIN = "@slotwright"
_STATUS = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.COMPLETED: "CONFIRMED",
    Status.NO_SHOW: "CONFIRMED",
    Status.CANCELLED: "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a calendar shows of an appointment."""

    appointment_id: UUID
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    summary: str
    url: str | None = None


def appointment_of(uid: str) -> UUID | None:
    """The appointment whose event has this UID; None for an event that is not ours."""
    name, domain, rest = uid.partition(_DOMAIN)
    if not domain or rest:
        return None
    try:
        return UUID(name)
    except ValueError:
        return None


def document(entries: Iterable[Entry], *, name: str | None = None, refresh: timedelta | None = None) -> bytes:
    """The calendar. `name` and `refresh` (how often to fetch it again) are for feeds (RFC 7986)."""
    calendar = Calendar()
    calendar.add("prodid", "-//Slotwright//Booking//EN")
    calendar.add("version", "2.0")
    if name is not None:
        calendar.add("name", name)
        calendar.add("x-wr-calname", name)
    if refresh is not None:
        calendar.add("refresh-interval", refresh, parameters={"VALUE": "DURATION"})
    for entry in entries:
        calendar.add_component(_event(entry))
    content: bytes = calendar.to_ical()
    return content


def _event(entry: Entry) -> Event:
    event = Event()
    event.add("uid", f"{entry.appointment_id}{_DOMAIN}")
    event.add("sequence", entry.version - 1)
    event.add("dtstamp", entry.created_at.astimezone(UTC))
    event.add("dtstart", entry.starts_at.astimezone(UTC))
    event.add("dtend", entry.ends_at.astimezone(UTC))
    event.add("summary", entry.summary)
    event.add("status", _STATUS[entry.status])
    if entry.url is not None:
        event.add("url", entry.url)
    return event
