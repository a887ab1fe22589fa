"""scheduler's timers: functions that take the transaction's connection and never commit.

Called by the consumers (in one tenant's scope) and by scheduler.workers (across tenants).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from contracts.booking import ReminderRequested
from contracts.scheduler import ReminderDue
from servicekit.db import Connection
from servicekit.kafka import Place
from servicekit.queries import Queries

_SQL = Queries("scheduler")


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch of due timers that were closed: their events to publish, and until when it took what was due."""

    events: list[ReminderDue]
    until: datetime


async def arm(conn: Connection, event: ReminderRequested, *, not_before: datetime) -> None:
    """Sets the timer, unless it is set already, has fired or has been withdrawn."""
    values = {
        "tenant_id": event.tenant_id,
        "reminder_id": event.reminder_id,
        "due_at": max(event.due_at, not_before),
        "request": Jsonb(event.model_dump(mode="json")),
    }
    await conn.execute(_SQL.arm, values)


async def withdraw(conn: Connection, tenant_id: UUID, reminder_id: UUID) -> None:
    """Clears the timer, and keeps that it was withdrawn."""
    await conn.execute(_SQL.withdraw, {"tenant_id": tenant_id, "reminder_id": reminder_id})


async def disarm(conn: Connection, tenant_id: UUID, limit: int) -> int:
    """Closes up to `limit` of the tenant's timers, so that they do not fire; answers how many it has closed."""
    return (await conn.execute(_SQL.disarm, {"tenant_id": tenant_id, "limit": limit})).rowcount


async def read_until(conn: Connection) -> datetime | None:
    """By when all requests and withdrawals that were there have taken effect; None where none was ever read.

    Before `take_due`, for which it also prepares the transaction.
    """
    row = await (await conn.execute(_SQL.read_until)).fetchone()
    return row["at"] if row else None


async def set_read_until(conn: Connection, times: Mapping[Place, datetime | None]) -> None:
    """Notes it by partition; None leaves what was noted before. Needs a worker's transaction."""
    values = {
        "topics": [topic for topic, _ in times],
        "partitions": [partition for _, partition in times],
        "times": list(times.values()),
    }
    await conn.execute(_SQL.set_read_until, values)


async def take_due(conn: Connection, since: datetime, until: datetime, limit: int, *, now: datetime) -> Taken:
    """Closes up to `limit` timers due from `since` to `until`, the longest overdue first, and answers them.

    A closed timer's key is kept for a while, so that a repeated request for its reminder sets nothing. Those that
    another process has locked are left to it. `Taken.until` is `until`, or for a full batch its last due time.
    """
    values = {"since": since, "until": until, "limit": limit, "now": now}
    rows = await (await conn.execute(_SQL.take, values)).fetchall()
    events = [ReminderDue.model_validate_json(row["event"]) for row in rows]
    return Taken(events, rows[-1]["due_at"] if len(rows) == limit else until)


async def next_due(conn: Connection, since: datetime) -> datetime | None:
    """When the next timer is due, from `since` on; None while none is set."""
    row = await (await conn.execute(_SQL.next_due, {"since": since})).fetchone()
    return row["due_at"] if row else None


async def move_closed(conn: Connection, limit: int) -> int:
    """Moves timers that were closed in place, as by a withdrawal, to the table of closed ones; answers how many."""
    row = await (await conn.execute(_SQL.move_closed, {"limit": limit})).fetchone()
    return int(row["number"]) if row else 0


async def forget_closed(conn: Connection) -> None:
    """Empties the days of closed timers that are so old that nothing can ask for their reminders any more.

    Needs an untimed worker's transaction.
    """
    await conn.execute(_SQL.forget_closed)
