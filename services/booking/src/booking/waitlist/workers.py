"""The waitlist's loop: what has become free is offered to who waits."""

import time
from collections import deque
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from booking.slots.hours import Span
from booking.waitlist import line
from booking.waitlist import store as waitlist_store
from booking.waitlist.domain import SEARCH_EVERY, Entry
from contracts.platform import TenantChanged
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import NotFound, TenantSuspended
from servicekit.periodic import Periodic
from servicekit.tenants import require_active, tenant_to_change

log = structlog.get_logger(__name__)

_TURN_SECONDS = 5.0


class WaitlistOfferer(Periodic):
    """Offers what has become free to who waits for it, the first in line first; any number of processes may.

    What is to be done stands in the tables, so that a crash loses nothing and a nudge only saves a second. Each
    offer is one transaction; of one business, they are made by one process at a time. Businesses take turns, so
    that a long line at one of them delays no other.
    """

    def __init__(self, db: Database, *, offer_seconds: int, clock: Clock = utc_now, every: float = 1) -> None:
        super().__init__("booking.waitlist", every=every)
        self._db = db
        self._offer_for = timedelta(seconds=offer_seconds)
        self._clock = clock
        self._last: UUID | None = None

    async def turn(self) -> float | None:
        """Ends what has lapsed, makes due who may want what was freed, then searches, for a few seconds at most.

        An entry of each business at a time; the next turn goes on behind the last one.
        """
        until = time.monotonic() + _TURN_SECONDS
        now = self._clock()
        async with self._db.worker() as conn:
            await waitlist_store.lapse(conn, now)
        async with self._db.worker() as conn:
            await waitlist_store.make_due(conn, now)
        async with self._db.worker() as conn:
            due = deque(await waitlist_store.tenants_due(conn, now, self._last))
        while due:
            # Before it is served: whatever comes of that, the others are not kept waiting.
            self._last = due.popleft()
            if await self._serve_next(self._last):
                due.append(self._last)
            if time.monotonic() > until:
                return 0
        return None

    async def _serve_next(self, tenant_id: UUID) -> bool:
        """Serves the business's next in line; False when nobody is due, or another process serves this line."""
        now = self._clock()
        try:
            async with self._db.tenant(tenant_id) as conn:
                tenant = await tenant_to_change(conn, tenant_id)
                require_active(tenant)
                if not await waitlist_store.try_lock_line(conn, tenant_id):
                    return False
                found = await waitlist_store.next_in_line(conn, tenant_id, now)
                if found is None:
                    return False
                await self._serve(conn, tenant, *found, now)
        except (NotFound, TenantSuspended):  # since it was found
            return False
        return True

    async def _serve(
        self, conn: Connection, tenant: TenantChanged, entry: Entry, freed: Span | None, now: datetime
    ) -> None:
        """Searches a time for one entry; one that cannot be served keeps none of the others waiting."""
        try:
            async with conn.transaction():
                await line.search(conn, tenant, entry, freed, now, lasts=self._offer_for)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:
            log.error("waitlist entry passed over", entry_id=str(entry.entry_id), exc_info=error)
            again = now + SEARCH_EVERY if freed is None else None
            await waitlist_store.note_search(conn, tenant.tenant_id, entry.entry_id, again)
