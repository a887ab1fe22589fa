"""A loop that does one thing every so often, and rides out an outage of what it needs.

Base of the small loops (use reports, housekeeping, a service's own sweepers).
"""

import asyncio

import psycopg
import structlog

from servicekit.errors import Unavailable
from servicekit.health import Heartbeat

log = structlog.get_logger(__name__)

_MAX_BACKOFF = 10.0


class Periodic:
    """Calls `turn` every `every` seconds; subclasses say what a turn is."""

    def __init__(self, name: str, *, every: float) -> None:
        self.name = name
        self._every = every

    async def turn(self) -> None:
        """One turn. Raising psycopg.Error or Unavailable means: later again, with backoff."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Turns until told to stop; the beat goes on through an outage, as a restart would not mend it."""
        beat.limit = max(beat.limit, 3 * self._every)
        failures = 0
        while not stop.is_set():
            beat.beat()
            pause = self._every
            try:
                await self.turn()
                failures = 0
            except (Unavailable, psycopg.Error) as error:
                failures += 1
                pause = min(_MAX_BACKOFF, 0.25 * 2**failures)
                log.warning("loop interrupted", loop=self.name, error=str(error).strip(), retry_in=pause)
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue
