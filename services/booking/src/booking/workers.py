"""Booking's background loops, wired in booking.app.

Holds that have run out give their slot back, pending appointments that nobody confirms are cancelled at their
start, reminders follow a changed policy, and rows of all these that nobody needs any more are dropped.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from booking import allocations, changes, reminders, store
from booking.waitlist import store as waitlist_store
from booking.waitlist.domain import KEEP_ENDED
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import NotFound, Unavailable
from servicekit.faults import reached
from servicekit.periodic import Periodic
from servicekit.tenants import tenant_by_id

log = structlog.get_logger(__name__)

_TURN_SECONDS = 5.0
_UNCONFIRMED_AT_ONCE = 100
_ALIGNED_AT_ONCE = 50
_SWEPT_AT_ONCE = 1000
_DROPPED_AT_ONCE = 5000
_LEFT_FOR = timedelta(minutes=1)
"""How long until a failed cancellation, or a failed alignment with a business's policy, is tried again."""
_LEFTOVERS = (
    ("waitlist_entries", waitlist_store.drop_ended, KEEP_ENDED),
    ("holds", allocations.drop_released_holds, allocations.KEEP_HOLDS),
    ("appointments", allocations.drop_released_appointments, allocations.KEEP_APPOINTMENTS),
    ("reminders", store.drop_reminders, reminders.KEEP_PAST),
)
"""What is dropped, the function that does it, and how long after its end."""


class HoldSweeper(Periodic):
    """Sweeps every second. Correctness does not need it: a writer releases what is in its way."""

    def __init__(
        self, db: Database, *, clock: Clock = utc_now, every: float = 1, at_once: int = _SWEPT_AT_ONCE
    ) -> None:
        super().__init__("booking.holds", every=every)
        self._db = db
        self._clock = clock
        self._at_once = at_once

    async def turn(self) -> float | None:
        """Sweeps a thousand at most; at once again where there may be more."""
        async with self._db.worker() as conn:
            more = await allocations.sweep(conn, self._clock(), self._at_once)
        return 0 if more else None


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


class Leftovers(Periodic):
    """Drops the waitlist's entries, time that was given back and past reminders, some time behind their end.

    What each service has of the kind is servicekit.housekeeping's.
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
