"""Chooses the staff and resources that an appointment takes, under the locks of all that it could take.

Called by booking.placing (and booking.series, which looks at many starts under one lock), in their transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from psycopg import AsyncCursor

from booking import allocations
from booking.domain import Appointment, Busy, Offer, Resource
from booking.errors import SlotTaken
from booking.slots.availability import options_at
from booking.slots.choice import Choice, Options
from servicekit.db import Connection, Cursor
from servicekit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Choosing:
    """What could be taken, being locked and asked for.

    In a pipeline it goes along with what else is sent between `begin` and `finish`.
    """

    conn: Connection
    tenant_id: UUID
    offer: Offer
    staff_id: UUID | None
    starts_at: datetime
    had: tuple[UUID, ...]
    ids: list[UUID]
    locking: Cursor
    asking_busy: AsyncCursor[Busy]

    @classmethod
    async def begin(
        cls,
        conn: Connection,
        tenant_id: UUID,
        offer: Offer,
        staff_id: UUID | None,
        starts_at: datetime,
        now: datetime,
        *,
        moved: Appointment | None = None,
    ) -> Self:
        ids = _candidate_ids(offer, staff_id)
        but, had = (moved.appointment_id, moved.resource_ids) if moved is not None else (None, ())
        locking = await allocations.lock(conn, tenant_id, [*ids, *had])
        asking_busy = await allocations.ask_busy(conn, tenant_id, ids, *offer.taken(starts_at), now, but=but)
        return cls(conn, tenant_id, offer, staff_id, starts_at, had, ids, locking, asking_busy)

    async def finish(self) -> Choice:
        """Of those that are free, who has the least to do first.

        Raises Invalid when the hours do not allow it, SlotTaken when what they allow is taken.
        """
        locked = [
            item for item in await allocations.resources_in(self.locking) if item.resource_id in self.ids
        ]
        options = await _options(self.offer, locked, self.asking_busy, self.staff_id, self.starts_at)
        order = await allocations.least_busy_first(
            self.conn, self.tenant_id, options.free_staff, self.starts_at
        )
        same = [each for each in self.had if each in self.offer.resource_ids]
        for wanted in [*same, None] if self.staff_id is None else [self.staff_id]:
            choice = options.choose(wanted, order, self.had)
            if choice is not None:
                return choice
        raise slot_taken()


async def lock_candidates(
    conn: Connection, tenant_id: UUID, offer: Offer, staff_id: UUID | None
) -> list[Resource]:
    """Locks whatever an appointment of the service may take, once and in the order of ids.

    For who takes several times in one transaction: who was found free at the first is still free at the last, and
    two such do not wait for each other in a circle.
    """
    return await allocations.resources_in(
        await allocations.lock(conn, tenant_id, _candidate_ids(offer, staff_id))
    )


async def free_staff(
    conn: Connection,
    tenant_id: UUID,
    offer: Offer,
    locked: Sequence[Resource],
    staff_id: UUID | None,
    starts_at: datetime,
    now: datetime,
) -> list[UUID]:
    """With whom, of the locked candidates, the service can be had then. Raises SlotTaken, Invalid."""
    ids = [item.resource_id for item in locked]
    asking_busy = await allocations.ask_busy(conn, tenant_id, ids, *offer.taken(starts_at), now)
    options = await _options(offer, locked, asking_busy, staff_id, starts_at)
    if options.choose(staff_id, options.free_staff) is None:
        raise slot_taken()
    return options.staff_ids()


def _candidate_ids(offer: Offer, staff_id: UUID | None) -> list[UUID]:
    """Whatever an appointment may take, with `staff_id` in the team; all of it is locked before the choice."""
    if staff_id is None or offer.staff_count > 1:
        return list(offer.all_ids)
    return [staff_id, *(each for need in offer.needs for each in need.resource_ids)]


async def _options(
    offer: Offer,
    locked: Sequence[Resource],
    asking_busy: AsyncCursor[Busy],
    staff_id: UUID | None,
    starts_at: datetime,
) -> Options:
    """What there is to choose from. Raises Invalid when the hours do not allow it."""
    options = options_at(offer, locked, await asking_busy.fetchall(), starts_at)
    if not options.offered(staff_id):
        raise Invalid.field("/starts_at", "is not a time at which this service is offered")
    return options


def slot_taken() -> SlotTaken:
    """The answer to whoever came second."""
    return SlotTaken("This time has just been taken. Choose another one.")
