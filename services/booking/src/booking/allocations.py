"""Taking and giving back a resource's time. Every writer goes through here; the exclusion constraint is beneath.

Called by the service layer, within its transaction: `lock` first, then read, then `allocate`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from booking.availability import Day, Slot, slots, within_hours
from booking.domain import Busy, Hold, Offer, Resource
from booking.store import SQL
from contracts.business import Hours, HoursException
from servicekit.db import Connection
from servicekit.ids import new_id

_LOAD_WINDOW = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose the time becomes: an appointment, or a hold until `held_until`."""

    appointment_id: UUID | None = None
    hold_id: UUID | None = None
    held_until: datetime | None = None

    @property
    def owner_id(self) -> UUID:
        owner = self.appointment_id or self.hold_id
        if owner is None:
            raise ValueError("a holder is an appointment or a hold")
        return owner


def _resource(row: dict[str, Any]) -> Resource:
    hours = tuple(Hours.model_validate(item) for item in row["weekly_hours"])
    exceptions = tuple(HoursException.model_validate(item) for item in row["exceptions"])
    return Resource(**row | {"weekly_hours": hours, "exceptions": exceptions})


async def resources(
    conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID], *, lock: bool = False
) -> list[Resource]:
    """Resources by id; locked until the transaction's end when asked (and then deleted ones too)."""
    statement = SQL.lock_resources if lock else SQL.resources
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids)}
    return [_resource(row) for row in await (await conn.execute(statement, values)).fetchall()]


async def busy(
    conn: Connection,
    tenant_id: UUID,
    resource_ids: Sequence[UUID],
    begin: datetime,
    end: datetime,
    now: datetime,
    *,
    but: UUID | None = None,
) -> list[Busy]:
    """What is taken between two instants; `but` leaves one appointment's own time out."""
    values = {
        "tenant_id": tenant_id,
        "resource_ids": list(resource_ids),
        "begin": begin,
        "end": end,
        "now": now,
        "but": but,
    }
    return [Busy(**row) for row in await (await conn.execute(SQL.busy, values)).fetchall()]


async def candidates(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    locked: Sequence[Resource],
    starts_at: datetime,
    now: datetime,
    *,
    but: UUID | None = None,
) -> tuple[list[Resource], list[Resource]]:
    """(those that work at that time, those of them that are free, least busy first), among locked resources."""
    working = [resource for resource in locked if within_hours(resource, offer, starts_at)]
    ids = [resource.resource_id for resource in working]
    if not ids:
        return [], []
    await conn.execute(SQL.release_expired, {"tenant_id": tenant_id, "resource_ids": ids, "now": now})
    begin, end = offer.taken(starts_at)
    taken = await busy(conn, tenant_id, ids, begin, end, now, but=but)
    free = [item for item in working if Day(offer, item.resource_id, taken).free(starts_at)]
    if len(free) > 1:
        load = await loads(conn, tenant_id, ids, starts_at - _LOAD_WINDOW, starts_at + _LOAD_WINDOW)
        free.sort(key=lambda item: (load.get(item.resource_id, 0), item.resource_id))
    return working, free


async def loads(
    conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID], begin: datetime, end: datetime
) -> dict[UUID, int]:
    """How much each resource has to do between two instants; nothing for an idle one."""
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids), "begin": begin, "end": end}
    rows = await (await conn.execute(SQL.loads, values)).fetchall()
    return {row["resource_id"]: row["load"] for row in rows}


async def free_slots(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    staff_id: UUID | None,
    window: tuple[datetime, datetime],
    now: datetime,
) -> list[Slot]:
    """What can be booked of a service, by `staff_id` or anyone, with a start within the window (half open)."""
    found = await resources(conn, tenant_id, [staff_id] if staff_id else offer.resource_ids)
    begin, end = offer.taken(window[0])[0], offer.taken(window[1])[1]
    ids = [resource.resource_id for resource in found]
    return slots(offer, found, await busy(conn, tenant_id, ids, begin, end, now), window, now)


async def allocate(
    conn: Connection, tenant_id: UUID, offer: Offer, resource_id: UUID, starts_at: datetime, holder: Holder
) -> bool:
    """Takes the time; False when the constraint says that it is taken."""
    begin, end = offer.taken(starts_at)
    values = {
        "tenant_id": tenant_id,
        "allocation_id": new_id(),
        "resource_id": resource_id,
        "session_id": offer.session_id(resource_id, starts_at, holder.owner_id),
        "capacity": offer.capacity,
        "begin": begin,
        "end": end,
        "state": "held" if holder.hold_id else "confirmed",
    } | asdict(holder)
    return (await (await conn.execute(SQL.allocate, values)).fetchone()) is not None


async def release(conn: Connection, tenant_id: UUID, appointment_id: UUID) -> None:
    """Gives back what an appointment takes."""
    await conn.execute(SQL.release_appointment, {"tenant_id": tenant_id, "appointment_id": appointment_id})


async def release_hold(conn: Connection, tenant_id: UUID, hold_id: UUID) -> None:
    """Gives back what a hold keeps, before its time."""
    values = {"tenant_id": tenant_id, "hold_id": hold_id}
    await conn.execute(SQL.release_hold, values)
    await conn.execute(SQL.delete_hold, values)


async def add_hold(conn: Connection, tenant_id: UUID, hold: Hold) -> None:
    await conn.execute(SQL.add_hold, asdict(hold) | {"tenant_id": tenant_id})


async def hold(conn: Connection, tenant_id: UUID, hold_id: UUID) -> Hold | None:
    row = await (await conn.execute(SQL.hold, {"tenant_id": tenant_id, "hold_id": hold_id})).fetchone()
    return Hold(**row) if row else None


async def take_over(
    conn: Connection, tenant_id: UUID, hold_id: UUID, appointment_id: UUID, now: datetime
) -> UUID | None:
    """Turns a live hold into the appointment's time; its resource, or None when it has run out or was used."""
    values = {"tenant_id": tenant_id, "hold_id": hold_id, "appointment_id": appointment_id, "now": now}
    row = await (await conn.execute(SQL.take_over_hold, values)).fetchone()
    if row is None:
        return None
    await conn.execute(SQL.delete_hold, values)
    resource_id: UUID = row["resource_id"]
    return resource_id


async def sweep(conn: Connection, now: datetime) -> int:
    """Releases every hold that has run out, across tenants; answers how many."""
    released = (await conn.execute(SQL.sweep_allocations, {"now": now})).rowcount
    await conn.execute(SQL.sweep_holds, {"now": now})
    return released
