"""booking's appointments, customers and reminders: functions that take a connection and never commit.

Called by the service layer. What takes a resource's time is in booking.allocations, the catalog in booking.catalog.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from booking.domain import Answered, Appointment, Customer, Person, Reminder, Status
from contracts.booking import Channel, Consent
from contracts.platform import TenantChanged
from servicekit.db import Connection, Cursor
from servicekit.ids import new_id
from servicekit.queries import Queries, values_of

SQL = Queries("booking")

_EARLIEST = datetime.min.replace(year=2, tzinfo=UTC)


def _appointment(row: dict[str, Any]) -> Appointment:
    answers = tuple(
        Answered(UUID(item["question_id"]), item["label"], item["answer"]) for item in row["answers"]
    )
    parsed = {"status": Status(row["status"]), "resource_ids": tuple(row["resource_ids"]), "answers": answers}
    return Appointment(**row | parsed)


def customer_of(row: dict[str, Any]) -> Customer:
    """The customer that a row holds."""
    consent = Consent(email=row.pop("consent_email"), sms=row.pop("consent_sms"))
    return Customer(**row, consent=consent)


async def begin_adding_customer(conn: Connection, tenant: TenantChanged, person: Person) -> Cursor:
    """Adds them as a customer, or renews the same person's consent; for `customer_added`.

    In a pipeline it goes along with what is fetched next.
    """
    values = {
        "tenant_id": tenant.tenant_id,
        "customer_id": new_id(),
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "locale": person.locale or tenant.locale,
        "locale_named": person.locale is not None,
        "consent_email": person.consent.email,
        "consent_sms": person.consent.sms,
    }
    return await conn.execute(SQL.add_customer, values)


async def customer_added(adding: Cursor) -> tuple[Customer, Customer | None]:
    """The customer as it is now, and as it was: None before it was known, the same where nothing new was said."""
    row = await adding.fetchone()
    assert row is not None  # noqa: S101 - the statement inserts or updates
    before = row.pop("before")
    kept = customer_of(row)
    if before is None:
        return kept, None
    version, locale, email, sms = before
    return kept, replace(kept, version=version, locale=locale, consent=Consent(email=email, sms=sms))


async def customer(conn: Connection, tenant_id: UUID, customer_id: UUID) -> Customer | None:
    values = {"tenant_id": tenant_id, "customer_id": customer_id}
    row = await (await conn.execute(SQL.customer, values)).fetchone()
    return customer_of(row) if row else None


async def customers(conn: Connection, tenant_id: UUID, customer_ids: Sequence[UUID]) -> dict[UUID, Customer]:
    """Those customers, by id."""
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids)}
    rows = await (await conn.execute(SQL.customers, values)).fetchall()
    return {row["customer_id"]: customer_of(row) for row in rows}


async def add_appointment(conn: Connection, tenant_id: UUID, appointment: Appointment) -> None:
    values = values_of(appointment) | {
        "tenant_id": tenant_id,
        "status": appointment.status.value,
        "resource_ids": list(appointment.resource_ids),
        "answers": Jsonb(
            [values_of(item) | {"question_id": str(item.question_id)} for item in appointment.answers]
        ),
    }
    await conn.execute(SQL.add_appointment, values)


async def appointment(
    conn: Connection, tenant_id: UUID, appointment_id: UUID, *, lock: bool = False
) -> Appointment | None:
    """The appointment, locked until the transaction's end when asked."""
    values = {"tenant_id": tenant_id, "appointment_id": appointment_id}
    row = await (await conn.execute(SQL.lock_appointment if lock else SQL.appointment, values)).fetchone()
    return _appointment(row) if row else None


async def update_appointment(conn: Connection, tenant_id: UUID, appointment: Appointment) -> None:
    """Writes status, who cancelled, resources and times of a locked appointment; its version rises by one."""
    values = {
        "tenant_id": tenant_id,
        "appointment_id": appointment.appointment_id,
        "status": appointment.status.value,
        "cancelled_by": appointment.cancelled_by,
        "resource_ids": list(appointment.resource_ids),
        "starts_at": appointment.starts_at,
        "ends_at": appointment.ends_at,
    }
    await conn.execute(SQL.update_appointment, values)


async def update_notes(conn: Connection, tenant_id: UUID, appointment: Appointment) -> None:
    """Writes the notes of a locked appointment; the row's notes_version rises by one."""
    values = {
        "tenant_id": tenant_id,
        "appointment_id": appointment.appointment_id,
        "notes": appointment.notes,
    }
    await conn.execute(SQL.update_notes, values)


async def appointments_page(
    conn: Connection,
    tenant_id: UUID,
    *,
    begin: datetime | None,
    end: datetime | None,
    status: Status | None,
    resource_id: UUID | None,
    customer_id: UUID | None,
    series_id: UUID | None,
    latest_first: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Appointment]:
    """Appointments by start; `begin` inclusive, `end` exclusive, behind `after` in the order that is asked for."""
    values = {
        "tenant_id": tenant_id,
        "begin": begin,
        "end": end,
        "status": status.value if status else None,
        "resource_id": resource_id,
        "customer_id": customer_id,
        "series_id": series_id,
        "after_time": after[0] if after else None,
        "after_id": after[1] if after else None,
        "limit": limit,
    }
    statement = SQL.appointments_page + b" " + (SQL.latest_first if latest_first else SQL.earliest_first)
    return [_appointment(row) for row in await (await conn.execute(statement, values)).fetchall()]


