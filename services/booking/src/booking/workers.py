"""booking's own loops: holds that run out give their slot back, appointments that nobody confirms are cancelled at
their start, reminders follow a changed policy, free time is offered to the waitlist, calendars elsewhere are
fetched, and what nobody needs any more is dropped."""

import asyncio
import time
from collections import deque
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from booking import allocations, changes, reminders, store, waitlist, waitlist_store
from booking.busy_import import AT_ONCE, BusyImport
from booking.waiting import KEEP_ENDED, LOOK_EVERY
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import NotFound, TenantSuspended, Unavailable
from servicekit.faults import reached
from servicekit.health import Heartbeat
from servicekit.periodic import Periodic
from servicekit.tenants import require_active, tenant_by_id, tenant_to_change

log = structlog.get_logger(__name__)

_TURN_SECONDS = 5.0
_UNCONFIRMED_AT_ONCE = 100
_ALIGNED_AT_ONCE = 50
_DROPPED_AT_ONCE = 5000
_LEFT_FOR = timedelta(minutes=1)
"""So long is an appointment left alone that could not be cancelled, or a business whose policy not followed."""
_LEFTOVERS = (
    ("waitlist_entries", waitlist_store.drop_ended, KEEP_ENDED),
    ("holds", allocations.drop_released_holds, allocations.KEEP_HOLDS),
    ("appointments", allocations.drop_released_appointments, allocations.KEEP_APPOINTMENTS),
    ("reminders", store.drop_reminders, reminders.KEEP_PAST),
)
"""What is dropped, by what, and how long behind its end."""


class HoldSweeper(Periodic):
    """Sweeps every second. Correctness does not need it: a writer releases what is in its way."""

    def __init__(self, db: Database, *, clock: Clock = utc_now, every: float = 1) -> None:
        super().__init__("booking.holds", every=every)
        self._db = db
        self._clock = clock

    async def turn(self) -> None:
        async with self._db.worker() as conn:
            await allocations.sweep(conn, self._clock())


class UnconfirmedCanceller(Periodic):
    """Cancels appointments that their business has not confirmed by their start; any number of processes may.

    Each is one transaction, with the locks of every other change, and is looked at anew under its own lock. Those
    of a suspended business run out as well: nothing can come of them any more, and when the business is back it
    would be late news. Those of one that is being deleted are its erasure's.
    """

    def __init__(self, db: Database, *, clock: Clock = utc_now, every: float = 1) -> None:
        super().__init__("booking.unconfirmed", every=every)
        self._db = db
        self._clock = clock
        self._last: store.Unconfirmed | None = None
        self._left_until: dict[UUID, datetime] = {}

    async def turn(self) -> float | None:
        """Goes through what has run out, for a few seconds at most; the next turn goes on behind that."""
        until = time.monotonic() + _TURN_SECONDS
        now = self._clock()
        self._left_until = {key: end for key, end in self._left_until.items() if now < end}
        while True:
            async with self._db.worker() as conn:
                due = await store.unconfirmed(conn, now, self._last, _UNCONFIRMED_AT_ONCE)
            for item in due:
                # Before it is tried: whatever comes of this one, the others are not kept waiting.
                self._last = item
                if item.appointment_id not in self._left_until:
                    await self._cancel(item)
                if time.monotonic() > until:
                    return 0
            if len(due) < _UNCONFIRMED_AT_ONCE:
                self._last = None
                return None

    async def _cancel(self, item: store.Unconfirmed) -> None:
        """Raises psycopg.Error and Unavailable where it is the database that fails."""
        try:
            async with self._db.tenant(item.tenant_id, pipelined=True, sharing=changes.SHARING) as conn:
                tenant = await tenant_by_id(conn, item.tenant_id)
                cancelled = await changes.run_out(conn, tenant, item.appointment_id, self._clock())
        except NotFound:  # the business is on its way out, since it was found
            return
        except (psycopg.OperationalError, psycopg.InterfaceError, Unavailable):
            raise
        except Exception as error:
            log.error("unconfirmed appointment left", appointment_id=str(item.appointment_id), exc_info=error)
            self._left_until[item.appointment_id] = self._clock() + _LEFT_FOR
            return
        if cancelled:
            reached("booking.unconfirmed.cancelled")


