"""What booking writes into the audit trail; see servicekit.audit. Called where the change is made."""

from typing import Any
from uuid import UUID

from booking.domain import Appointment, Customer
from contracts.booking import AppointmentEvent
from servicekit import audit
from servicekit.db import Connection

_PERSONAL = ("name", "email", "phone", "locale", "notes")


def action_of(event: type[AppointmentEvent]) -> str:
    """The trail's name of what an event tells: `appointment.cancelled` of `booking.appointment.cancelled.v1`."""
    return event.TYPE.removeprefix("booking.").rpartition(".")[0]


async def appointment(
    conn: Connection, tenant_id: UUID, action: str, before: Appointment | None, after: Appointment
) -> None:
    """A change of an appointment, None before it was made. Notes may name somebody, so they are not shown."""
    old = {} if before is None else _appointment(before)
    changes = audit.changed(old, _appointment(after), hidden=("notes",))
    await audit.record(
        conn,
        tenant_id,
        action,
        "appointment",
        after.appointment_id,
        changes,
        customer_id=after.customer_id,
    )


async def customer(conn: Connection, tenant_id: UUID, action: str, before: Customer, after: Customer) -> None:
    """A change of a customer: which fields, not their values, consent excepted."""
    changes = audit.changed(_customer(before), _customer(after), hidden=_PERSONAL)
    await audit.record(
        conn, tenant_id, action, "customer", after.customer_id, changes, customer_id=after.customer_id
    )


def _appointment(item: Appointment) -> dict[str, Any]:
    return {
        "status": item.status,
        "service_id": item.service_id,
        "staff_ids": item.resource_ids,
        "customer_id": item.customer_id,
        "starts_at": item.starts_at,
        "ends_at": item.ends_at,
        "notes": item.notes or None,
    }


def _customer(item: Customer) -> dict[str, Any]:
    return {
        "name": item.name,
        "email": item.email,
        "phone": item.phone,
        "locale": item.locale,
        "consent": item.consent,
        "notes": item.notes,
    }
