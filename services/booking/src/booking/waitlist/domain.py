"""What the waitlist knows and decides without a database: entries, what they were offered, where to look for them.

Pure; used by the rest of booking.waitlist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from booking.domain import Offer
from booking.slots.availability import Slot
from booking.slots.hours import Span

MOST_OFFERS = 3
"""After how many offers without an answer an entry leaves the list."""
MAX_WINDOW = timedelta(days=62)
TODAY = timedelta(days=2)
"""How long ago a window may have begun: in some time zone that may still be today. It is taken to begin now."""
SEARCH_EVERY = timedelta(hours=1)
"""How often an entry's whole window is checked at least: time also becomes bookable without an event, as the
booking window moves on."""
KEEP_ENDED = timedelta(days=90)
"""How long an entry is kept after it has left the line: its link says how it ended."""

Outcome = Literal["taken", "lapsed", "withdrawn"]


class EntryState(StrEnum):
    """waiting and offered are in line; the others are final."""

    WAITING = "waiting"
    OFFERED = "offered"
    BOOKED = "booked"
    LEFT = "left"
    REMOVED = "removed"
    UNANSWERED = "unanswered"
    OVER = "over"


IN_LINE = frozenset({EntryState.WAITING, EntryState.OFFERED})


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who waits for a start of the service in `earliest` … `latest` (half open)."""

    entry_id: UUID
    state: EntryState
    service_id: UUID
    staff_id: UUID | None
    earliest: datetime
    latest: datetime
    customer_id: UUID
    timezone: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SlotOffer:
    """A time that is kept for an entry until `expires_at`; taken, it becomes the appointment `offer_id`."""

    offer_id: UUID
    entry_id: UUID
    hold_id: UUID
    staff_ids: tuple[UUID, ...]
    starts_at: datetime
    ends_at: datetime
    offered_at: datetime
    expires_at: datetime
    outcome: Outcome | None = None


def standing(offers: Sequence[SlotOffer]) -> SlotOffer | None:
    """The offer that waits for an answer."""
    return next((item for item in offers if item.outcome is None), None)


def taken(offers: Sequence[SlotOffer]) -> SlotOffer:
    """The one that a booked entry has; it need not be the last where clocks differ."""
    return next(item for item in offers if item.outcome == "taken")


def search_window(entry: Entry, service: Offer, freed: Span | None, now: datetime) -> Span | None:
    """The starts to look at: in the entry's window, and such that they touch what was freed; None for none."""
    begin, end = max(entry.earliest, now), entry.latest
    if freed is not None:
        before, after = service.buffer_before, service.duration + service.buffer_after
        begin, end = max(begin, freed[0] - after), min(end, freed[1] + before)
    return (begin, end) if begin < end else None


def new_to(offers: Sequence[SlotOffer], slot: Slot) -> bool:
    """Whether none of the earlier offers overlaps it: what one let pass is for the next in line."""
    return all(slot.ends_at <= item.starts_at or item.ends_at <= slot.starts_at for item in offers)
