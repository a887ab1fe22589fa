"""Changes an appointment after it was made: moves, cancels, confirms, settles it; in the caller's transaction.

Called by the service layer, and by the loop that ends what nobody has confirmed. Each change locks the appointment,
so that its versions and its events come in order, and repeating a change that has happened answers what stands.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from booking import allocations, catalog, events, placing, reminders, store, trail
from booking.allocations import Holder
from booking.domain import OPEN, Appointment, CancelledBy, Offer, Status
from booking.errors import AppointmentClosed, TooLateToChange
from contracts.booking import (
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentEvent,
    AppointmentNoShow,
    AppointmentRescheduled,
)
from contracts.platform import TenantChanged
from servicekit import outbox
from servicekit.db import Connection
from servicekit.errors import Invalid, NotFound
from servicekit.faults import reached
from servicekit.tenants import TO_CHANGE

SHARING = (TO_CHANGE, reminders.POLICY)
"""The tenant's locks that whatever makes or changes an appointment shares, before it locks anything else."""

By = Literal["customer", "staff"]

_SETTLED: dict[Status, type[AppointmentEvent]] = {
    Status.CONFIRMED: AppointmentConfirmed,
    Status.COMPLETED: AppointmentCompleted,
    Status.NO_SHOW: AppointmentNoShow,
}


def changeable_until(appointment: Appointment, offer: Offer, now: datetime) -> datetime | None:
    """Until when a customer may change it online; None when that is past, or it is closed."""
    until = appointment.starts_at - offer.cancellation_window
    return until if appointment.status in OPEN and now < until else None


async def reschedule(
    conn: Connection,
    tenant: TenantChanged,
    appointment_id: UUID,
    starts_at: datetime,
    staff_id: UUID | None,
    by: By,
    now: datetime,
) -> Appointment:
    """Moves an appointment to another start, to `staff_id` or, without one, to the same people where they are free.

    A pending appointment stays pending. Raises NotFound, AppointmentClosed, TooLateToChange, SlotTaken, Invalid.
    """
    tenant_id = tenant.tenant_id
    present = await _locked(conn, tenant_id, appointment_id)
    there = starts_at == present.starts_at and (staff_id is None or staff_id in present.resource_ids)
    if there and present.status in OPEN:
        return present
    offer = await _changeable(conn, tenant_id, present, by, now)
    if staff_id is not None and staff_id not in offer.resource_ids:
        raise Invalid.field("/staff_id", "does not perform this service")
    placing.require_bookable(offer, starts_at, now, by_staff=by == "staff")
    holder = Holder(appointment_id=appointment_id)
    choice = await placing.take(conn, tenant_id, offer, staff_id, starts_at, holder, now, moved=present)
    moved = replace(
        present,
        version=present.version + 1,
        resource_ids=choice.resource_ids,
        starts_at=starts_at,
        ends_at=starts_at + offer.duration,
    )
    await _write(
        conn,
        tenant,
        present,
        moved,
        now,
        AppointmentRescheduled,
        previous_starts_at=present.starts_at,
        rescheduled_by=by,
    )
    await reminders.align(conn, tenant_id, moved, "rescheduled", now)
    return moved


async def cancel(
    conn: Connection, tenant: TenantChanged, appointment_id: UUID, by: By, now: datetime
) -> Appointment:
    """Gives the time back and withdraws the reminders. Raises NotFound, AppointmentClosed, TooLateToChange."""
    present = await _locked(conn, tenant.tenant_id, appointment_id)
    if present.status is Status.CANCELLED:
        return present
    await _changeable(conn, tenant.tenant_id, present, by, now, deleted_too=True)
    return await _cancel(conn, tenant, present, by, now)


