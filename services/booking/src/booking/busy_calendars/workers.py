"""The loop that fetches calendars elsewhere as their time comes."""

import asyncio

from booking.busy_calendars.fetching import AT_ONCE, BusyImport
from servicekit.health import Heartbeat
from servicekit.periodic import Periodic


class BusyCalendarFetcher(Periodic):
    """Fetches calendars that make staff busy as their time comes; several processes share them out.

    AT_ONCE are under way, each for itself: a slow one keeps its own place, and not the others waiting.
    """

    def __init__(self, calendars: BusyImport, *, every: float = 5) -> None:
        super().__init__("booking.busy-calendars", every=every)
        self._calendars = calendars
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """As Periodic.run; at the end it waits for the fetches that are under way."""
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
