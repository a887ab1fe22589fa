"""Taking and giving back a resource's time. Every writer goes through here; the exclusion constraint is beneath.

Called by the service layer, within its transaction: `lock` first, then read, then a `Taking`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import args_row

from booking.domain import FEED_BACK, Busy, Hold, Offer, Resource
from booking.slots.availability import Slot, slots
from booking.slots.choice import Choice, Place
from booking.store import SQL
from contracts.business import Hours, HoursException, TimeOff
from servicekit.db import Connection, Cursor
from servicekit.ids import new_id
from servicekit.queries import values_of
from servicekit.stored import reader

KEEP_HOLDS = timedelta(days=1)
"""How long the released allocations of a hold are kept. By the clock of a slow process the hold may still last: it
has to see that a part was released, and not book the rest."""
KEEP_APPOINTMENTS = FEED_BACK + timedelta(days=10)
"""The same of an appointment, as feeds find a cancelled one by them. They begin up to 7 days before it."""
_LOAD_WINDOW = timedelta(hours=12)
_IF_FREE = b" ON CONFLICT DO NOTHING RETURNING 1"
_MANY = 50_000
"""Starts multiplied by resources: checking so many takes some 50 ms."""

_read_hours = reader(tuple[Hours, ...])
_read_exceptions = reader(tuple[HoursException, ...])
_read_time_off = reader(tuple[TimeOff, ...])


@dataclass(frozen=True, slots=True)
class Holder:
    """The appointment, or the hold until `held_until`, that time is allocated to."""

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
    parsed = {
        "weekly_hours": _read_hours(row["weekly_hours"]),
        "exceptions": _read_exceptions(row["exceptions"]),
        "time_off": tuple((item.starts_at, item.ends_at) for item in _read_time_off(row["time_off"])),
        "closed_days": frozenset(row["closed_days"] or ()),
    }
    return Resource(**{name: value for name, value in row.items() if name != "deleted"} | parsed)


async def resources(conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID]) -> list[Resource]:
    """Resources by id, without deleted ones."""
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids)}
    return await resources_in(await conn.execute(SQL.resources, values))


async def lock(conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID]) -> Cursor:
    """Locks all of these resources until the transaction's end; for `resources_in`.

    In a pipeline it goes along with what is fetched next. What is asked behind it sees what it has waited for, as
    each statement of a transaction (READ COMMITTED) looks anew.
    """
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids)}
    return await conn.execute(SQL.lock_resources, values)


async def resources_in(asked: Cursor) -> list[Resource]:
    """As `resources`, from the answer to `lock`."""
    return [_resource(row) for row in await asked.fetchall() if not row["deleted"]]


async def ask_busy(
    conn: Connection,
    tenant_id: UUID,
    resource_ids: Sequence[UUID],
    begin: datetime,
    end: datetime,
    now: datetime,
    *,
    but: UUID | None = None,
) -> AsyncCursor[Busy]:
    """Asks what is taken between two instants; `but` leaves one appointment's own time out."""
    values = {
        "tenant_id": tenant_id,
        "resource_ids": list(resource_ids),
        "begin": begin,
        "end": end,
        "now": now,
        "but": but,
    }
    return await conn.cursor(row_factory=args_row(Busy)).execute(SQL.busy, values)


async def least_busy_first(
    conn: Connection, tenant_id: UUID, staff: Sequence[UUID], starts_at: datetime
) -> list[UUID]:
    """Staff by how much they have to do around that time."""
    if len(staff) < 2:
        return list(staff)
    load = await loads(conn, tenant_id, staff, starts_at - _LOAD_WINDOW, starts_at + _LOAD_WINDOW)
    return sorted(staff, key=lambda each: (load.get(each, 0), each))


