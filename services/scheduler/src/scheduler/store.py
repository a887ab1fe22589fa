"""scheduler's timers: functions that take the transaction's connection and never commit.

Called by the consumers (in one tenant's scope) and by the timer loop (across tenants).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from contracts.booking import ReminderRequested
from contracts.scheduler import ReminderDue
from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("scheduler")


@dataclass(frozen=True, slots=True)
class Taken:
    """Timers that were due, as what is to be told of them, and the last one's time."""

    events: list[ReminderDue]
    until: datetime


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


async def disarm(conn: Connection, tenant_id: UUID, limit: int) -> int:
    """Closes up to `limit` of the tenant's timers, so that they do not fire; answers how many it has closed."""
    return (await conn.execute(_SQL.disarm, {"tenant_id": tenant_id, "limit": limit})).rowcount


async def take_due(conn: Connection, since: datetime, now: datetime, limit: int) -> Taken:
    """Closes timers that are due, none before `since`, and answers what is to be told, the longest overdue first.

    A closed timer's key stays for a while: whatever asks for the same reminder again sets nothing. Those that
    another process holds in its transaction are left to it.
    """
    await conn.execute(_SQL.along_the_index)
    rows = await (await conn.execute(_SQL.take, {"since": since, "now": now, "limit": limit})).fetchall()
    events = [ReminderDue.model_validate_json(row["told"]) for row in rows]
    return Taken(events, rows[-1]["due_at"] if rows else since)


async def next_due(conn: Connection, since: datetime) -> datetime | None:
    """When the next timer is due, from `since` on; None while none is set."""
    row = await (await conn.execute(_SQL.next_due, {"since": since})).fetchone()
    return row["due_at"] if row else None


async def put_away(conn: Connection, limit: int) -> int:
    """Moves timers that were closed in place, as by a withdrawal, to the table of closed ones; answers how many."""
    row = await (await conn.execute(_SQL.put_away, {"limit": limit})).fetchone()
    return int(row["number"]) if row else 0


async def forget_closed(conn: Connection) -> None:
    """Empties the days of closed timers that are so old that nothing can ask for their reminders any more."""
    await conn.execute(_SQL.without_end)
    await conn.execute(_SQL.forget_closed)
