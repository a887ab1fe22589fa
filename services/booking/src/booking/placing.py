"""Placing new appointments and holds, inside the caller's transaction.

Called by the service layer. The order is always the same (DESIGN §5): lock the resources, see who is free, take the
time (the constraint has the last word), then write what follows from it. The plan's count comes last, because its
row is every booking's of the business.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID

from psycopg import AsyncCursor

from booking import allocations, catalog, events, reminders, store, trail
from booking.allocations import Holder, Taking
from booking.availability import bookable, options_at
from booking.choice import Choice, Options
from booking.domain import Appointment, Busy, Customer, Hold, Offer, Resource, Status
from booking.errors import HoldExpired, SlotTaken
from booking.questions import Given, answered
from contracts.booking import AppointmentBooked, Consent
from contracts.model import Event
from contracts.platform import TenantChanged
from servicekit import outbox, usage
from servicekit.db import Connection, Cursor
from servicekit.errors import FieldError, Invalid
from servicekit.faults import reached
from servicekit.ids import new_id

STAFF_AHEAD = timedelta(days=731)
"""How far ahead the business itself may book."""


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """A slot to be kept; with `staff_id` in the team, or else whoever is free and least busy."""

    service_id: UUID
    staff_id: UUID | None
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """A slot to be booked, and for whom. `locale` and `timezone` default to the business's.

    A booking by staff need not keep to the service's notice and booking window.
    """

    service_id: UUID
    staff_id: UUID | None
    starts_at: datetime
    name: str
    email: str | None
    phone: str | None
    locale: str | None
    consent: Consent
    timezone: str | None
    hold_id: UUID | None
    source: Literal["public", "staff", "waitlist"]
    notes: str = ""
    answers: Sequence[Given] = ()

    def customer(self, locale: str) -> Customer:
        """Whom it is for; `locale` where none was named."""
        return Customer(
            customer_id=new_id(),
            version=1,
            name=self.name,
            email=self.email,
            phone=self.phone,
            locale=self.locale or locale,
            consent=self.consent,
        )


async def hold(
    conn: Connection,
    tenant_id: UUID,
    wanted: HoldRequest,
    now: datetime,
    *,
    lasts: timedelta,
    asked: Cursor | None = None,
) -> tuple[Hold, Offer]:
    """Keeps a slot until `now + lasts`. `asked` is as `offered` takes it. Raises SlotTaken, Invalid."""
    offer = await offered(conn, tenant_id, wanted.service_id, wanted.staff_id, asked)
    require_bookable(offer, wanted.starts_at, now, by_staff=False)
    hold_id = new_id()
    expires_at = now + lasts
    choice = await take(
        conn,
        tenant_id,
        offer,
        wanted.staff_id,
        wanted.starts_at,
        Holder(hold_id=hold_id, held_until=expires_at),
        now,
    )
    kept = Hold(hold_id, offer.service_id, choice.resource_ids, wanted.starts_at, expires_at)
    await allocations.add_hold(conn, tenant_id, kept)
    return kept, offer


async def book(
    conn: Connection, tenant: TenantChanged, wanted: BookingRequest, now: datetime, asked: Cursor
) -> Appointment:
    """Raises SlotTaken, HoldExpired, Invalid, QuotaExceeded; nothing is written then."""
    appointment = await place(conn, tenant, wanted, now, asked=asked)
    await usage.consume(conn, tenant, "bookings_per_month", now)
    return appointment


async def add_customer(conn: Connection, tenant_id: UUID, customer: Customer, now: datetime) -> Customer:
    """Adds the customer, or renews what is known of the same person; tells it either way."""
    kept = await store.add_customer(conn, tenant_id, customer)
    await outbox.publish(conn, "booking", events.customer_changed(tenant_id, kept), time=now)
    return kept


async def place(
    conn: Connection,
    tenant: TenantChanged,
    wanted: BookingRequest,
    now: datetime,
    *,
    asked: Cursor | None = None,
    customer: Customer | None = None,
    appointment_id: UUID | None = None,
    series_id: UUID | None = None,
) -> Appointment:
    """As `book`, without counting it: that is the caller's, and last.

    `asked` is as `offered` takes it, `customer` one who is known already, `appointment_id` an id that was promised.
    """
    tenant_id = tenant.tenant_id
    offer = await offered(conn, tenant_id, wanted.service_id, wanted.staff_id, asked)
    if wanted.starts_at <= now:  # with a hold, too
        raise Invalid.field("/starts_at", "lies in the past")
    answers = answered(offer.questions, wanted.answers)
    appointment_id = appointment_id or new_id()
    finish: Callable[[], Awaitable[None]] | None = None
    if wanted.hold_id is None:
        require_bookable(offer, wanted.starts_at, now, by_staff=wanted.source == "staff")
        choice = await _choose(conn, tenant_id, offer, wanted.staff_id, wanted.starts_at, now)
        holder = Holder(appointment_id=appointment_id)
        taking = Taking(conn, tenant_id, offer, choice, wanted.starts_at, holder)
        finish = partial(_finish, taking, await taking.begin(), now)
        resource_ids = choice.resource_ids
    else:
        resource_ids = await _take_over(conn, tenant_id, wanted, wanted.hold_id, appointment_id, now)
    rules = await catalog.ask_rules(conn, tenant_id)
    news: list[Event] = []
    if customer is None:
        customer = await store.add_customer(conn, tenant_id, wanted.customer(tenant.locale))
        news.append(events.customer_changed(tenant_id, customer))
    if finish is not None:
        await finish()
    pending = offer.requires_confirmation and wanted.source != "staff"
    appointment = Appointment(
        appointment_id=appointment_id,
        version=1,
        status=Status.PENDING if pending else Status.CONFIRMED,
        service_id=offer.service_id,
        resource_ids=resource_ids,
        customer_id=customer.customer_id,
        starts_at=wanted.starts_at,
        ends_at=wanted.starts_at + offer.duration,
        timezone=wanted.timezone or tenant.timezone,
        price_amount=offer.price_amount,
        currency=offer.currency,
        source=wanted.source,
        notes=wanted.notes,
        created_at=now,
        answers=answers,
        series_id=series_id,
    )
    await store.add_appointment(conn, tenant_id, appointment)
    await trail.appointment(conn, tenant_id, "appointment.booked", None, appointment)
    await outbox.publish(
        conn,
        "booking",
        *news,
        AppointmentBooked(
            **events.appointment_fields(tenant_id, appointment, now),
            source=wanted.source,
            confirmed=not pending,
        ),
        *await reminders.ask(conn, tenant_id, appointment, rules, now),
        time=now,
        copy_to=tenant,
        copied=AppointmentBooked,
    )
    return appointment


async def lock_candidates(
    conn: Connection, tenant_id: UUID, offer: Offer, staff_id: UUID | None
) -> list[Resource]:
    """Locks whatever an appointment of the service may take, once and in the order of ids.

    For who takes several times in one transaction: who was found free at the first is still free at the last, and
    two such do not wait for each other in a circle.
    """
    return await allocations.resources_in(
        await allocations.lock(conn, tenant_id, candidate_ids(offer, staff_id))
    )


async def free_staff(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    locked: Sequence[Resource],
    staff_id: UUID | None,
    starts_at: datetime,
    now: datetime,
) -> list[UUID]:
    """With whom, of the locked candidates, the service can be had then. Raises SlotTaken, Invalid."""
    ids = [item.resource_id for item in locked]
    looking = await allocations.ask_busy(conn, tenant_id, ids, *offer.taken(starts_at), now)
    options = await _options(offer, locked, looking, staff_id, starts_at)
    if options.choose(staff_id, options.free_staff) is None:
        raise slot_taken()
    return options.staff_ids()


async def take(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    staff_id: UUID | None,
    starts_at: datetime,
    holder: Holder,
    now: datetime,
    *,
    moved: Appointment | None = None,
) -> Choice:
    """Takes what the offer needs at `starts_at`, with `staff_id` in the team; raises SlotTaken, Invalid.

    All that could be taken is locked, whatever is chosen then. A `moved` appointment gives back what it has, and
    stays with the same people and resources where they are free.
    """
    choice = await _choose(conn, tenant_id, offer, staff_id, starts_at, now, moved=moved)
    if moved is not None:
        await allocations.release(conn, tenant_id, moved.appointment_id)
    taking = Taking(conn, tenant_id, offer, choice, starts_at, holder)
    await _finish(taking, await taking.begin(), now)
    return choice


async def _finish(taking: Taking, begun: Cursor, now: datetime) -> None:
    """Raises SlotTaken when the constraint does not let it."""
    if not await taking.finish(begun, now):
        raise slot_taken()
    reached("booking.taken")


def candidate_ids(offer: Offer, staff_id: UUID | None) -> list[UUID]:
    """Whatever an appointment may take, with `staff_id` in the team; all of it is locked before the choice."""
    if staff_id is None or offer.staff_count > 1:
        return list(offer.all_ids)
    return [staff_id, *(each for need in offer.needs for each in need.resource_ids)]


async def _choose(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    staff_id: UUID | None,
    starts_at: datetime,
    now: datetime,
    *,
    moved: Appointment | None = None,
) -> Choice:
    """Locks what could be taken, and says what is: of those that are free, who has the least to do first.

    Raises Invalid when the hours do not allow it, SlotTaken when what they allow is taken.
    """
    ids = candidate_ids(offer, staff_id)
    but, had = (moved.appointment_id, moved.resource_ids) if moved is not None else (None, ())
    locking = await allocations.lock(conn, tenant_id, [*ids, *had])
    looking = await allocations.ask_busy(conn, tenant_id, ids, *offer.taken(starts_at), now, but=but)
    locked = [each for each in await allocations.resources_in(locking) if each.resource_id in ids]
    options = await _options(offer, locked, looking, staff_id, starts_at)
    order = await allocations.least_busy_first(conn, tenant_id, options.free_staff, starts_at)
    same = [each for each in had if each in offer.resource_ids]
    for wanted in [*same, None] if staff_id is None else [staff_id]:
        choice = options.choose(wanted, order, had)
        if choice is not None:
            return choice
    raise slot_taken()


async def _options(
    offer: Offer,
    locked: Sequence[Resource],
    looking: AsyncCursor[Busy],
    staff_id: UUID | None,
    starts_at: datetime,
) -> Options:
    """What there is to choose from. Raises Invalid when the hours do not allow it."""
    options = options_at(offer, locked, await looking.fetchall(), starts_at)
    if not options.offered(staff_id):
        raise Invalid.field("/starts_at", "is not a time at which this service is offered")
    return options


def slot_taken() -> SlotTaken:
    """The answer to whoever came second."""
    return SlotTaken("This time has just been taken. Choose another one.")


def require_bookable(offer: Offer, starts_at: datetime, now: datetime, *, by_staff: bool) -> None:
    """Raises Invalid for a start in the past, or one that the offer's notice and window do not allow."""
    fault = bookable(offer, starts_at, now)
    if by_staff and now < starts_at <= now + STAFF_AHEAD:
        fault = None
    if fault is not None:
        raise Invalid.field("/starts_at", fault)


