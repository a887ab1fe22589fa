"""The business's closed days, and its staff's time off. Part of the service layer, called by the routes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from business import events, store, trail
from business.checks import require_version
from business.domain import (
    MAX_HOLIDAYS,
    MAX_TIME_OFF,
    Holidays,
    StaffMember,
    time_off_fault,
    with_holidays,
)
from business.ical import closed_days
from contracts.business import Holiday, TimeOff
from servicekit import outbox
from servicekit.clock import Clock
from servicekit.concurrency import ConcurrencyLimit
from servicekit.db import Connection, Database
from servicekit.errors import Invalid, NotFound, found
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

_READ_WAIT_SECONDS = 10.0


class Closures:
    """One transaction a method, as in business.service; an import has one before its file is read, and one after.

    `read_wait` is how many seconds a file waits for its turn to be read.
    """

    def __init__(self, db: Database, clock: Clock, *, read_wait: float = _READ_WAIT_SECONDS) -> None:
        self._db = db
        self._clock = clock
        # Reading a large file takes most of a second in a thread, which slows down all other requests of the
        # process: Python runs one thread at a time.
        self._reading = ConcurrencyLimit[UUID](
            1, 1, seconds=read_wait, refusal="Other calendars are still being read.", retry_after=10
        )

    # the business's closed days

    async def holidays(self, tenant_id: UUID) -> Holidays:
        """Raises NotFound while the business is not provisioned here."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return found(await store.holidays(conn, tenant_id), "profile")

    async def replace_holidays(
        self, tenant_id: UUID, version: int | None, days: Sequence[Holiday]
    ) -> Holidays:
        """Makes `days` the closed days. Raises PreconditionFailed, TenantSuspended."""
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = found(await store.holidays(conn, tenant_id, lock=True), "profile")
            require_version(version, present.version, "The list of holidays")
            return await _write(conn, tenant_id, present, with_holidays((), days))

    async def import_holidays(self, tenant_id: UUID, calendar: bytes) -> Holidays:
        """Adds the closed days of an iCalendar file, from today on; those that stand already stay.

        Raises Invalid for what is no such calendar, and for too many days; TenantSuspended; Unavailable for one
        that has waited too long for others to be read.
        """
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            require_active(tenant)
        today = self._clock().astimezone(ZoneInfo(tenant.timezone)).date()
        async with self._reading.acquire(tenant_id):
            added = await asyncio.to_thread(closed_days, calendar, today)
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            present = found(await store.holidays(conn, tenant_id, lock=True), "profile")
            days = with_holidays(present.days, added)
            if days == present.days:
                return present
            if len(days) > MAX_HOLIDAYS:
                raise Invalid.field("/", f"would make {len(days)} closed days; {MAX_HOLIDAYS} are the most")
            return await _write(conn, tenant_id, present, days)

    # one staff member's time off

    async def add_time_off(
        self,
        tenant_id: UUID,
        staff_id: UUID,
        key: IdempotencyKey | None,
        starts_at: datetime,
        ends_at: datetime,
        answer: Callable[[TimeOff], BaseModel],
    ) -> Outcome:
        """Appointments that stand are not touched. Raises NotFound, Invalid, TenantSuspended."""
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))

            async def effect() -> BaseModel:
                member = found(await store.lock_staff(conn, tenant_id, staff_id), "staff member")
                if fault := time_off_fault(starts_at, ends_at, self._clock()):
                    raise Invalid.field(*fault)
                if len(member.time_off) >= MAX_TIME_OFF:
                    raise Invalid.field("/", f"there are {MAX_TIME_OFF} already; delete what is over first")
                added = TimeOff(time_off_id=new_id(), starts_at=starts_at, ends_at=ends_at)
                await _write_time_off(conn, tenant_id, member, [*member.time_off, added])
                return answer(added)

            return await once(conn, tenant_id, key, effect)

    async def delete_time_off(self, tenant_id: UUID, staff_id: UUID, time_off_id: UUID) -> None:
        """Raises NotFound, TenantSuspended."""
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            member = found(await store.lock_staff(conn, tenant_id, staff_id), "staff member")
            left = [item for item in member.time_off if item.time_off_id != time_off_id]
            if len(left) == len(member.time_off):
                raise NotFound("There is no such time off.")
            await _write_time_off(conn, tenant_id, member, left)


async def _write(conn: Connection, tenant_id: UUID, present: Holidays, days: Sequence[Holiday]) -> Holidays:
    holidays = await store.update_holidays(conn, tenant_id, days)
    await trail.holidays(conn, tenant_id, present, holidays)
    await outbox.publish(conn, "business", events.holidays_changed(tenant_id, holidays))
    return holidays


async def _write_time_off(
    conn: Connection, tenant_id: UUID, member: StaffMember, time_off: Sequence[TimeOff]
) -> None:
    ordered = tuple(sorted(time_off, key=lambda item: (item.starts_at, item.time_off_id)))
    changed = await store.update_staff(conn, tenant_id, replace(member, time_off=ordered))
    await trail.staff(conn, tenant_id, "staff.changed", member, changed)
    await outbox.publish(conn, "business", events.staff_changed(tenant_id, changed))