async def run_out(conn: Connection, tenant: TenantChanged, appointment_id: UUID, now: datetime) -> bool:
    """Cancels an appointment that nobody has confirmed by its start; False where that is not so, or no longer.

    Whatever else happened to it meanwhile came first and stands: a confirmation, a cancellation, a move.
    """
    present = await store.appointment(conn, tenant.tenant_id, appointment_id, lock=True)
    if present is None or present.status is not Status.PENDING or now < present.starts_at:
        return False
    await _cancel(conn, tenant, present, "system", now)
    return True


async def _cancel(
    conn: Connection, tenant: TenantChanged, present: Appointment, by: CancelledBy, now: datetime
) -> Appointment:
    """Cancels an open appointment that is locked."""
    cancelled = replace(present, version=present.version + 1, status=Status.CANCELLED, cancelled_by=by)
    await allocations.release(conn, tenant.tenant_id, present.appointment_id)
    reached("booking.cancel.released")
    await _write(conn, tenant, present, cancelled, now, AppointmentCancelled, cancelled_by=by)
    await reminders.align(conn, tenant.tenant_id, cancelled, "cancelled", now)
    return cancelled


async def settle(
    conn: Connection, tenant: TenantChanged, appointment_id: UUID, status: Status, now: datetime
) -> Appointment:
    """Confirms a pending appointment; or, once it has begun, says that it took place or that nobody came.

    Raises NotFound, AppointmentClosed.
    """
    present = await _locked(conn, tenant.tenant_id, appointment_id)
    if present.status is status:
        return present
    if status is Status.CONFIRMED:
        if present.status is not Status.PENDING:
            raise AppointmentClosed(f"It is {present.status.value}, so it cannot be confirmed.")
    elif present.status is not Status.CONFIRMED:
        raise AppointmentClosed(f"It is {present.status.value}; only a confirmed appointment can be settled.")
    elif now < present.starts_at:
        raise AppointmentClosed("It has not begun yet.")
    settled = replace(present, version=present.version + 1, status=status)
    await _write(conn, tenant, present, settled, now, _SETTLED[status])
    await reminders.align(conn, tenant.tenant_id, settled, "completed", now)
    return settled


async def annotate(conn: Connection, tenant_id: UUID, present: Appointment, notes: str) -> Appointment:
    """Replaces a locked appointment's notes, which are for the business alone.

    Neither its version rises nor is anything told: a customer's calendar would take that for a change.
    """
    if notes == present.notes:
        return present
    noted = replace(present, notes=notes, notes_version=present.notes_version + 1)
    await store.update_notes(conn, tenant_id, noted)
    await trail.appointment(conn, tenant_id, "appointment.notes-changed", present, noted)
    return noted


async def _locked(conn: Connection, tenant_id: UUID, appointment_id: UUID) -> Appointment:
    present = await store.appointment(conn, tenant_id, appointment_id, lock=True)
    if present is None:
        raise NotFound("There is no such appointment.")
    return present


async def _changeable(
    conn: Connection,
    tenant_id: UUID,
    appointment: Appointment,
    by: By,
    now: datetime,
    *,
    deleted_too: bool = False,
) -> Offer:
    """The appointment's offer, when it may be changed now by that person."""
    if appointment.status not in OPEN:
        raise AppointmentClosed(f"The appointment is {appointment.status.value}.")
    offer = await catalog.offer(conn, appointment.service_id, deleted_too=deleted_too)
    if offer is None:
        raise AppointmentClosed("This service is no longer offered; the appointment can only be cancelled.")
    if by == "customer" and changeable_until(appointment, offer, now) is None:
        raise TooLateToChange("It is too late to change this online. Please contact the business.")
    return offer


async def _write(
    conn: Connection,
    tenant: TenantChanged,
    before: Appointment,
    after: Appointment,
    now: datetime,
    event: type[AppointmentEvent],
    **told: Any,
) -> None:
    await store.update_appointment(conn, tenant.tenant_id, after)
    fields = events.appointment_fields(tenant.tenant_id, after, now)
    await outbox.publish(conn, "booking", event(**fields, **told), time=now, copy_to=tenant)
    await trail.appointment(conn, tenant.tenant_id, trail.action_of(event), before, after)
