"""Which starts may be offered, found by looking at every minute: what booking.slots.availability is held to.

Standard library only: it shares no code with what it judges, and knows no sorted ranges, no sweep, no bisection of
hours. The one rule of wall clocks is `Clock.when`. To add what else keeps somebody from working, or a service from
being offered, add a field and a line to `offered`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MIDNIGHT = time(0)

Shifts = Sequence[tuple[time, time]]
"""Opening and closing, by the clock on the wall; closing at 00:00 is the end of the day."""


class Clock:
    """Every minute between two instants (UTC, whole minutes), and what a zone's clocks on the wall show then."""

    def __init__(self, begin: datetime, end: datetime, zone: ZoneInfo) -> None:
        count = int((end - begin) / MINUTE)
        self.minutes = [begin + n * MINUTE for n in range(count)]
        self.shown = [minute.astimezone(zone).replace(tzinfo=None, fold=0) for minute in self.minutes]

    def when(self, day: date, wall: time) -> datetime:
        """The first minute in which the clock shows that time or a later one.

        Of a time that is shown twice it is the first; of one that is never shown, the minute after the gap.
        """
        wanted = datetime.combine(day, wall)
        return next(minute for minute, shown in zip(self.minutes, self.shown, strict=True) if shown >= wanted)


@dataclass(frozen=True)
class Worker:
    """When somebody works: by the weekday (0 is Monday), unless `dates` says otherwise for that very date."""

    weekly: Mapping[int, Shifts]
    dates: Mapping[date, Shifts] = field(default_factory=dict)

    def shifts(self, day: date) -> Shifts:
        return self.dates[day] if day in self.dates else self.weekly.get(day.weekday(), ())


@dataclass(frozen=True)
class Wish:
    """What is to be booked."""

    duration: timedelta
    step: timedelta
    before: timedelta = timedelta()
    after: timedelta = timedelta()
    notice: timedelta = timedelta()
    ahead: timedelta = 1000 * DAY
    capacity: int = 1


@dataclass(frozen=True)
class Taken:
    """A stretch in which somebody is not free.

    `class_at` says that it is the class of the very service that is wished for, which begins then.
    """

    begin: datetime
    end: datetime
    places: int = 1
    class_at: datetime | None = None


def offered(
    wish: Wish,
    worker: Worker,
    taken: Sequence[Taken],
    clock: Clock,
    window: tuple[datetime, datetime],
    now: datetime,
) -> list[datetime]:
    """The starts within the window, half open. The clock must reach some days beyond it on either side."""
    days = sorted({shown.date() for shown in clock.shown})
    days = [days[0] + n * DAY for n in range(1, (days[-1] - days[0]).days)]  # those that it shows whole
    work: set[datetime] = set()  # minutes
    grid: set[datetime] = set()
    for day in days:
        for opens, closes in worker.shifts(day):
            minute = begin = clock.when(day, opens)
            end = clock.when(day + DAY if closes == MIDNIGHT else day, closes)
            while minute < end:
                work.add(minute)
                if (minute - begin) % wish.step == timedelta():
                    grid.add(minute)
                minute += MINUTE
    return [
        start
        for start in sorted(grid)
        if window[0] <= start < window[1]
        and now < start
        and now + wish.notice <= start <= now + wish.ahead
        and all(minute in work for minute in _minutes(start, start + wish.duration))
        and _free(wish, taken, start)
    ]


def _free(wish: Wish, taken: Sequence[Taken], start: datetime) -> bool:
    """Nothing else is in the appointment's time or its buffers, and its own class, if it is one, has a place."""
    places = sum(item.places for item in taken if item.class_at == start)
    others = [item for item in taken if item.class_at != start]
    minutes = _minutes(start - wish.before, start + wish.duration + wish.after)
    return places < wish.capacity and not any(
        item.begin < minute + MINUTE and minute < item.end for minute in minutes for item in others
    )


def _minutes(begin: datetime, end: datetime) -> list[datetime]:
    return [begin + n * MINUTE for n in range(int((end - begin) / MINUTE))]


def transitions(zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """The instants between the two at which the zone's offset changes, to the second; at most one a day is seen."""

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(zone).utcoffset()

    found = []
    for low, high in pairwise(begin + n * DAY for n in range(int((end - begin) / DAY) + 1)):
        if offset(low) == offset(high):
            continue
        left, right = low, high
        while right - left > timedelta(seconds=1):
            middle = (left + (right - left) / 2).replace(microsecond=0)
            left, right = (middle, right) if offset(middle) == offset(low) else (left, middle)
        found.append(right)
    return found
