"""Which starts a service can be booked at: opening hours minus what is taken, in one sweep.

Pure; the store gives the busy ranges by one query. A start is offered on a grid of `slot_step` of elapsed time from
each opening; the appointment must lie within the hours, its buffers may reach beyond them but not into another's.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.domain import Busy, Offer, Resource
from booking.localtime import instant_of

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Slot:
    """A start that can be booked, with the resources that are free for it."""

    starts_at: datetime
    ends_at: datetime
    resource_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """A span of opening hours. Starts lie in `opens` … `closes`; what starts there may last `until`.

    The two ends differ where the next span follows at once (24:00 and 00:00): an appointment may cross midnight,
    yet each span has its own grid, so that it does not depend on which days are looked at.
    """

    opens: datetime
    closes: datetime
    until: datetime


def opening_hours(resource: Resource, first: date, last: date) -> list[Opening]:
    """When a resource works on the local dates `first` … `last`, as UTC instants, by time."""
    zone = ZoneInfo(resource.timezone)
    exceptions = {item.date: item.intervals for item in resource.exceptions}
    spans: list[Span] = []
    day = first
    while day <= last:
        today = (
            exceptions[day]
            if day in exceptions
            else [item for item in resource.weekly_hours if item.weekday == day.weekday()]
        )
        for item in today:
            opens = instant_of(day, item.opens, zone)
            closes = instant_of(day + _DAY if item.closes == _MIDNIGHT else day, item.closes, zone)
            if opens < closes:
                spans.append((opens, closes))
        day += _DAY
    openings: list[Opening] = []
    for opens, closes in sorted(spans, reverse=True):
        until = openings[-1].until if openings and openings[-1].opens == closes else closes
        openings.append(Opening(opens, closes, until))
    return openings[::-1]


class Day:
    """One resource's busy ranges, sorted, ready to be asked for many starts of one offer."""

    def __init__(self, offer: Offer, resource_id: UUID, busy: Sequence[Busy]) -> None:
        self._offer = offer
        self._resource_id = resource_id
        self._full = sorted(
            (item for item in busy if item.resource_id == resource_id),
            key=lambda item: (item.starts, item.ends),
        )
        # A class whose service has changed its length since has a range for each.
        self._places = Counter[UUID]()
        for item in self._full:
            self._places[item.session_id] += item.places
        self._starts = [item.starts for item in self._full]
        # Ends need not be sorted where classes of different length overlap; their running maximum is.
        self._reach: list[datetime] = []
        for item in self._full:
            self._reach.append(max(item.ends, self._reach[-1]) if self._reach else item.ends)

    def free(self, starts_at: datetime) -> bool:
        """Whether the offer fits at `starts_at`: nothing else is there, or a place of its own class is left."""
        begin, end = self._offer.taken(starts_at)
        low = bisect_right(self._reach, begin)
        high = bisect_left(self._starts, end)
        session = self._offer.session_id(self._resource_id, starts_at, self._resource_id)
        return all(
            item.ends <= begin or (item.session_id == session and self._places[session] < self._offer.capacity)
            for item in self._full[low:high]
        )


def starts_on_grid(openings: Sequence[Opening], offer: Offer) -> Iterator[datetime]:
    """Every start that the hours alone allow."""
    for opening in openings:
        start = opening.opens
        while start < opening.closes and start + offer.duration <= opening.until:
            yield start
            start += offer.slot_step


def bookable(offer: Offer, starts_at: datetime, now: datetime) -> str | None:
    """Why a start is too early or too late to be booked now, or None."""
    if starts_at <= now:
        return "lies in the past"
    if starts_at < now + offer.minimum_notice:
        return f"is too soon: this service needs {_words(offer.minimum_notice)} notice"
    if starts_at > now + offer.booking_window:
        return f"is too far ahead: this service can be booked {offer.booking_window.days} days ahead"
    return None


def within_hours(resource: Resource, offer: Offer, starts_at: datetime) -> bool:
    """Whether `starts_at` is one of the starts that the resource's hours offer."""
    local = starts_at.astimezone(ZoneInfo(resource.timezone)).date()
    return any(
        opening.opens <= starts_at < opening.closes
        and starts_at + offer.duration <= opening.until
        and not (starts_at - opening.opens) % offer.slot_step
        for opening in opening_hours(resource, local - _DAY, local + 2 * _DAY)
    )


def slots(
    offer: Offer,
    resources: Sequence[Resource],
    busy: Sequence[Busy],
    window: Span,
    now: datetime,
) -> list[Slot]:
    """The slots that begin within `window` (UTC instants, half open), by time; each with its free resources."""
    begin, end = window
    found: dict[datetime, list[UUID]] = {}
    for resource in resources:
        zone = ZoneInfo(resource.timezone)
        day = Day(offer, resource.resource_id, busy)
        # A day before and two after: hours that reach past midnight, and what starts in them and lasts.
        first = begin.astimezone(zone).date() - _DAY
        last = end.astimezone(zone).date() + 2 * _DAY
        for start in starts_on_grid(opening_hours(resource, first, last), offer):
            if begin <= start < end and bookable(offer, start, now) is None and day.free(start):
                found.setdefault(start, []).append(resource.resource_id)
    return [
        Slot(start.astimezone(UTC), (start + offer.duration).astimezone(UTC), tuple(found[start]))
        for start in sorted(found)
    ]


def _words(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
