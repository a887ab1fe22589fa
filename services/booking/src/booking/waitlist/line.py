"""The waitlist, inside the caller's transaction: joining, being offered a time, taking it, leaving.

Called by booking.waitlist.service for people and by booking.waitlist.workers for the line. An offer is a hold with
an end of its own: the time is kept under the same constraint as every booking, so that no two entries have it and
nobody can book it meanwhile; hold, offer and event are one transaction. Who changes an entry locks it first, before
resources.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from booking import allocations, catalog, placing, store
from booking.clients import ClientCap
from booking.domain import Appointment, Offer, Person
from booking.errors import (
    AlreadyWaiting,
    HoldExpired,
    OfferExpired,
    SlotTaken,
    TooManyEntries,
    WrongAnswers,
)
from booking.placing import BookingRequest, HoldRequest
from booking.questions import Given
from booking.slots.availability import Slot
from booking.slots.hours import Span
from booking.waitlist import store as waitlist_store
from booking.waitlist.domain import (
    IN_LINE,
    MAX_WINDOW,
    SEARCH_EVERY,
    TODAY,
    Entry,
    EntryState,
    SlotOffer,
    new_to,
    search_window,
    standing,
    taken,
)
from contracts.booking import WaitlistOffered
from contracts.platform import TenantChanged
from servicekit import outbox, usage
from servicekit.db import Connection
from servicekit.errors import Conflict, Invalid, NotFound
from servicekit.faults import reached
from servicekit.ids import new_id


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Who waits for which start of a service: in `earliest` … `latest`; `staff_id` None is anyone.

    `timezone` defaults to the business's.
    """

    service_id: UUID
    staff_id: UUID | None
    earliest: datetime
    latest: datetime
    person: Person
    timezone: str | None


class EntryCap(ClientCap):
    """One client's address has at most `most` entries in line at one business: each may come to hold a time."""

    purpose = b"waitlist-client:"
    refusal = TooManyEntries
    refused = "From one address {most} can be on the waitlist at once. Leave a place on it first."

    async def _count(
        self, conn: Connection, tenant_id: UUID, client: bytes, now: datetime
    ) -> tuple[int, datetime | None]:
        return await waitlist_store.in_line_of_client(conn, tenant_id, client, now)


async def join(
    conn: Connection, tenant: TenantChanged, wanted: JoinRequest, now: datetime, *, client: bytes
) -> Entry:
    """Puts somebody at the end of the line; a time that is free already is offered at once.

    Raises Invalid, and AlreadyWaiting for who is in line for the service: one place in it is a customer's.
    """
    tenant_id = tenant.tenant_id
    await placing.offered(conn, wanted.service_id, wanted.staff_id)
    if wanted.earliest < now - TODAY:
        raise Invalid.field("/from", "lies in the past")
    earliest = max(wanted.earliest, now)
    if wanted.latest <= earliest:
        raise Invalid.field("/to", "lies in the past, or before `from`")
    if wanted.latest - earliest > MAX_WINDOW:
        raise Invalid.field("/to", f"lies too far behind `from`: {MAX_WINDOW.days} days at most")
    if earliest > now + placing.STAFF_AHEAD:
        raise Invalid.field("/from", "is not within two years of today")
    # Locks the customer's row, so that of two who join as the same person the second one finds the first.
    customer = await placing.add_customer(conn, tenant, wanted.person, now)
    if await waitlist_store.waits(conn, tenant_id, customer.customer_id, wanted.service_id, now):
        raise AlreadyWaiting(
            "You are on the waitlist for this service already. To wait for other days, leave that place first."
        )
    entry = Entry(
        entry_id=new_id(),
        state=EntryState.WAITING,
        service_id=wanted.service_id,
        staff_id=wanted.staff_id,
        earliest=earliest,
        latest=wanted.latest,
        customer_id=customer.customer_id,
        timezone=wanted.timezone or tenant.timezone,
        created_at=now,
    )
    await waitlist_store.add_entry(conn, tenant_id, entry, client)
    return entry


