"""booking's own loops: holds that have run out give their slot back; calendars elsewhere are fetched."""

import asyncio

from booking import allocations
from booking.busy_import import AT_ONCE, FETCH_SECONDS, READ_SECONDS, BusyImport
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.health import Heartbeat
from servicekit.periodic import Periodic


class HoldSweeper(Periodic):
    """Sweeps every second. Correctness does not need it: a writer releases what is in its way."""

    def __init__(self, db: Database, *, clock: Clock = utc_now, every: float = 1) -> None:
        super().__init__("booking.holds", every=every)
        self._db = db
        self._clock = clock

    async def turn(self) -> None:
        async with self._db.worker() as conn:
            await allocations.sweep(conn, self._clock())


class BusyCalendarFetcher(Periodic):
    """Fetches calendars that make staff busy as their time comes; several processes share them out."""

    def __init__(self, calendars: BusyImport, *, every: float = 5) -> None:
        super().__init__("booking.busy-calendars", every=every)
        self._calendars = calendars

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """As every loop of its kind, but a turn may wait for strangers."""
        beat.limit = 3 * (FETCH_SECONDS + READ_SECONDS)
        await super().run(stop, beat)

    async def turn(self) -> float | None:
        due = await self._calendars.claim()
        done = await asyncio.gather(*map(self._calendars.fetch, due), return_exceptions=True)
        for failed in done:
            if failed is not None:
                raise failed
        return 0 if len(due) == AT_ONCE else None
