"""Looks from the beginning now and then, for a loop whose own looks do not begin there.

An index by which a loop finds what is due begins with dead entries, those of what is done with, until a vacuum
removes them; an old snapshot elsewhere (a dump, a report, a forgotten session) can put that off for hours. So a
loop that looks often begins where its last look ended, and this one, beside it, finds what lies before that. Used
by the scheduler (docs/adr/0016) and by notification's senders (docs/adr/0025).
"""

import time
from collections.abc import Awaitable, Callable

from servicekit.periodic import Periodic

_EVERY_SECONDS = 1.0
_PAUSE_FACTOR = 20
_LONGEST_PAUSE = 30.0
"""After a look from the beginning: 20 times as long as the look took, but not more than 30 s."""


class Stragglers(Periodic):
    """Calls `look_back` for a twentieth of the time at most, and every 30 s at least."""

    def __init__(
        self,
        name: str,
        look_back: Callable[[], Awaitable[None]],
        *,
        look_seconds: float = _EVERY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, every=look_seconds)
        self._look_back = look_back
        self._monotonic = monotonic

    async def turn(self) -> float:
        begun = self._monotonic()
        await self._look_back()
        pause = _PAUSE_FACTOR * (self._monotonic() - begun)
        return max(self._every, min(pause, _LONGEST_PAUSE))
