"""How far a consumer has read, told as a time: all that was in a partition by then has taken effect.

An offset says nothing to who has to know whether something may still be on its way; a time does. Kept by
servicekit.consumer for the consumers that are given one, as scheduler's, which fires nothing that may have been
withdrawn in what it has yet to read (docs/adr/0028). What stream processors call a watermark, by the reader's clock
and not by that of who wrote.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from servicekit.clock import Clock, utc_now
from servicekit.kafka import Place

Tell = Callable[[Mapping[Place, datetime | None]], Awaitable[None]]
"""Called with every partition that the consumer has: None for one of which it cannot tell yet."""


class Progress:
    """One consumer's. Times may go back: with the clock, or as a partition comes back from another member."""

    def __init__(self, tell: Tell, *, clock: Clock = utc_now) -> None:
        self.clock = clock
        self._tell = tell
        self._until: dict[Place, datetime | None] = {}
        self._awaited: dict[Place, tuple[datetime, int]] = {}
        """By partition whose end was not reached at the last look: an earlier look, and where it ended then."""

    async def look(self, at: datetime, ends: Mapping[Place, int], done: Mapping[Place, int]) -> None:
        """Tells how far it has come.

        `ends` are the offsets at which its partitions ended at `at` or later; `done` are the first ones that have
        not taken effect. What is not in `ends` is another's by now. Raises what `tell` raises, and loses nothing.
        """
        self._until = {place: self._until.get(place) for place in ends}
        self._awaited = {place: look for place, look in self._awaited.items() if place in ends}
        for place, end in ends.items():
            come_to = done.get(place, -1)
            if come_to >= end:
                self._until[place] = at
                self._awaited.pop(place, None)
                continue
            then, wanted = self._awaited.setdefault(place, (at, end))
            if come_to >= wanted:
                self._until[place] = then
                self._awaited[place] = (at, end)
        await self._tell(dict(self._until))
