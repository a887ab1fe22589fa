"""Placing new appointments and holds, inside the caller's transaction.

Called by the service layer. The order is always the same (docs/adr/0004): lock the resources, see who is free, take
the time (the constraint has the last word), then write what follows from it. The plan's count comes last, because
its row is every booking's of the business.

A booking makes as few round trips to PostgreSQL as it can (docs/adr/0019): a statement whose result decides nothing
goes out with the next one that has to be waited for. `at_once`, it does not wait to learn whether it was granted
its time, either (docs/adr/0021): the commit tells. So no lock of the business is held while this process is busy
with other requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from booking import allocations, catalog, events, reminders, store, trail
from booking.allocations import Holder, Taking
from booking.choosing import Choosing, slot_taken
from booking.domain import Appointment, Customer, Hold, Offer, Person, Status
from booking.errors import HoldExpired
from booking.questions import Given, answered
from booking.slots.availability import bookable
from booking.slots.choice import Choice
from contracts.booking import AppointmentBooked
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
    """A slot to be booked. `timezone` defaults to the business's.

    A booking by staff need not keep to the service's notice and booking window.
    """

    service_id: UUID
    staff_id: UUID | None
    starts_at: datetime
    timezone: str | None
    hold_id: UUID | None
    source: Literal["public", "staff", "waitlist"]
    notes: str = ""
    answers: Sequence[Given] = ()


async def hold(
    conn: Connection,
    tenant_id: UUID,
    wanted: HoldRequest,
    now: datetime,
    *,
    lasts: timedelta,
    asked: Cursor | None = None,
    client: bytes | None = None,
) -> tuple[Hold, Offer]:
    """Keeps a slot until `now + lasts`, for `client` where it is one's; `asked` is as `offered` takes it.

    Raises SlotTaken, Invalid.
    """
    offer = await offered(conn, wanted.service_id, wanted.staff_id, asked)
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
    kept = Hold(hold_id, offer.service_id, choice.resource_ids, wanted.starts_at, expires_at, client)
    await allocations.add_hold(conn, tenant_id, kept)
    return kept, offer


async def book(
    conn: Connection,
    tenant: TenantChanged,
    wanted: BookingRequest,
    person: Person,
    now: datetime,
    asked: Cursor,
    *,
    at_once: bool,
) -> Appointment:
    """Books for that person. Raises SlotTaken, HoldExpired, Invalid, QuotaExceeded; nothing is written then.

    `at_once`, in a pipeline, time that is not free after all and a limit that is reached are told by the commit, as
    a psycopg.IntegrityError. Time that only a hold that has run out is in the way of is not free then.
    """
    appointment = await place(conn, tenant, wanted, person, now, asked=asked, at_once=at_once)
    use = usage.require if at_once else usage.consume
    await use(conn, tenant, "bookings_per_month", now)
    return appointment


async def add_customer(conn: Connection, tenant: TenantChanged, person: Person, now: datetime) -> Customer:
    """Adds the customer, or renews what is known of the same person; tells what is new."""
    kept, news = await _added(conn, tenant.tenant_id, await store.begin_adding_customer(conn, tenant, person))
    if news:
        await outbox.publish(conn, "booking", *news, time=now)
    return kept


async def _added(conn: Connection, tenant_id: UUID, adding: Cursor) -> tuple[Customer, list[Event]]:
    """Who was added, with what is to be told of it; writes down what a customer who was known has changed."""
    kept, before = await store.customer_added(adding)
    if before == kept:
        return kept, []
    if before is not None:
        await trail.customer(conn, tenant_id, "customer.changed", before, kept)
    return kept, [events.customer_changed(tenant_id, kept)]


async def place(
    conn: Connection,
    tenant: TenantChanged,
    wanted: BookingRequest,
    whom: Person | Customer,
    now: datetime,
    *,
    asked: Cursor | None = None,
    at_once: bool = False,
    appointment_id: UUID | None = None,
    series_id: UUID | None = None,
) -> Appointment:
    """Makes an appointment, with all that belongs to it but the plan's count, which the caller writes last.

    It is for `whom`: a customer who is known, or a person who becomes one. `appointment_id` is given where it was
    promised already. `at_once` is as in `book`: it waits for PostgreSQL once, for what there is to choose from, and
    what it writes goes out with what the caller sends next. `asked` is as `offered` takes it.
    """
    tenant_id = tenant.tenant_id
    offer = await offered(conn, wanted.service_id, wanted.staff_id, asked)
    if wanted.starts_at <= now:  # with a hold, too
        raise Invalid.field("/starts_at", "lies in the past")
    answers = answered(offer.questions, wanted.answers)
    appointment_id = appointment_id or new_id()
    holder = Holder(appointment_id=appointment_id)
    taken = await _begin_taking(conn, tenant_id, offer, wanted, holder, now, at_once=at_once)
    rules = await catalog.ask_rules(conn, tenant_id)
    adding = await store.begin_adding_customer(conn, tenant, whom) if isinstance(whom, Person) else None
    resource_ids = await _require(taken, holder) if isinstance(taken, Choosing) else taken
    news: list[Event] = []
    if adding is not None:
        whom, news = await _added(conn, tenant_id, adding)
    assert isinstance(whom, Customer)  # noqa: S101 - known, or added
    pending = offer.requires_confirmation and wanted.source != "staff"
    appointment = Appointment(
        appointment_id=appointment_id,
        version=1,
        status=Status.PENDING if pending else Status.CONFIRMED,
        service_id=offer.service_id,
        resource_ids=resource_ids,
        customer_id=whom.customer_id,
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
    booked = AppointmentBooked(
        **events.appointment_fields(tenant_id, appointment, now),
        source=wanted.source,
        confirmed=not pending,
        customer_version=whom.version,
    )
    await _write(conn, tenant, appointment, booked, news, rules, now)
    return appointment


async def _write(
    conn: Connection,
    tenant: TenantChanged,
    appointment: Appointment,
    booked: AppointmentBooked,
    news: Sequence[Event],
    rules: Cursor,
    now: datetime,
) -> None:
    """Writes the row, its entry in the trail, its reminders and all events; `news` of its customer come first."""
    tenant_id = tenant.tenant_id
    await store.add_appointment(conn, tenant_id, appointment)
    await trail.appointment(conn, tenant_id, "appointment.booked", None, appointment)
    await outbox.publish(
        conn,
        "booking",
        *news,
        booked,
        *await reminders.ask(conn, tenant_id, appointment, rules, now),
        time=now,
        copy_to=tenant,
        copied=AppointmentBooked,
    )


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
    choosing = await Choosing.begin(conn, tenant_id, offer, staff_id, starts_at, now, moved=moved)
    choice = await choosing.finish()
    if moved is not None:
        await allocations.release(conn, tenant_id, moved.appointment_id)
    if not await Taking(conn, tenant_id, offer, choice, starts_at, holder).take(now):
        raise slot_taken()
    reached("booking.taken")
    return choice


async def _begin_taking(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    wanted: BookingRequest,
    holder: Holder,
    now: datetime,
    *,
    at_once: bool,
) -> tuple[UUID, ...] | Choosing:
    """Whom and what the appointment takes, or, `at_once`, what there is to choose from: for `_require`.

    Raises Invalid, HoldExpired, SlotTaken.
    """
    if wanted.hold_id is not None:
        return await _take_over(conn, tenant_id, offer, wanted, wanted.hold_id, holder.owner_id, now)
    require_bookable(offer, wanted.starts_at, now, by_staff=wanted.source == "staff")
    if at_once:
        return await Choosing.begin(conn, tenant_id, offer, wanted.staff_id, wanted.starts_at, now)
    choice = await take(conn, tenant_id, offer, wanted.staff_id, wanted.starts_at, holder, now)
    return choice.resource_ids


async def _require(of: Choosing, holder: Holder) -> tuple[UUID, ...]:
    """Takes what is free, unless the transaction fails. Raises SlotTaken, Invalid."""
    choice = await of.finish()
    await Taking(of.conn, of.tenant_id, of.offer, choice, of.starts_at, holder).require()
    reached("booking.taken")
    return choice.resource_ids


def require_bookable(offer: Offer, starts_at: datetime, now: datetime, *, by_staff: bool) -> None:
    """Raises Invalid for a start in the past, or one that the offer's notice and window do not allow."""
    fault = bookable(offer, starts_at, now)
    if by_staff and now < starts_at <= now + STAFF_AHEAD:
        fault = None
    if fault is not None:
        raise Invalid.field("/starts_at", fault)


async def offered(
    conn: Connection,
    service_id: UUID,
    staff_id: UUID | None,
    asked: Cursor | None = None,
) -> Offer:
    """The service, performed by that member of staff where one is named. Raises Invalid.

    `asked` is what catalog.ask_offer answered, for who has asked for it already.
    """
    offer = await catalog.offer_in(asked or await catalog.ask_offer(conn, service_id))
    if offer is None:
        raise Invalid.field("/service_id", "is not a service of this business")
    if staff_id is not None and staff_id not in offer.resource_ids:
        raise Invalid.field("/staff_id", "does not perform this service")
    return offer


def _no_hold() -> HoldExpired:
    detail = "The hold has run out, or the service was changed meanwhile. Choose a time again."
    return HoldExpired(detail, errors=(FieldError("/hold_id", "is no hold that lasts"),))


async def _take_over(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
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
    if not await allocations.take_over(conn, tenant_id, held, offer, appointment_id, now):
        raise _no_hold()
    return held.resource_ids
