"""booking's own loop: holds that have run out give their slot back."""

from booking import allocations
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
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
