"""Recurring appointments: all of a series in one transaction, the caller's.

Called by the service layer. Each occurrence is an appointment like any other, with its own reminders, events and
place in the plan; `series_id` only tells which belong together. Whatever the occurrences may take is locked once,
before the first: two series over the same times queue, and who was found free for all of it still is.
"""

from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from booking import allocations, changes, choosing, placing, store
from booking.domain import Appointment, Customer, Offer, Person
from booking.errors import SeriesRefused, SlotTaken
from booking.placing import STAFF_AHEAD, BookingRequest
from booking.questions import answered
from booking.recurrence import MOST, Recurring, Rule, recurring
from contracts.platform import TenantChanged
from servicekit import usage
from servicekit.db import Connection
from servicekit.errors import Invalid, NotFound
from servicekit.ids import new_id


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """A series that begins with the appointment `first`; with `skip`, without the starts that cannot be booked."""

    first: BookingRequest
    person: Person
    rule: Rule
    skip: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A start that cannot be booked: somebody has it, or the service is not offered then."""

    starts_at: datetime
    reason: Literal["taken", "not-offered"]
    detail: str


@dataclass(frozen=True, slots=True)
class Series:
    """What was booked; the wall clock of `zone` is what recurs."""

    series_id: UUID
    zone: str
    customer: Customer
    appointments: tuple[Appointment, ...]
    skipped: tuple[Refused, ...]
    months_without_day: tuple[str, ...]


async def book(conn: Connection, tenant: TenantChanged, wanted: SeriesRequest, now: datetime) -> Series:
    """Books a series by staff. The wall clock is that of the named member of staff, else of the business.

    Without a name, one person takes all of it: of those free at every start that can be booked, the one with the
    least to do in that time; where there is none, each start goes to whoever is free and least busy then.
    Raises SeriesRefused, Invalid, QuotaExceeded; nothing is written then.
    """
    first = wanted.first
    offer = await placing.offered(conn, first.service_id, first.staff_id)
    answered(offer.questions, first.answers)  # once for all: no other start would do better
    locked = await choosing.lock_candidates(conn, tenant.tenant_id, offer, first.staff_id)
    zone = next((item.timezone for item in locked if item.resource_id == first.staff_id), tenant.timezone)
    times = _times(wanted, ZoneInfo(zone), now)
    free: dict[datetime, list[UUID]] = {}
    refused: list[Refused] = []
    for start in times.starts:
        with _noting(refused, start):
            placing.require_bookable(offer, start, now, by_staff=True)
            free[start] = await choosing.free_staff(
                conn, tenant.tenant_id, offer, locked, first.staff_id, start, now
            )
    _decide(wanted, free.keys(), refused)
    staff_id = first.staff_id or await _one_for_all(conn, tenant.tenant_id, offer, list(free.items()))
    customer = await placing.add_customer(conn, tenant, wanted.person, now)
    series_id = new_id()
    booked: list[Appointment] = []
    for start in free:
        with _noting(refused, start):
            async with conn.transaction():  # what a refused start has taken is given back
                one = replace(first, starts_at=start, staff_id=staff_id)
                booked.append(await placing.place(conn, tenant, one, customer, now, series_id=series_id))
    _decide(wanted, booked, refused)
    await usage.consume(conn, tenant, "bookings_per_month", now, count=len(booked))
    refused.sort(key=lambda item: item.starts_at)
    return Series(series_id, zone, customer, tuple(booked), tuple(refused), times.months_without_day)


def _times(wanted: SeriesRequest, zone: ZoneInfo, now: datetime) -> Recurring:
    horizon = now + STAFF_AHEAD
    first, rule = wanted.first.starts_at, wanted.rule
    if not now < first <= horizon:
        raise Invalid.field("/starts_at", "lies in the past, or more than two years ahead")
    times = recurring(first, rule, zone, horizon)
    end = "/rule/until" if rule.count is None else "/rule/count"
    if times.starts[-1] > horizon:
        raise Invalid.field(end, "makes appointments more than two years ahead")
    if not 2 <= len(times.starts) <= MOST:
        raise Invalid.field(end, f"makes a series of fewer than 2 or more than {MOST} appointments")
    return times


@contextmanager
def _noting(refused: list[Refused], start: datetime) -> Iterator[None]:
    """A start that is refused inside is noted, and the others go on."""
    try:
        yield
    except SlotTaken:
        refused.append(Refused(start, "taken", "is taken"))
    except Invalid as error:
        refused.append(Refused(start, "not-offered", error.detail))


def _decide(wanted: SeriesRequest, possible: Sized, refused: list[Refused]) -> None:
    """Raises SeriesRefused where some start was refused, or, when such are skipped, each of them."""
    if not refused or (wanted.skip and possible):
        return
    detail = (
        "None of the series's appointments can be booked. Choose another time."
        if wanted.skip
        else f"{len(refused)} of the series's appointments cannot be booked, so none was. Choose another time, or "
        "skip those that are taken."
    )
    raise SeriesRefused(
        detail,
        refused=[
            {"starts_at": item.starts_at.isoformat(), "reason": item.reason, "detail": item.detail}
            for item in sorted(refused, key=lambda item: item.starts_at)
        ],
    )


async def _one_for_all(
    conn: Connection, tenant_id: UUID, offer: Offer, free: list[tuple[datetime, list[UUID]]]
) -> UUID | None:
    """Who is free at every start and has the least to do until the last; None when there is nobody."""
    common = set.intersection(*(set(people) for _start, people in free))
    if not common:
        return None
    begin, end = free[0][0], free[-1][0] + offer.duration
    load = await allocations.loads(conn, tenant_id, sorted(common), begin, end)
    return min(common, key=lambda resource_id: (load.get(resource_id, 0), resource_id))


async def cancel_rest(
    conn: Connection, tenant: TenantChanged, series_id: UUID, begin: datetime | None, now: datetime
) -> list[Appointment]:
    """Cancels the series's appointments that are still to come, from `begin` on where that is given.

    Answers those that were cancelled now, by start: none when it is repeated. What somebody moves meanwhile counts
    by its new start, or waits until this is done. Raises NotFound, Invalid.
    """
    if begin is not None and begin <= now:
        raise Invalid.field("/from", "lies in the past")
    rest = await store.rest_of_series(conn, tenant.tenant_id, series_id, begin or now)
    if rest is None:
        raise NotFound("There is no such series.")
    return [await changes.cancel(conn, tenant, appointment_id, "staff", now) for appointment_id in rest]
