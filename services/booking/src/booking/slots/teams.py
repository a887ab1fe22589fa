"""Finds, for many starts at once, those at which a team can be had with what it needs beside it.

Called by .availability for services that take more than one member of staff. booking.slots.choice has the rules and
asks them of one start at a time, which took seconds for weeks of a large business. Here people and lanes are sets
of starts, a bit for each in a whole number: what would be a loop over all starts is one operation. Only where a
class may be running already does choice look itself.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import chain
from operator import or_
from uuid import UUID

from booking.domain import Offer
from booking.slots.choice import Options
from booking.slots.hours import Schedule
from booking.slots.occupancy import Day


def staff_at(
    offer: Offer,
    days: Mapping[UUID, Day],
    schedules: Mapping[UUID, Schedule],
    punctual: Mapping[datetime, Sequence[UUID]],
) -> dict[datetime, list[UUID]]:
    """Who can be asked for at each start, as booking.choice.Options.staff_ids has it.

    `punctual` are the starts, with the staff whose starts they are; `days` and `schedules` have everybody's.
    """
    starts = sorted(punctual)
    if not starts:
        return {}
    sets = _Starts(offer, starts)
    is_open = {each: sets.open(schedule) for each, schedule in schedules.items()}
    lanes = {each: sets.free_lanes(day, is_open[each]) for each, day in days.items()}
    staff = [each for each in offer.resource_ids if each in days]
    free = {each: reduce(or_, (lane for lane, _ in lanes[each]), 0) for each in staff}
    on_time = sets.by_whom(punctual[start] for start in starts)

    team = Tally(len(starts))
    for each in staff:
        team.add(free[each])
    good = team.at_least(offer.staff_count) & reduce(
        or_, (free[each] & bits for each, bits in on_time.items()), 0
    )
    for need in offer.needs:
        beside = Tally(len(starts))
        for lane, times in chain.from_iterable(lanes.get(each, ()) for each in need.resource_ids):
            beside.add(lane, times)
        good &= beside.at_least(need.count)
    late_too = offer.staff_count > 1
    can = [free[each] & good & (good if late_too else on_time.get(each, 0)) for each in staff]
    found = {
        start: [each for each, chosen in zip(staff, row, strict=True) if chosen]
        for start, *row in zip(starts, *map(sets.each, can), strict=True)
    }
    if offer.capacity > 1:
        for lead_id in staff:
            taken = is_open[lead_id] & ~free[lead_id]
            for start, busy in zip(starts, sets.each(taken), strict=True):
                if busy and offer.session_id(lead_id, start, lead_id) in days[lead_id].sessions:
                    found[start] = _chosen(offer, days, schedules, start, punctual[start])
    return found


def _chosen(
    offer: Offer,
    days: Mapping[UUID, Day],
    schedules: Mapping[UUID, Schedule],
    start: datetime,
    punctual: Sequence[UUID],
) -> list[UUID]:
    until = start + offer.duration
    open_ids = {each for each, schedule in schedules.items() if schedule.has(start, until)}
    return Options(offer, days, start, open_ids, punctual).staff_ids()


class _Starts:
    """Sets of an offer's starts, which are given by time: bit i of a set is the ith."""

    def __init__(self, offer: Offer, starts: Sequence[datetime]) -> None:
        self._offer = offer
        self._starts = starts

    def by_whom(self, whose: Iterable[Iterable[UUID]]) -> dict[UUID, int]:
        """Each one's, where it is told in order whose they are."""
        size = len(self._starts)
        digits: dict[UUID, bytearray] = defaultdict(lambda: bytearray(b"0" * size))
        for place, ids in enumerate(whose, 1):
            for each in ids:
                digits[each][-place] = ord("1")
        return {each: int(bytes(written), 2) for each, written in digits.items()}

    def each(self, chosen: int) -> Iterator[bool]:
        """Whether it is in the set, for each start in order."""
        return (digit == "1" for digit in reversed(f"{chosen:0{len(self._starts)}b}"))

    def _between(self, low: int, high: int) -> int:
        return (1 << high) - (1 << low) if low < high else 0

    def open(self, schedule: Schedule) -> int:
        """Those at which its hours and its time off allow an appointment."""
        found, duration = 0, self._offer.duration
        for opening in schedule.openings:
            closes = bisect_left(self._starts, opening.closes)
            last = bisect_right(self._starts, opening.until - duration)
            found |= self._between(bisect_left(self._starts, opening.opens), min(closes, last))
        for begins, ends in schedule.time_off:
            found &= ~self._between(
                bisect_right(self._starts, begins - duration), bisect_left(self._starts, ends)
            )
        return found

    def free_lanes(self, day: Day, is_open: int) -> list[tuple[int, int]]:
        """For each lane those at which it is open and free; equal ones once, with how many there are.

        As Day.lanes has it: what is taken in lanes beyond a capacity that was lowered takes others instead.
        """
        before, beyond = self._offer.buffer_before, self._offer.duration + self._offer.buffer_after
        capacity = day.resource.capacity
        taken: dict[int, int] = defaultdict(int)
        for item in day.items:
            taken[item.lane] |= self._between(
                bisect_right(self._starts, item.starts - beyond),
                bisect_left(self._starts, item.ends + before),
            )
        for lane in [lane for lane in taken if lane >= capacity]:
            left = taken.pop(lane)
            for other in range(capacity):
                moved = left & ~taken[other]
                taken[other] |= moved
                left &= ~moved
                if not left:
                    break
        lanes = [(is_open & ~busy, 1) for busy in taken.values()]
        if len(lanes) < capacity:
            lanes.append((is_open, capacity - len(lanes)))
        return lanes


class Tally:
    """Counts, for each of `size` bits, in how many of the numbers added it is set.

    The counts stand upright: bit i of `_digits[k]` is the digit 2^k of the count of bit i.
    """

    def __init__(self, size: int) -> None:
        self._all = (1 << size) - 1
        self._digits: list[int] = []

    def add(self, bits: int, times: int = 1) -> None:
        """Adds the number `times` times."""
        for place in range(times.bit_length()):
            carry, at = bits if times >> place & 1 else 0, place
            while carry:
                if at >= len(self._digits):
                    self._digits += [0] * (at + 1 - len(self._digits))
                carry, self._digits[at] = carry & self._digits[at], carry ^ self._digits[at]
                at += 1

    def at_least(self, count: int) -> int:
        """The bits whose count is that or more."""
        more, equal = 0, self._all
        for place in reversed(range(max(len(self._digits), count.bit_length()))):
            digit = self._digits[place] if place < len(self._digits) else 0
            if count >> place & 1:
                equal &= digit
            else:
                more |= equal & digit
                equal &= ~digit
        return more | equal
