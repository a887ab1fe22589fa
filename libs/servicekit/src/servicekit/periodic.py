"""A loop that does one thing every so often, and rides out an outage of what it needs.

Base of the small loops (use reports, housekeeping, a service's own sweepers).
"""

import asyncio
import random

import psycopg
import structlog

from servicekit.errors import Unavailable
from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for

log = structlog.get_logger(__name__)

LONG_SECONDS = 1800.0
"""How long a turn may take that has no bound of its own, as it works without the database's timeouts."""


class Periodic:
    """Calls `turn` every `every` seconds; subclasses say what a turn is."""

    def __init__(self, name: str, *, every: float, long: bool = False) -> None:
        """`long`: a turn may take LONG_SECONDS before the loop counts as one that hangs."""
        self.name = name
        self._every = every
        self._longest = LONG_SECONDS if long else 3 * every
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """The next turn begins without waiting for its time."""
        self._nudged.set()

    async def turn(self) -> float | None:
        """One turn; answers how many seconds to pause, None for the usual.

        Raising psycopg.Error or Unavailable means: later again, with backoff and jitter.
        """
        raise NotImplementedError

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Turns until told to stop; the beat goes on through an outage, as a restart would not mend it."""
        beat.limit = max(beat.limit, self._longest)
        failures = 0
        while not stop.is_set():
            beat.beat()
            self._nudged.clear()
            try:
                answer = await self.turn()
                pause = self._every if answer is None else answer
                failures = 0
            except (Unavailable, psycopg.Error) as error:
                failures += 1
                pause = backoff(failures) * random.uniform(0.5, 1)  # noqa: S311 - jitter
                log.warning(
                    "loop interrupted", loop=self.name, error=str(error).strip(), retry_in=round(pause, 2)
                )
            await pause_for(pause, stop, self._nudged)