async def rest_of_series(
    conn: Connection, tenant_id: UUID, series_id: UUID, begin: datetime
) -> list[UUID] | None:
    """Ids of the series's open appointments that start at `begin` or later, by start; None for no such series.

    All open ones are locked until the transaction's end: these stay the rest of it.
    """
    values = {"tenant_id": tenant_id, "series_id": series_id, "begin": begin}
    if await (await conn.execute(SQL.series_exists, values)).fetchone() is None:
        return None
    await conn.execute(SQL.lock_series, values)
    rows = await (await conn.execute(SQL.rest_of_series, values)).fetchall()
    return [row["appointment_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A pending appointment whose start has come; in the order in which they are gone through."""

    tenant_id: UUID
    starts_at: datetime
    appointment_id: UUID


async def unconfirmed(
    conn: Connection, now: datetime, after: Unconfirmed | None, most: int
) -> list[Unconfirmed]:
    """By the worker, across tenants: those behind `after`, `most` at a time."""
    values = {
        "now": now,
        "after_time": after.starts_at if after else _EARLIEST,
        "after_id": after.appointment_id if after else UUID(int=0),
        "most": most,
    }
    return [Unconfirmed(**row) for row in await (await conn.execute(SQL.unconfirmed, values)).fetchall()]


Position = tuple[datetime, UUID]
"""Where an appointment stands among all of its business, which are gone through by start and id."""


async def begin_alignment(conn: Connection, tenant_id: UUID) -> None:
    """Notes that the reminders of all appointments to come are to follow the policy."""
    await conn.execute(SQL.begin_alignment, {"tenant_id": tenant_id})


async def alignments(conn: Connection) -> list[UUID]:
    """By the worker: businesses whose policy has not been followed to the end."""
    return [row["tenant_id"] for row in await (await conn.execute(SQL.alignments)).fetchall()]


async def lock_alignment(conn: Connection, tenant_id: UUID) -> Position | None:
    """Behind which position there is more to be done; None when there is not, or another process does it.

    Nobody else does until the transaction's end.
    """
    row = await (await conn.execute(SQL.lock_alignment, {"tenant_id": tenant_id})).fetchone()
    return (row["after_time"] or _EARLIEST, row["after_id"] or UUID(int=0)) if row else None


async def move_alignment(conn: Connection, tenant_id: UUID, position: Position) -> None:
    """Notes that a locked alignment has come so far."""
    values = {"tenant_id": tenant_id, "after_time": position[0], "after_id": position[1]}
    await conn.execute(SQL.move_alignment, values)


async def end_alignment(conn: Connection, tenant_id: UUID) -> None:
    """Notes that a locked alignment is done."""
    await conn.execute(SQL.end_alignment, {"tenant_id": tenant_id})


async def future_confirmed(
    conn: Connection, tenant_id: UUID, now: datetime, after: Position, most: int
) -> list[Position]:
    """Confirmed appointments that have not begun, behind `after`, `most` at a time."""
    values = {
        "tenant_id": tenant_id,
        "now": now,
        "after_time": after[0],
        "after_id": after[1],
        "most": most,
    }
    rows = await (await conn.execute(SQL.future_confirmed, values)).fetchall()
    return [(row["starts_at"], row["appointment_id"]) for row in rows]


async def reminders(conn: Connection, tenant_id: UUID, appointment_id: UUID) -> list[Reminder]:
    """What the scheduler was asked for, for this appointment."""
    values = {"tenant_id": tenant_id, "appointment_id": appointment_id}
    rows = await (await conn.execute(SQL.reminders, values)).fetchall()
    return [Reminder(**row | {"channel": Channel(row["channel"])}) for row in rows]


async def add_reminders(
    conn: Connection, tenant_id: UUID, appointment_id: UUID, wanted: Sequence[Reminder]
) -> None:
    for reminder in wanted:
        values = values_of(reminder) | {
            "tenant_id": tenant_id,
            "appointment_id": appointment_id,
            "channel": reminder.channel.value,
        }
        await conn.execute(SQL.add_reminder, values)


async def delete_reminders(conn: Connection, tenant_id: UUID, reminder_ids: Sequence[UUID]) -> None:
    await conn.execute(SQL.delete_reminders, {"tenant_id": tenant_id, "reminder_ids": list(reminder_ids)})


async def drop_reminders(conn: Connection, before: datetime, limit: int) -> int:
    """Deletes reminders that were due before then, across tenants; answers how many, `limit` at most."""
    return (await conn.execute(SQL.drop_reminders, {"before": before, "limit": limit})).rowcount
