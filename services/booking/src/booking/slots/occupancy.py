"""What lies in the way of an appointment: one resource's busy ranges, sorted, by lane.

Used by .availability and .teams (what is offered), .choice (what is taken) and, for time off, by .hours.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate, islice
from operator import attrgetter
from uuid import UUID

from booking.domain import Busy, Offer, Resource


class Day:
    """One resource's busy ranges, ready to be asked for many starts of one offer."""

    def __init__(self, offer: Offer, resource: Resource, busy: Iterable[Busy]) -> None:
        """`busy` may be of any time, and is of this resource alone."""
        self.resource = resource
        self._offer = offer
        self.items = sorted(busy, key=attrgetter("starts", "ends"))
        self._starts = [item.starts for item in self.items]
        # Ends need not be sorted where lanes or lengths differ; their running maximum is.
        self._reach = list(accumulate((item.ends for item in self.items), max))

    @cached_property
    def sessions(self) -> frozenset[UUID]:
        """The sessions to which these busy times belong."""
        return frozenset(item.session_id for item in self.items)

    def taken(self, starts_at: datetime) -> list[Busy]:
        """What overlaps an appointment at `starts_at`, buffers included."""
        begin, end = self._offer.taken(starts_at)
        low = bisect_right(self._reach, begin)
        high = bisect_left(self._starts, end)
        return [item for item in self.items[low:high] if item.ends > begin]

    def free(self, starts_at: datetime) -> bool:
        """For an offer that takes one: whether nothing else is there, or a place of its own class is left."""
        found = self.taken(starts_at)
        if not found:
            return True
        lead_id = self.resource.resource_id
        session = self._offer.session_id(lead_id, starts_at, lead_id)
        if any(item.session_id != session for item in found):
            return False
        # A class whose length was changed has rows of two lengths.
        return sum(item.places for item in found) < self._offer.capacity

    def free_of(self, starts: Iterable[datetime]) -> Iterator[datetime]:
        """Those that are `free`, of starts that rise: one pass over both."""
        if self._offer.capacity > 1:
            yield from filter(self.free, starts)
            return
        before, beyond = self._offer.buffer_before, self._offer.duration + self._offer.buffer_after
        yield from clear_of(starts, self._starts, self._reach, before, beyond)

    def lanes(self, starts_at: datetime, count: int) -> list[int]:
        """The first lanes that nothing is in, `count` at most.

        Lanes beyond the capacity are there still, where it was lowered, and count: no more at once than it says.
        """
        occupied = {item.lane for item in self.taken(starts_at)}
        left = min(count, self.resource.capacity - len(occupied))
        empty = (lane for lane in range(self.resource.capacity) if lane not in occupied)
        return list(islice(empty, max(left, 0)))


def clear_of(
    starts: Iterable[datetime],
    begins: Sequence[datetime],
    reach: Sequence[datetime],
    before: timedelta,
    beyond: timedelta,
) -> Iterator[datetime]:
    """Those with nothing in the way from `before` them until `beyond`, of starts that rise: one pass over both.

    What may be in the way begins at `begins`, which rise; `reach` is the running maximum of its ends.
    """
    begun, count = 0, len(begins)
    for start in starts:
        end = start + beyond
        while begun < count and begins[begun] < end:
            begun += 1
        if not begun or reach[begun - 1] <= start - before:
            yield start


def days_of(offer: Offer, resources: Sequence[Resource], busy: Iterable[Busy]) -> Mapping[UUID, Day]:
    """Each resource's Day, by its id."""
    mine: dict[UUID, list[Busy]] = {resource.resource_id: [] for resource in resources}
    for item in busy:
        if (own := mine.get(item.resource_id)) is not None:
            own.append(item)
    return {resource.resource_id: Day(offer, resource, mine[resource.resource_id]) for resource in resources}
