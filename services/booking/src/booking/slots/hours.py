"""When staff and resources can be had: weekly hours, exceptions, closed days and time off, as instants.

Pure; used by booking.slots.availability (what is offered, and when) and booking.slots.teams (for many at once).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from booking.domain import Offer, Resource
from booking.slots.occupancy import clear_of
from contracts.business import Hours, Interval
from servicekit.localtime import instant_of

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
_ALL_DAY = Interval(opens=_MIDNIGHT, closes=_MIDNIGHT)

Span = tuple[datetime, datetime]


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

    def hours_on(day: date) -> Sequence[Interval | Hours]:
        if day in exceptions:
            return exceptions[day]
        if day in resource.closed_days:
            return ()
        return (_ALL_DAY,) if resource.always_open else weekly[day.weekday()]

    spans: list[Span] = []
    day = first
    while day <= last:
        for item in hours_on(day):
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
        self.openings = opening_hours(resource, first, last)
        self._opens = [opening.opens for opening in self.openings]
        self.time_off: list[Span] = []
        """The time off that may touch the openings, by its beginning."""
        if self.openings:
            opens, until = self._opens[0], max(opening.until for opening in self.openings)
            self.time_off = sorted(off for off in resource.time_off if off[0] < until and opens < off[1])

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
        if begin >= opening.closes or end > opening.until or self._away(begin, end):
            return None
        return opening

    def _away(self, begin: datetime, end: datetime) -> bool:
        return any(starts < end and begin < ends for starts, ends in self.time_off)

    def starts(self, offer: Offer) -> Iterator[datetime]:
        """Every start that the hours and the time off allow."""
        starts = starts_on_grid(self.openings, offer)
        if not self.time_off:
            yield from starts
            return
        begins = [off_begin for off_begin, _ in self.time_off]
        reach = list(accumulate((off_end for _, off_end in self.time_off), max))
        yield from clear_of(starts, begins, reach, timedelta(0), offer.duration)


def starts_on_grid(openings: Sequence[Opening], offer: Offer) -> Iterator[datetime]:
    """Every start that the hours alone allow."""
    step = offer.slot_step
    for opening in openings:
        start, closes, last = opening.opens, opening.closes, opening.until - offer.duration
        while start < closes and start <= last:
            yield start
            start += step