async def loads(
    conn: Connection, tenant_id: UUID, resource_ids: Sequence[UUID], begin: datetime, end: datetime
) -> dict[UUID, int]:
    """How much each resource has to do between two instants; nothing for an idle one."""
    values = {"tenant_id": tenant_id, "resource_ids": list(resource_ids), "begin": begin, "end": end}
    rows = await (await conn.execute(SQL.loads, values)).fetchall()
    return {row["resource_id"]: row["load"] for row in rows}


@dataclass(frozen=True, slots=True)
class AvailabilitySnapshot:
    """What free slots are found in. It holds no connection meanwhile, as finding them may take seconds."""

    offer: Offer
    resources: Sequence[Resource]
    taken: Sequence[Busy]
    window: tuple[datetime, datetime]
    now: datetime
    staff_id: UUID | None

    async def free_slots(self) -> list[Slot]:
        """What can be booked, with `staff_id` or anyone, with a start within the window (half open)."""
        begin, end = self.window
        sweep = partial(
            slots, self.offer, self.resources, self.taken, self.window, self.now, wanted=self.staff_id
        )
        many = (end - begin) / self.offer.slot_step * len(self.resources) > _MANY
        # What takes a while is done beside the others' requests, not before them.
        return await asyncio.to_thread(sweep) if many else sweep()


async def availability_snapshot(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    staff_id: UUID | None,
    window: tuple[datetime, datetime],
    now: datetime,
) -> AvailabilitySnapshot:
    """Reads who there is for a service, `staff_id` or anyone, and what is taken of them."""
    found = await resources(conn, tenant_id, offer.deciding_ids(staff_id))
    begin, end = offer.taken(window[0])[0], offer.taken(window[1])[1]
    ids = [resource.resource_id for resource in found]
    taken = await (await ask_busy(conn, tenant_id, ids, begin, end, now)).fetchall()
    return AvailabilitySnapshot(offer, found, taken, window, now, staff_id)


@dataclass(frozen=True, slots=True)
class Taking:
    """What `holder` takes of `choice`, from `starts_at` on, in the caller's transaction."""

    conn: Connection
    tenant_id: UUID
    offer: Offer
    choice: Choice
    starts_at: datetime
    holder: Holder

    async def take(self, now: datetime) -> bool:
        """False when the constraint says that some of it is taken: the caller gives up then."""
        left = await self._not_free(self.choice.places)
        # What is in the way may be a hold that has run out, for which the sweeper has not come yet.
        if left and await self._release_expired([place.resource_id for place in left], now):
            left = await self._not_free(left)
        return not left

    async def require(self) -> None:
        """In a pipeline, for who waits for no answer: what is not free fails the transaction.

        It does so with a psycopg.IntegrityError, also where only a hold that has run out is in the way.
        """
        await self._allocate(self.choice.places, or_fail=True)

    async def _not_free(self, places: Sequence[Place]) -> list[Place]:
        """Takes the others."""
        asked = await self._allocate(places, or_fail=False)
        return [place for place, taking in zip(places, asked, strict=True) if await taking.fetchone() is None]

    async def _allocate(self, places: Sequence[Place], *, or_fail: bool) -> list[Cursor]:
        """An answer for each, with no row where it is not free; with `or_fail` that is an error."""
        begin, end = self.offer.taken(self.starts_at)
        values = {
            "tenant_id": self.tenant_id,
            "session_id": self.offer.session_id(self.choice.lead_id, self.starts_at, self.holder.owner_id),
            "capacity": self.offer.capacity,
            "begin": begin,
            "end": end,
            "state": "held" if self.holder.hold_id else "confirmed",
            "or_fail": or_fail,
        } | values_of(self.holder)
        statement = SQL.allocate if self.offer.capacity == 1 else SQL.allocate_place
        if not or_fail:
            statement += _IF_FREE
        return [
            await self.conn.execute(statement, values | values_of(place) | {"allocation_id": new_id()})
            for place in places
        ]

    async def _release_expired(self, resource_ids: Sequence[UUID], now: datetime) -> bool:
        values = {"tenant_id": self.tenant_id, "resource_ids": list(resource_ids), "now": now}
        return bool(await (await self.conn.execute(SQL.release_expired, values)).fetchall())