class PolicyFollower(Periodic):
    """Has the reminders of appointments to come follow a changed policy; any number of processes may.

    Some at a time, each time in one transaction with the locks of every other change, so that bookings go on beside
    it and a crash takes back only that. How far it has come stands in a table; businesses take turns.
    """

    def __init__(self, db: Database, *, clock: Clock = utc_now, every: float = 1) -> None:
        super().__init__("booking.policies", every=every)
        self._db = db
        self._clock = clock
        self._left_until: dict[UUID, datetime] = {}

    async def turn(self) -> float | None:
        """Follows what has changed, for a few seconds at most."""
        until = time.monotonic() + _TURN_SECONDS
        now = self._clock()
        self._left_until = {key: end for key, end in self._left_until.items() if now < end}
        async with self._db.worker() as conn:
            changed = await store.alignments(conn)
        changed = [tenant_id for tenant_id in changed if tenant_id not in self._left_until]
        while changed:
            unfinished = []
            for tenant_id in changed:
                if await self._align(tenant_id):
                    unfinished.append(tenant_id)
                if time.monotonic() > until:
                    return 0
            changed = unfinished
        return None

    async def _align(self, tenant_id: UUID) -> bool:
        """Whether there is more to be done. Raises as UnconfirmedCanceller does."""
        now = self._clock()
        try:
            async with self._db.tenant(tenant_id, pipelined=True, sharing=changes.SHARING) as conn:
                await tenant_by_id(conn, tenant_id)
                more = await reminders.align_some(conn, tenant_id, now, most=_ALIGNED_AT_ONCE)
        except NotFound:  # the business is on its way out, since it was found
            return False
        except (psycopg.OperationalError, psycopg.InterfaceError, Unavailable):
            raise
        except Exception as error:
            log.error("reminder policy not followed", tenant_id=str(tenant_id), exc_info=error)
            self._left_until[tenant_id] = now + _LEFT_FOR
            return False
        reached("booking.policy.followed")
        return more


class BusyCalendarFetcher(Periodic):
    """Fetches calendars that make staff busy as their time comes; several processes share them out.

    AT_ONCE are under way, each for itself: a slow one keeps its own place, and not the others waiting.
    """

    def __init__(self, calendars: BusyImport, *, every: float = 5) -> None:
        super().__init__("booking.busy-calendars", every=every)
        self._calendars = calendars
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """As every loop of its kind; what is under way at the end comes to its own."""
        try:
            await super().run(stop, beat)
        finally:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def turn(self) -> float | None:
        """Fills the places that are free, at the latest when one becomes so; raises what ended a fetch."""
        ended = {fetch for fetch in self._under_way if fetch.done()}
        self._under_way -= ended
        for failed in [fetch.exception() for fetch in ended]:
            if failed is not None:
                raise failed
        free = AT_ONCE - len(self._under_way)
        for due in await self._calendars.claim(free) if free else ():
            fetch = asyncio.create_task(self._calendars.fetch(due))
            fetch.add_done_callback(lambda _: self.nudge())
            self._under_way.add(fetch)
        return None


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
        """Ends what has lapsed, hears what was freed, then looks, for a few seconds at most.

        An entry of each business at a time; the next turn goes on behind the last one.
        """
        until = time.monotonic() + _TURN_SECONDS
        now = self._clock()
        async with self._db.worker() as conn:
            await waitlist_store.lapse(conn, now)
        async with self._db.worker() as conn:
            await waitlist_store.hear(conn, now)
        async with self._db.worker() as conn:
            due = deque(await waitlist_store.waited_for(conn, now, self._last))
        while due:
            # Before it is looked at: whatever comes of that, the others are not kept waiting.
            self._last = due.popleft()
            if await self._look(self._last):
                due.append(self._last)
            if time.monotonic() > until:
                return 0
        return None

    async def _look(self, tenant_id: UUID) -> bool:
        """Looks for the business's next in line; False when nobody is due, or another process looks."""
        now = self._clock()
        try:
            async with self._db.tenant(tenant_id) as conn:
                tenant = await tenant_to_change(conn, tenant_id)
                require_active(tenant)
                if not await waitlist_store.one_at_a_time(conn, tenant_id):
                    return False
                found = await waitlist_store.next_in_line(conn, tenant_id, now)
                if found is None:
                    return False
                entry, freed = found
                try:
                    async with conn.transaction():
                        await waitlist.look(conn, tenant, entry, freed, now, lasts=self._offer_for)
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    raise
                except Exception as error:
                    # One that cannot be served must not keep the others waiting.
                    log.error("waitlist entry passed over", entry_id=str(entry.entry_id), exc_info=error)
                    again = now + LOOK_EVERY if freed is None else None
                    await waitlist_store.looked(conn, tenant_id, entry.entry_id, again)
        except (NotFound, TenantSuspended):  # since it was found
            return False
        return True


class Leftovers(Periodic):
    """Drops what nobody needs any more: the waitlist's entries some time after they have left the line, time that
    was given back, reminders that are past. What each service has of the kind is servicekit.housekeeping's.
    """

    def __init__(self, db: Database, *, clock: Clock = utc_now, every: float = 600) -> None:
        super().__init__("booking.leftovers", every=every)
        self._db = db
        self._clock = clock

    async def turn(self) -> float | None:
        """Drops some thousands of each at most; at once again where there may be more."""
        now = self._clock()
        dropped: dict[str, int] = {}
        for name, drop, keep in _LEFTOVERS:
            async with self._db.worker() as conn:
                dropped[name] = await drop(conn, now - keep, _DROPPED_AT_ONCE)
        if any(dropped.values()):
            log.info("leftovers dropped", **dropped)
        return 0 if max(dropped.values()) == _DROPPED_AT_ONCE else None
