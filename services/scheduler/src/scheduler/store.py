"""scheduler's timers: functions that take the transaction's connection and never commit.

Called by the consumers (in one tenant's scope) and by the timer loop (across tenants).
"""

from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from contracts.booking import ReminderRequested
from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("scheduler")


async def arm(conn: Connection, event: ReminderRequested) -> None:
    """Sets the timer, unless it is set already, has fired or has been withdrawn."""
    values = {
        "tenant_id": event.tenant_id,
        "reminder_id": event.reminder_id,
        "due_at": event.due_at,
        "request": Jsonb(event.model_dump(mode="json")),
    }
    await conn.execute(_SQL.arm, values)


async def withdraw(conn: Connection, tenant_id: UUID, reminder_id: UUID) -> None:
    """Clears the timer, and keeps that it was withdrawn."""
    await conn.execute(_SQL.withdraw, {"tenant_id": tenant_id, "reminder_id": reminder_id})


async def disarm(conn: Connection, tenant_id: UUID) -> None:
    """None of the tenant's timers will fire."""
    await conn.execute(_SQL.disarm, {"tenant_id": tenant_id})


async def take_due(conn: Connection, now: datetime, limit: int) -> list[ReminderRequested]:
    """Closes timers that are due and answers what they were set for, the longest overdue first.

    A closed timer stays for a while: whatever asks for the same reminder again sets nothing. Those that another
    process holds in its transaction are left to it.
    """
    rows = await (await conn.execute(_SQL.due, {"now": now, "limit": limit})).fetchall()
    if rows:
        values = {
            "tenant_ids": [row["tenant_id"] for row in rows],
            "reminder_ids": [row["reminder_id"] for row in rows],
        }
        await conn.execute(_SQL.close, values)
    return [ReminderRequested.model_validate(row["request"]) for row in rows]


async def next_due(conn: Connection) -> datetime | None:
    """When the next timer is due; None while none is set."""
    row = await (await conn.execute(_SQL.next_due)).fetchone()
    return row["due_at"] if row else None


async def forget_closed(conn: Connection, before: datetime) -> None:
    """Removes what is left of timers closed before a time after which nothing can ask for them any more."""
    await conn.execute(_SQL.forget_closed, {"before": before})
