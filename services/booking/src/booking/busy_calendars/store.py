"""Calendars elsewhere that make staff busy, and the times they take: statements, in the caller's transaction.

Called by booking.busy_calendars.service and booking.busy_calendars.fetching. What is busy is read in
booking.allocations.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicekit.db import Connection, affected
from servicekit.queries import Queries

_SQL = Queries("booking.busy_calendars")

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class BusyCalendar:
    """As its business sees it. `times` are those taken at the last success, which stand while it fails."""

    resource_id: UUID
    url: str
    last_fetch_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    fault: str | None
    times: int


@dataclass(frozen=True, slots=True)
class Due:
    """A calendar to be fetched, with what its server said last time."""

    tenant_id: UUID
    resource_id: UUID
    url: str
    etag: str | None
    last_modified: str | None
    expanded_at: datetime | None


async def save(conn: Connection, tenant_id: UUID, resource_id: UUID, url: str, now: datetime) -> bool:
    """Sets the address, to be fetched at once, and forgets another's times; False when it is the one there is."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id, "url": url, "now": now}
    if not affected(await conn.execute(_SQL.save, values)):
        return False
    await conn.execute(_SQL.keep_times, values | _columns(()))
    return True


async def calendar(conn: Connection, tenant_id: UUID, resource_id: UUID) -> BusyCalendar | None:
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    row = await (await conn.execute(_SQL.calendar, values)).fetchone()
    return BusyCalendar(**row) if row else None


async def delete(conn: Connection, tenant_id: UUID, resource_id: UUID, now: datetime) -> bool:
    """Removes the calendar with its times; False when there was none."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id, "now": now}
    await conn.execute(_SQL.keep_times, values | _columns(()))
    return affected(await conn.execute(_SQL.delete, values))


async def claim(conn: Connection, now: datetime, until: datetime, limit: int) -> list[Due]:
    """Takes calendars whose time has come; nobody else does before `until`. In a worker's transaction."""
    rows = await conn.execute(_SQL.claim, {"now": now, "next": until, "limit": limit})
    return [Due(**row) for row in await rows.fetchall()]


async def failed(
    conn: Connection, due: Due, fault: str, now: datetime, *, again: tuple[timedelta, timedelta]
) -> None:
    """Notes why there is nothing new; what was there stays.

    It is due again when as much time has gone by as it has failed for; `again` is the least and the most of that.
    """
    values = {"fault": fault, "now": now, "soonest": again[0], "latest": again[1]}
    await conn.execute(_SQL.failed, asdict(due) | values)


async def unchanged(conn: Connection, due: Due, now: datetime) -> None:
    await conn.execute(_SQL.unchanged, asdict(due) | {"now": now})


async def replace_times(conn: Connection, due: Due, times: Sequence[Span], now: datetime) -> bool:
    """Makes these the times taken, with `due`'s tags; False when the address is another one by now.

    Only what differs is written, and only what has become free is told to the waitlist.
    """
    values = asdict(due) | {"now": now} | _columns(times)
    if not affected(await conn.execute(_SQL.read, values)):
        return False
    await conn.execute(_SQL.keep_times, values)
    await conn.execute(_SQL.add_times, values)
    return True


def _columns(times: Sequence[Span]) -> dict[str, list[datetime]]:
    return {"starts": [start for start, _ in times], "ends": [end for _, end in times]}


async def own_appointments(conn: Connection, due: Due, ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are appointments that take the calendar's resource, or took it."""
    values = {"tenant_id": due.tenant_id, "resource_id": due.resource_id, "appointment_ids": list(ids)}
    rows = await (await conn.execute(_SQL.own_appointments, values)).fetchall()
    return {row["appointment_id"] for row in rows}
