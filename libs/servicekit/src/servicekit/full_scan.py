"""Scans a table of due work from its beginning now and then, beside a loop whose polls do not begin there.

An index by which a loop finds what is due begins with dead entries, those of what is done with, until a vacuum
removes them; an old snapshot elsewhere (a dump, a report, a forgotten session) can put that off for hours. So a
loop that polls often begins where its last poll ended, and this one, beside it, finds what lies before that. Used
by the scheduler (docs/adr/0016) and by notification's senders (docs/adr/0025).

It works without the database's timeouts: a scan that were ended after 15 s would pass the same dead entries each
time, and find nothing for as long as the snapshot is there.
"""

import time
from collections.abc import Awaitable, Callable

from servicekit.periodic import Periodic

_EVERY_SECONDS = 1.0
_PAUSE_FACTOR = 20
_LONGEST_PAUSE = 30.0
"""After a scan: 20 times as long as it took, but not more than 30 s."""


class FullScan(Periodic):
    """Calls `scan` for a twentieth of the time, or with a pause of 30 s where that would be more seldom."""

    def __init__(
        self,
        name: str,
        scan: Callable[[], Awaitable[None]],
        *,
        every: float = _EVERY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, every=every, long=True)
        self._scan = scan
        self._monotonic = monotonic

    async def turn(self) -> float:
        begun = self._monotonic()
        await self._scan()
        pause = _PAUSE_FACTOR * (self._monotonic() - begun)
        return max(self._every, min(pause, _LONGEST_PAUSE))
