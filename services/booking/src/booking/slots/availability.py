"""Which starts a service can be booked at: opening hours minus what is taken, in one sweep.

Pure; the store gives the busy ranges by one query. A start is offered on a grid of `slot_step` of elapsed time from
each opening; the appointment must lie within the hours and outside time off, its buffers may reach beyond them but
not into another's. For a team it must be a start of one of its members and lie within the hours of all, as within
those of the resources that the service needs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from booking.domain import Busy, Offer, Resource
from booking.slots import teams
from booking.slots.choice import Options
from booking.slots.hours import Schedule, Span
from booking.slots.occupancy import days_of

AT_ONCE = 100_000
"""Starts, times whom they are looked at for, in one answer: some 0.1 s to find, and 10 MB to send at most."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A start that can be booked, with the staff who can be asked for then."""

    starts_at: datetime
    ends_at: datetime
    resource_ids: tuple[UUID, ...]


def bookable(offer: Offer, starts_at: datetime, now: datetime) -> str | None:
    """Why a start is too early or too late to be booked now, or None."""
    if starts_at <= now:
        return "lies in the past"
    if starts_at < now + offer.minimum_notice:
        return f"is too soon: this service needs {_words(offer.minimum_notice)} notice"
    if starts_at > now + offer.booking_window:
        return f"is too far ahead: this service can be booked {offer.booking_window.days} days ahead"
    return None


def days_at_once(offer: Offer, wanted: UUID | None) -> int:
    """Of how many days the slots are found at once, with `wanted` or anyone: one at least.

    By the minute with 25 staff it is two. Anyone may ask, and there would be no end to what an answer has.
    """
    starts_a_day = timedelta(days=1) / offer.slot_step * max(1, len(offer.deciding_ids(wanted)))
    return max(1, int(AT_ONCE / starts_a_day))


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
        found = teams.staff_at(offer, days, schedules, found)
    chosen = found if wanted is None else {start: [wanted] for start, ids in found.items() if wanted in ids}
    return [Slot(start, start + offer.duration, tuple(ids)) for start, ids in sorted(chosen.items()) if ids]


def _words(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