async def release(conn: Connection, tenant_id: UUID, appointment_id: UUID) -> None:
    """Gives back what an appointment takes."""
    await conn.execute(SQL.release_appointment, {"tenant_id": tenant_id, "appointment_id": appointment_id})


async def release_hold(conn: Connection, tenant_id: UUID, hold_id: UUID) -> None:
    """Gives back what a hold keeps, before its time."""
    values = {"tenant_id": tenant_id, "hold_id": hold_id}
    await conn.execute(SQL.release_hold, values)
    await conn.execute(SQL.delete_hold, values)


async def add_hold(conn: Connection, tenant_id: UUID, hold: Hold) -> None:
    values = values_of(hold) | {"tenant_id": tenant_id, "resource_id": hold.resource_ids[0]}
    await conn.execute(SQL.add_hold, values | {"resource_ids": list(hold.resource_ids)})


async def hold(conn: Connection, tenant_id: UUID, hold_id: UUID) -> Hold | None:
    row = await (await conn.execute(SQL.hold, {"tenant_id": tenant_id, "hold_id": hold_id})).fetchone()
    return Hold(**row | {"resource_ids": tuple(row["resource_ids"])}) if row else None


async def held_by(
    conn: Connection, tenant_id: UUID, client: bytes, now: datetime
) -> tuple[int, datetime | None]:
    """How many holds a client has, and when the first of them runs out.

    Until the transaction ends it gets no other one: this locks the client, before resources by whoever locks both.
    """
    values = {"tenant_id": tenant_id, "client": client, "now": now}
    await conn.execute(SQL.lock_client, values)
    row = await (await conn.execute(SQL.held_by_client, values)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    return row["held"], row["first_ends"]


async def take_over(
    conn: Connection, tenant_id: UUID, held: Hold, offer: Offer, appointment_id: UUID, now: datetime
) -> bool:
    """Turns all that a hold keeps into the appointment's; False when it may not: give up then.

    It has run out, was used, or keeps other than what the offer takes by now: an appointment must not promise more
    time, or other people, than the constraint has seen.
    """
    team = [each for each in held.resource_ids if each in offer.resource_ids]
    if not team or not set(held.resource_ids) <= set(offer.all_ids):
        return False
    begin, end = offer.taken(held.starts_at)
    values = {
        "tenant_id": tenant_id,
        "hold_id": held.hold_id,
        "appointment_id": appointment_id,
        "session_id": offer.session_id(min(team), held.starts_at, held.hold_id),
        "begin": begin,
        "end": end,
        "now": now,
    }
    row = await (await conn.execute(SQL.take_over_hold, values)).fetchone()
    assert row is not None  # noqa: S101 - two subqueries
    if len(row["taken"]) != row["kept"] or not offer.is_met_by(row["taken"]):
        return False
    await conn.execute(SQL.delete_hold, values)
    return True


async def sweep(conn: Connection, now: datetime, limit: int) -> bool:
    """Releases what is kept by holds that have run out, and deletes those, across tenants: `limit` of each at most.

    Answers whether there may be more.
    """
    values = {"now": now, "limit": limit}
    released = (await conn.execute(SQL.sweep_allocations, values)).rowcount
    deleted = (await conn.execute(SQL.sweep_holds, values)).rowcount
    return limit in {released, deleted}


async def drop_released_holds(conn: Connection, before: datetime, limit: int) -> int:
    """Deletes what was given back by holds that would have run out before then, across tenants.

    Answers how many rows, `limit` at most.
    """
    return (await conn.execute(SQL.drop_released_holds, {"before": before, "limit": limit})).rowcount


async def drop_released_appointments(conn: Connection, before: datetime, limit: int) -> int:
    """The same of appointments, cancelled or moved, whose time would have begun before then."""
    values = {"before": before, "limit": limit}
    return (await conn.execute(SQL.drop_released_appointments, values)).rowcount