async def search(
    conn: Connection,
    tenant: TenantChanged,
    entry: Entry,
    freed: Span | None,
    now: datetime,
    *,
    lasts: timedelta,
) -> SlotOffer | None:
    """Offers the locked entry the first free time that suits it and that it has not let pass; None when none does.

    Nothing is kept for who cannot be told: an offer is a mail, and its address or consent may be gone since.
    `freed` narrows the search to what has become free; the next full search is not put off then. The service's
    notice and booking window hold. An entry whose service, or whom it names, is gone leaves the line: nothing can
    come of it any more.
    """
    if entry.latest <= now:
        await waitlist_store.set_state(conn, tenant.tenant_id, entry.entry_id, EntryState.OVER)
        return None
    service = await catalog.offer(conn, entry.service_id)
    if service is None or await _waits_for_nobody(conn, tenant.tenant_id, entry):
        await waitlist_store.set_state(conn, tenant.tenant_id, entry.entry_id, EntryState.REMOVED)
        return None
    customer = await store.customer(conn, tenant.tenant_id, entry.customer_id)
    if customer is not None and customer.reads_mail:
        slots = await _suitable(conn, tenant.tenant_id, entry, service, freed, now)
        made = await _offer_first(conn, tenant, entry, slots, now, lasts=lasts)
        if made is not None:
            return made
    again = min(now + SEARCH_EVERY, entry.latest) if freed is None else None
    await waitlist_store.note_search(conn, tenant.tenant_id, entry.entry_id, again)
    return None


async def _waits_for_nobody(conn: Connection, tenant_id: UUID, entry: Entry) -> bool:
    """Whether the entry names somebody who has left the business."""
    return entry.staff_id is not None and not await allocations.resources(conn, tenant_id, [entry.staff_id])


async def _suitable(
    conn: Connection, tenant_id: UUID, entry: Entry, service: Offer, freed: Span | None, now: datetime
) -> list[Slot]:
    """Free slots in the entry's window, by time, without those that it has let pass."""
    window = search_window(entry, service, freed, now)
    if window is None or entry.staff_id not in {None, *service.resource_ids}:
        return []
    earlier = await waitlist_store.offers(conn, tenant_id, [entry.entry_id])
    snapshot = await allocations.availability_snapshot(conn, tenant_id, service, entry.staff_id, window, now)
    return [slot for slot in await snapshot.free_slots() if new_to(earlier, slot)]


async def _offer_first(
    conn: Connection,
    tenant: TenantChanged,
    entry: Entry,
    slots: Sequence[Slot],
    now: datetime,
    *,
    lasts: timedelta,
) -> SlotOffer | None:
    """Offers the first of the slots that is still free once it is locked; None when none is."""
    for slot in slots:
        with suppress(SlotTaken, Invalid):  # taken, or the hours changed, between the search and the lock
            async with conn.transaction():
                return await offer(conn, tenant, entry, slot.starts_at, entry.staff_id, now, lasts=lasts)
    return None


async def offer(
    conn: Connection,
    tenant: TenantChanged,
    entry: Entry,
    starts_at: datetime,
    staff_id: UUID | None,
    now: datetime,
    *,
    lasts: timedelta,
) -> SlotOffer:
    """Keeps a time for the locked entry, until `now + lasts` or its start at most, and tells it.

    Raises SlotTaken, Invalid, and Conflict for an entry that does not wait.
    """
    if entry.state is not EntryState.WAITING:
        raise Conflict(f"This entry is {entry.state.value}; only one that waits can be offered a time.")
    wanted = HoldRequest(entry.service_id, staff_id, starts_at)
    kept, service = await placing.hold(conn, tenant.tenant_id, wanted, now, lasts=min(lasts, starts_at - now))
    reached("booking.waitlist.held")
    made = SlotOffer(
        offer_id=new_id(),
        entry_id=entry.entry_id,
        hold_id=kept.hold_id,
        staff_ids=kept.resource_ids,
        starts_at=starts_at,
        ends_at=starts_at + service.duration,
        offered_at=now,
        expires_at=kept.expires_at,
    )
    customer_version = await waitlist_store.add_offer(conn, tenant.tenant_id, made)
    await waitlist_store.set_state(conn, tenant.tenant_id, entry.entry_id, EntryState.OFFERED)
    told = WaitlistOffered(
        tenant_id=tenant.tenant_id,
        entry_id=entry.entry_id,
        offer_id=made.offer_id,
        service_id=entry.service_id,
        staff_ids=list(made.staff_ids),
        customer_id=entry.customer_id,
        starts_at=made.starts_at,
        ends_at=made.ends_at,
        timezone=entry.timezone,
        expires_at=made.expires_at,
        occurred_at=now,
        customer_version=customer_version,
    )
    await outbox.publish(conn, "booking", told, time=now, copy_to=tenant)
    reached("booking.waitlist.offered")
    return made


