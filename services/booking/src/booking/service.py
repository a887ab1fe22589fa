"""The service layer: each method is one transaction, from the lock to the events.

Called by the routes. What happens inside a transaction stands in booking.placing (new bookings and holds) and
booking.changes (later changes of an appointment); this module opens the transaction, finds the tenant and says
who may do what.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from pydantic import BaseModel

from booking import allocations, catalog, changes, holds, placing, series, store
from booking.domain import Appointment, Customer, Hold, Offer, Person, Resource, Status
from booking.holds import HoldCap
from booking.managing import Booked, manage_url
from booking.placing import BookingRequest, HoldRequest
from booking.series import Series, SeriesRequest
from booking.slots.availability import Slot, days_at_once
from booking.waitlist.service import WaitlistService
from contracts.platform import TenantChanged, TenantState
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Invalid, NotFound, PreconditionFailed, found
from servicekit.faults import reached
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.links import AppointmentLinks
from servicekit.localtime import day_bounds
from servicekit.tenants import TO_CHANGE, require_active, tenant_by_id, tenant_in_scope

MAX_DAYS = 62
_FURTHEST = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class Managed:
    """What the holder of a link sees of an appointment."""

    tenant: TenantChanged
    appointment: Appointment
    offer: Offer
    taken: Sequence[Resource]
    changeable_until: datetime | None
    manage_url: str


@dataclass(frozen=True, slots=True)
class Availability:
    """The slots from the first local date that was asked for to `last`, which may lie before the one asked for."""

    zone: str
    last: date
    slots: Sequence[Slot]


class BookingService:
    """What the routes can ask for. `hold_seconds` is how long a hold lasts; `hold_cap`, how many a client may have.

    `freed` is called when time has become free, behind the commit: see booking.waitlist.workers.
    """

    def __init__(
        self,
        db: Database,
        *,
        links: AppointmentLinks,
        public_url: str,
        hold_seconds: int,
        hold_cap: HoldCap,
        clock: Clock = utc_now,
        freed: Callable[[], None] = lambda: None,
        waitlist: WaitlistService,
    ) -> None:
        self.waitlist = waitlist
        self._db = db
        self._links = links
        self._public_url = public_url.rstrip("/")
        self._freed = freed
        self._hold_for = timedelta(seconds=hold_seconds)
        self._hold_cap = hold_cap
        self._clock = clock

    # new bookings

    async def availability(
        self,
        slug: str,
        service_id: UUID,
        staff_id: UUID | None,
        first: date,
        last: date,
        timezone: str | None,
    ) -> Availability:
        """The slots on `first` … `last`, local dates of `timezone` (by default the business's).

        No more days than `days_at_once`, the first at least; no slots while the business is suspended. Raises
        NotFound, and Invalid for what is not offered and for more than MAX_DAYS days.
        """
        now = self._clock()
        async with self._db.tenant(slug, pipelined=True) as conn:
            asked = await catalog.ask_offer(conn, service_id)
            tenant = await tenant_in_scope(conn)
            zone = ZoneInfo(timezone or tenant.timezone)
            _require_days(first, last, zone, now)
            offer = await catalog.offer_in(asked)
            if offer is None:
                raise Invalid.field("?service", "is not a service of this business")
            if staff_id is not None and staff_id not in offer.resource_ids:
                raise Invalid.field("?staff", "does not perform this service")
            last = min(last, first + timedelta(days=days_at_once(offer, staff_id) - 1))
            if tenant.state is not TenantState.ACTIVE:
                return Availability(zone.key, last, ())
            window = (day_bounds(first, zone)[0], day_bounds(last, zone)[1])
            snapshot = await allocations.availability_snapshot(
                conn, tenant.tenant_id, offer, staff_id, window, now
            )
        return Availability(zone.key, last, await snapshot.free_slots())

    async def hold(
        self,
        slug: str,
        key: IdempotencyKey | None,
        wanted: HoldRequest,
        address: str,
        answer: Callable[[Hold, Offer], BaseModel],
    ) -> Outcome:
        """Keeps a slot for a while, for a client at `address`.

        Raises NotFound, SlotTaken, TooManyHolds, Invalid, TenantSuspended.
        """
        async with self._db.tenant(slug, pipelined=True, sharing=(TO_CHANGE,)) as conn:
            asked = await catalog.ask_offer(conn, wanted.service_id)
            tenant = await tenant_in_scope(conn)
            tenant_id = tenant.tenant_id
            require_active(tenant)

            async def effect() -> BaseModel:
                now, lasts = self._clock(), self._hold_for
                client = await self._hold_cap.admit(conn, tenant_id, address, now)
                return answer(
                    *await placing.hold(conn, tenant_id, wanted, now, lasts=lasts, asked=asked, client=client)
                )

            return await once(conn, tenant_id, key, effect)

    async def give_back(self, slug: str, hold_id: UUID) -> None:
        """Ends a hold before its time, if there is one. Raises NotFound. Also while the business is suspended."""
        async with self._db.tenant(slug, pipelined=True, sharing=(TO_CHANGE,)) as conn:
            tenant = await tenant_in_scope(conn)
            given_back = await holds.give_back(conn, tenant.tenant_id, hold_id)
        if given_back:
            self._freed()

    async def book(
        self,
        business: UUID | str,
        key: IdempotencyKey | None,
        wanted: BookingRequest,
        person: Person,
        answer: Callable[[Booked], BaseModel],
    ) -> Outcome:
        """Books, with the business of that id or slug.

        Raises NotFound, SlotTaken, HoldExpired, Invalid, TenantSuspended, QuotaExceeded.
        """
        try:
            outcome = await self._book(business, key, wanted, person, answer, at_once=True)
        except psycopg.IntegrityError:
            # Something was not granted: step by step it is known what, and a hold that has run out makes way.
            outcome = await self._book(business, key, wanted, person, answer, at_once=False)
        reached("booking.committed")
        return outcome

    async def _book(
        self,
        business: UUID | str,
        key: IdempotencyKey | None,
        wanted: BookingRequest,
        person: Person,
        answer: Callable[[Booked], BaseModel],
        *,
        at_once: bool,
    ) -> Outcome:
        """As `book`; `at_once` is as placing.book takes it."""
        async with self._db.tenant(business, pipelined=True, sharing=changes.SHARING) as conn:
            asked = await catalog.ask_offer(conn, wanted.service_id)
            tenant = await tenant_in_scope(conn)
            tenant_id = tenant.tenant_id
            require_active(tenant)

            async def effect() -> BaseModel:
                booked = await placing.book(
                    conn, tenant, wanted, person, self._clock(), asked, at_once=at_once
                )
                return answer(self._booked(tenant_id, booked))

            return await once(conn, tenant_id, key, effect)

    async def book_series(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        wanted: SeriesRequest,
        answer: Callable[[Series], BaseModel],
    ) -> Outcome:
        """Books appointments that recur. Raises SeriesRefused, Invalid, TenantSuspended, QuotaExceeded."""
        # Not pipelined, as what a start that is refused has taken is given back by a savepoint.
        async with self._changing(tenant_id, pipelined=False) as (conn, tenant):
            require_active(tenant)

            async def effect() -> BaseModel:
                return answer(await series.book(conn, tenant, wanted, self._clock()))

            return await once(conn, tenant_id, key, effect)

    @asynccontextmanager
    async def _changing(
        self, tenant_id: UUID, *, pipelined: bool = True
    ) -> AsyncIterator[tuple[Connection, TenantChanged]]:
        """A transaction that changes appointments; its locks come first, and in this order. Raises NotFound."""
        async with self._db.tenant(tenant_id, pipelined=pipelined, sharing=changes.SHARING) as conn:
            yield conn, await tenant_by_id(conn, tenant_id)

    @asynccontextmanager
    async def _freeing(self, tenant_id: UUID) -> AsyncIterator[tuple[Connection, TenantChanged]]:
        """As `_changing`, for what gives time back: tells the waitlist's loop, which need not wait for its turn."""
        async with self._changing(tenant_id) as changing:
            yield changing
        self._freed()

    def _booked(self, tenant_id: UUID, appointment: Appointment) -> Booked:
        return Booked.of(tenant_id, appointment, self._links, self._public_url)

    # by the customer's link

    async def managed(self, token: str) -> Managed:
        """Raises NotFound for a link that is not one of ours, or whose business has gone."""
        tenant_id, appointment_id = self._parse(token)
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            appointment = found(await store.appointment(conn, tenant_id, appointment_id), "appointment")
            return await self._view(conn, tenant, appointment, token)

    async def reschedule_by_customer(self, token: str, starts_at: datetime, staff_id: UUID | None) -> Managed:
        """Raises NotFound, SlotTaken, AppointmentClosed, TooLateToChange, Invalid, TenantSuspended."""
        tenant_id, appointment_id = self._parse(token)
        async with self._freeing(tenant_id) as (conn, tenant):
            require_active(tenant)
            moved = await changes.reschedule(
                conn, tenant, appointment_id, starts_at, staff_id, "customer", self._clock()
            )
            return await self._view(conn, tenant, moved, token)

    async def cancel_by_customer(self, token: str) -> Managed:
        """Raises NotFound, AppointmentClosed, TooLateToChange. Also while the business is suspended."""
        tenant_id, appointment_id = self._parse(token)
        async with self._freeing(tenant_id) as (conn, tenant):
            cancelled = await changes.cancel(conn, tenant, appointment_id, "customer", self._clock())
            return await self._view(conn, tenant, cancelled, token)

    def _parse(self, token: str) -> tuple[UUID, UUID]:
        parsed = self._links.parse(token)
        if parsed is None:
            raise NotFound("This link does not lead to an appointment.")
        return parsed

    async def _view(
        self, conn: Connection, tenant: TenantChanged, appointment: Appointment, token: str
    ) -> Managed:
        offer = found(await catalog.offer(conn, appointment.service_id, deleted_too=True), "service")
        taken = await allocations.resources(conn, tenant.tenant_id, appointment.resource_ids)
        until = changes.changeable_until(appointment, offer, self._clock())
        return Managed(tenant, appointment, offer, taken, until, manage_url(self._public_url, token))

    # by the business

    async def appointments(
        self,
        tenant_id: UUID,
        *,
        begin: datetime | None,
        end: datetime | None,
        status: Status | None,
        staff_id: UUID | None,
        customer_id: UUID | None,
        series_id: UUID | None,
        latest_first: bool,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[tuple[Appointment, Customer]]:
        """By start, with whose each is; `limit` at most, behind `after`. Raises NotFound for one not served."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            found = await store.appointments_page(
                conn,
                tenant_id,
                begin=begin,
                end=end,
                status=status,
                resource_id=staff_id,
                customer_id=customer_id,
                series_id=series_id,
                latest_first=latest_first,
                after=after,
                limit=limit,
            )
            people = await store.customers(conn, tenant_id, [item.customer_id for item in found])
            return [(item, people[item.customer_id]) for item in found]

    async def appointment(self, tenant_id: UUID, appointment_id: UUID) -> tuple[Appointment, Customer]:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            present = found(await store.appointment(conn, tenant_id, appointment_id), "appointment")
            return await _with_customer(conn, tenant_id, present)

    async def edit(
        self,
        tenant_id: UUID,
        appointment_id: UUID,
        revision: int | None,
        *,
        starts_at: datetime | None,
        staff_id: UUID | None,
        notes: str | None,
    ) -> tuple[Appointment, Customer]:
        """Moves it to `starts_at`, and to `staff_id` if given; replaces its notes. None leaves what there is.

        Raises NotFound, PreconditionFailed, SlotTaken, AppointmentClosed, Invalid, TenantSuspended.
        """
        async with self._freeing(tenant_id) as (conn, tenant):
            require_active(tenant)
            present = found(
                await store.appointment(conn, tenant_id, appointment_id, lock=True), "appointment"
            )
            if revision not in {None, present.revision}:
                raise PreconditionFailed("The appointment was changed since you read it; read it again.")
            if starts_at is not None:
                present = await changes.reschedule(
                    conn, tenant, appointment_id, starts_at, staff_id, "staff", self._clock()
                )
            if notes is not None:
                present = await changes.annotate(conn, tenant_id, present, notes)
            return await _with_customer(conn, tenant_id, present)

    async def cancel(self, tenant_id: UUID, appointment_id: UUID) -> tuple[Appointment, Customer]:
        """Raises NotFound, AppointmentClosed."""
        async with self._freeing(tenant_id) as (conn, tenant):
            changed = await changes.cancel(conn, tenant, appointment_id, "staff", self._clock())
            return await _with_customer(conn, tenant_id, changed)

    async def cancel_series(
        self, tenant_id: UUID, series_id: UUID, begin: datetime | None
    ) -> list[tuple[Appointment, Customer]]:
        """Cancels what is still to come of a series, from `begin` on, and answers it. Raises NotFound, Invalid."""
        async with self._freeing(tenant_id) as (conn, tenant):
            rest = await series.cancel_rest(conn, tenant, series_id, begin, self._clock())
            people = await store.customers(conn, tenant_id, [item.customer_id for item in rest])
            return [(item, people[item.customer_id]) for item in rest]

    async def settle(
        self, tenant_id: UUID, appointment_id: UUID, status: Status
    ) -> tuple[Appointment, Customer]:
        """Confirms a pending appointment, or says how a past one ended. Raises NotFound, AppointmentClosed."""
        async with self._changing(tenant_id) as (conn, tenant):
            changed = await changes.settle(conn, tenant, appointment_id, status, self._clock())
            return await _with_customer(conn, tenant_id, changed)


async def _with_customer(
    conn: Connection, tenant_id: UUID, appointment: Appointment
) -> tuple[Appointment, Customer]:
    return appointment, found(await store.customer(conn, tenant_id, appointment.customer_id), "customer")


def _require_days(first: date, last: date, zone: ZoneInfo, now: datetime) -> None:
    """Raises Invalid for dates between which nobody can look."""
    if last < first:
        raise Invalid.field("?to", "lies before `from`")
    if (last - first).days >= MAX_DAYS:
        raise Invalid.field("?to", f"lies too far behind `from`: {MAX_DAYS} days at most")
    today = now.astimezone(zone).date()
    if abs((first - today).days) > _FURTHEST.days:
        raise Invalid.field("?from", "is not within two years of today")
