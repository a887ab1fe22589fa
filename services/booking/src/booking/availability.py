"""Which starts a service can be booked at: opening hours minus what is taken, in one sweep.

Pure; the store gives the busy ranges by one query. A start is offered on a grid of `slot_step` of elapsed time from
each opening; the appointment must lie within the hours and outside time off, its buffers may reach beyond them but
not into another's. For a team it must be a start of one of its members and lie within the hours of all, as within
those of the resources that the service needs.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from booking.choice import Options
from booking.domain import Busy, Offer, Resource
from booking.occupancy import days_of
from contracts.business import Hours, Interval
from servicekit.localtime import instant_of

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
_ALL_DAY = Interval(opens=_MIDNIGHT, closes=_MIDNIGHT)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Slot:
    """A start that can be booked, with the staff who can be asked for then."""

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
    """When a resource works on the local dates `first` … `last`, as UTC instants, by time.

    Time off is not looked at. An exception for a date goes before everything, then the business's closed days.
    """
    zone = ZoneInfo(resource.timezone)
    exceptions = {item.date: item.intervals for item in resource.exceptions}
    weekly: dict[int, list[Hours]] = defaultdict(list)
    for hours in resource.weekly_hours:
        weekly[hours.weekday].append(hours)
    spans: list[Span] = []
    day = first
    while day <= last:
        today: Sequence[Interval | Hours]
        if day in exceptions:
            today = exceptions[day]
        elif day in resource.closed_days:
            today = ()
        elif resource.always_open:
            today = (_ALL_DAY,)
        else:
            today = weekly[day.weekday()]
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


class Schedule:
    """When a resource can be had, within some days of its own zone."""

    def __init__(self, resource: Resource, first: date, last: date) -> None:
        self._resource = resource
        self.openings = opening_hours(resource, first, last)
        self._opens = [opening.opens for opening in self.openings]

    @classmethod
    def around(cls, resource: Resource, begin: datetime, end: datetime) -> "Schedule":
        """With what starts between two instants: hours that reach past midnight, and what lasts beyond `end`."""
        zone = ZoneInfo(resource.timezone)
        return cls(resource, begin.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + 2 * _DAY)

    def has(self, begin: datetime, end: datetime) -> bool:
        """Whether its hours and its time off allow something from `begin` to `end`."""
        return self._opening(begin, end) is not None

    def begins(self, offer: Offer, starts_at: datetime) -> bool:
        """Whether `starts_at` is one of its starts."""
        opening = self._opening(starts_at, starts_at + offer.duration)
        return opening is not None and not (starts_at - opening.opens) % offer.slot_step

    def _opening(self, begin: datetime, end: datetime) -> Opening | None:
        place = bisect_right(self._opens, begin)
        if not place:
            return None
        opening = self.openings[place - 1]
        fits = begin < opening.closes and end <= opening.until and not self._resource.away(begin, end)
        return opening if fits else None

    def starts(self, offer: Offer) -> Iterator[datetime]:
        """Every start that the hours and the time off allow."""
        starts = starts_on_grid(self.openings, offer)
        if not self._resource.time_off:
            return starts
        return (start for start in starts if not self._resource.away(start, start + offer.duration))


def starts_on_grid(openings: Sequence[Opening], offer: Offer) -> Iterator[datetime]:
    """Every start that the hours alone allow."""
    step = offer.slot_step
    for opening in openings:
        start, closes, last = opening.opens, opening.closes, opening.until - offer.duration
        while start < closes and start <= last:
            yield start
            start += step


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
    return Schedule.around(resource, starts_at, starts_at).begins(offer, starts_at)


def options_at(
    offer: Offer, resources: Sequence[Resource], busy: Sequence[Busy], starts_at: datetime
) -> Options:
    """What a start leaves to choose from, among the offer's staff and what it needs beside them."""
    until = starts_at + offer.duration
    open_ids, punctual = set(), set()
    for resource in resources:
        schedule = Schedule.around(resource, starts_at, starts_at)
        if schedule.has(starts_at, until):
            open_ids.add(resource.resource_id)
            if resource.resource_id in offer.resource_ids and schedule.begins(offer, starts_at):
                punctual.add(resource.resource_id)
    return Options(offer, days_of(offer, resources, busy), starts_at, open_ids, punctual)


def slots(
    offer: Offer,
    resources: Sequence[Resource],
    busy: Sequence[Busy],
    window: Span,
    now: datetime,
    *,
    wanted: UUID | None = None,
) -> list[Slot]:
    """The slots that begin within `window` (UTC instants, half open), by time; each with who can be asked for.

    `resources` are the offer's staff and what it needs beside them. With `wanted`, only slots with that member.
    """
    begin, end = window
    # As `bookable` has it, once for all.
    earliest, latest = max(begin, now + offer.minimum_notice), now + offer.booking_window
    days = days_of(offer, resources, busy)
    schedules = {resource.resource_id: Schedule.around(resource, begin, end) for resource in resources}
    found: dict[datetime, list[UUID]] = {}
    for resource_id in (each for each in days if offer.takes_one or each in offer.resource_ids):
        starts: Iterable[datetime] = (
            start
            for start in schedules[resource_id].starts(offer)
            if earliest <= start < end and now < start <= latest
        )
        for start in days[resource_id].free_of(starts) if offer.takes_one else starts:
            found.setdefault(start, []).append(resource_id)
    if not offer.takes_one:
        for start, punctual in found.items():
            until = start + offer.duration
            open_ids = {each for each, schedule in schedules.items() if schedule.has(start, until)}
            found[start] = Options(offer, days, start, open_ids, punctual).staff_ids()
    chosen = found if wanted is None else {start: [wanted] for start, ids in found.items() if wanted in ids}
    return [Slot(start, start + offer.duration, tuple(ids)) for start, ids in sorted(chosen.items()) if ids]


def _words(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