async def offered(
    conn: Connection,
    tenant_id: UUID,
    service_id: UUID,
    staff_id: UUID | None,
    asked: Cursor | None = None,
) -> Offer:
    """The service, performed by that member of staff where one is named. Raises Invalid.

    `asked` is what catalog.ask_offer answered, for who has asked for it already.
    """
    offer = await catalog.offer_in(asked or await catalog.ask_offer(conn, tenant_id, service_id))
    if offer is None:
        raise Invalid.field("/service_id", "is not a service of this business")
    if staff_id is not None and staff_id not in offer.resource_ids:
        raise Invalid.field("/staff_id", "does not perform this service")
    return offer


def _no_hold() -> HoldExpired:
    detail = "The hold has run out. Choose a time again."
    return HoldExpired(detail, errors=(FieldError("/hold_id", "is no hold that lasts"),))


async def _take_over(
    conn: Connection,
    tenant_id: UUID,
    wanted: BookingRequest,
    hold_id: UUID,
    appointment_id: UUID,
    now: datetime,
) -> tuple[UUID, ...]:
    """Turns a hold into the appointment's time. Raises HoldExpired, and Invalid when it is for something else."""
    held = await allocations.hold(conn, tenant_id, hold_id)
    if held is None:
        raise _no_hold()
    if held.service_id != wanted.service_id or held.starts_at != wanted.starts_at:
        raise Invalid.field("/hold_id", "is a hold of another service or time")
    if wanted.staff_id is not None and wanted.staff_id not in held.resource_ids:
        raise Invalid.field("/hold_id", "is a hold of another staff member")
    await allocations.lock(conn, tenant_id, held.resource_ids)
    if not await allocations.take_over(conn, tenant_id, hold_id, appointment_id, now):
        raise _no_hold()
    return held.resource_ids
