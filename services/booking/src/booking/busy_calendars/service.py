"""The service layer of busy calendars: which address a staff member's busy times are imported from.

Called by the routes. An address may be a secret by itself, so no log and no trail has more of it than its host.
"""

from uuid import UUID

from booking import allocations
from booking.busy_calendars import store as busy_calendars
from booking.busy_calendars.store import BusyCalendar
from servicekit import audit
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Invalid, NotFound
from servicekit.outbound import OutboundClient, OutboundRefused
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change


class BusyCalendarService:
    """What the routes can ask for."""

    def __init__(self, db: Database, outbound: OutboundClient, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._outbound = outbound
        self._clock = clock

    async def import_from(self, tenant_id: UUID, staff_id: UUID, url: str) -> BusyCalendar:
        """Imports from this address from now on. Raises NotFound, Invalid, TenantSuspended."""
        try:
            host = self._outbound.check(url).host
        except OutboundRefused as error:
            raise Invalid.field("/url", str(error)) from None
        async with self._db.tenant(tenant_id) as conn:
            require_active(await tenant_to_change(conn, tenant_id))
            if not await allocations.resources_in(await allocations.lock(conn, tenant_id, [staff_id])):
                raise NotFound("There is no such staff member.")
            if await busy_calendars.save(conn, tenant_id, staff_id, url, self._clock()):
                changes = {"host": {"old": None, "new": host}}
                await audit.record(conn, tenant_id, "busy-calendar.set", "staff", staff_id, changes)
            return await _found(conn, tenant_id, staff_id)

    async def calendar(self, tenant_id: UUID, staff_id: UUID) -> BusyCalendar:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await _found(conn, tenant_id, staff_id)

    async def remove(self, tenant_id: UUID, staff_id: UUID) -> None:
        """Its times are free again. Raises NotFound. Also while the business is suspended."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)
            await allocations.lock(conn, tenant_id, [staff_id])
            if not await busy_calendars.delete(conn, tenant_id, staff_id, self._clock()):
                raise _no_calendar()
            await audit.record(conn, tenant_id, "busy-calendar.removed", "staff", staff_id)


async def _found(conn: Connection, tenant_id: UUID, staff_id: UUID) -> BusyCalendar:
    found = await busy_calendars.calendar(conn, tenant_id, staff_id)
    if found is None:
        raise _no_calendar()
    return found


def _no_calendar() -> NotFound:
    return NotFound("No calendar is imported for this staff member.")