async def accept(
    conn: Connection, tenant: TenantChanged, entry_id: UUID, given: Sequence[Given], now: datetime
) -> Appointment:
    """Books what the entry is offered; repeated, it answers the appointment as it stands, whatever is `given`.

    Raises NotFound, OfferExpired, WrongAnswers, QuotaExceeded.
    """
    tenant_id = tenant.tenant_id
    entry = await locked(conn, tenant_id, entry_id)
    offers = await waitlist_store.offers(conn, tenant_id, [entry_id])
    if entry.state is EntryState.BOOKED:
        booked = await store.appointment(conn, tenant_id, taken(offers).offer_id)
        assert booked is not None  # noqa: S101 - appointments are not deleted before their business
        return booked
    if entry.state not in IN_LINE:
        raise OfferExpired(
            "This place on the waitlist has ended, and is offered nothing any more. You may join again."
        )
    slot = standing(offers)
    if slot is None or slot.expires_at <= now:
        raise OfferExpired("There is no offer to take, or no longer. You are told when there is another one.")
    customer = await store.customer(conn, tenant_id, entry.customer_id)
    assert customer is not None  # noqa: S101 - the entry would be gone with them
    wanted = BookingRequest(
        service_id=entry.service_id,
        staff_id=None,
        starts_at=slot.starts_at,
        timezone=entry.timezone,
        hold_id=slot.hold_id,
        source="waitlist",
        answers=given,
    )
    try:
        appointment = await placing.place(conn, tenant, wanted, customer, now, appointment_id=slot.offer_id)
    except WrongAnswers:  # can be put right while the offer stands
        raise
    except (HoldExpired, Invalid):  # run out, or the service was changed
        if await catalog.offer(conn, entry.service_id) is None:
            raise OfferExpired(
                "This service is no longer offered, so that its time cannot be taken any more."
            ) from None
        raise OfferExpired(
            "This time can no longer be taken. You are told when there is another one."
        ) from None
    await waitlist_store.close_offer(conn, tenant_id, slot.offer_id, "taken")
    await waitlist_store.set_state(conn, tenant_id, entry_id, EntryState.BOOKED)
    await usage.consume(conn, tenant, "bookings_per_month", now)
    return appointment


async def leave(conn: Connection, tenant_id: UUID, entry_id: UUID, state: EntryState) -> Entry:
    """Takes the entry out of the line, as `state`, and gives back what it was offered; repeated, nothing changes.

    Raises NotFound.
    """
    entry = await locked(conn, tenant_id, entry_id)
    if entry.state not in IN_LINE:
        return entry
    slot = standing(await waitlist_store.offers(conn, tenant_id, [entry_id]))
    if slot is not None:
        await waitlist_store.close_offer(conn, tenant_id, slot.offer_id, "withdrawn")
        await allocations.release_hold(conn, tenant_id, slot.hold_id)
    await waitlist_store.set_state(conn, tenant_id, entry_id, state)
    return replace(entry, state=state)


async def locked(conn: Connection, tenant_id: UUID, entry_id: UUID) -> Entry:
    """The entry, locked until the transaction's end. Raises NotFound."""
    entry = await waitlist_store.entry(conn, tenant_id, entry_id, lock=True)
    if entry is None:
        raise NotFound("Nobody waits under this id.")
    return entry
