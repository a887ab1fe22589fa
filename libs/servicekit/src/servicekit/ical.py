"""An appointment as an iCalendar file (RFC 5545), for booking's link and for notification's mails.

Both name it alike, so that a calendar knows it again: the UID stays, SEQUENCE rises with each change.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText

EventStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]
Method = Literal["PUBLISH", "CANCEL"]


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """What stands in the file. `version` is the appointment's; `stamp` is when this was said."""

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


def calendar_file(
    event: CalendarEvent, *, method: Method | None = None, organizer: Organizer | None = None
) -> bytes:
    """The file. Without a method it is a copy for whoever asks; with one it is news that a mail brings."""
    entry = Event()
    entry.add("uid", f"{event.appointment_id}@slotwright")
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
    document = Calendar()
    document.add("prodid", "-//Slotwright//Booking//EN")
    document.add("version", "2.0")
    if method is not None:
        document.add("method", method)
    document.add_component(entry)
    content: bytes = document.to_ical()
    return content
