"""Turns at what clients can keep for as long as they like: so many at once, of which one address has a part.

Used by gateway.bodies for large bodies, and by gateway.proxy for large answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from servicekit.addresses import counted_as
from servicekit.errors import Unavailable


class Turns:
    """`at_once` in all, `of_one` of one address, as the limits count it; `refusal` is for who waits `seconds`."""

    def __init__(self, at_once: int, of_one: int, *, seconds: float, refusal: str) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._most_of_one = of_one
        self._of_one = WeakValueDictionary[str, asyncio.Semaphore]()
        """By address, for as long as it has or awaits a turn."""
        self._seconds = seconds
        self._refusal = refusal

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Raises Unavailable where none is free in time."""
        own = self._of_one.setdefault(counted_as(address), asyncio.Semaphore(self._most_of_one))
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(self._seconds):
                    await turn.enter_async_context(own)
                    await turn.enter_async_context(self._all)
            except TimeoutError:
                raise Unavailable(self._refusal) from None
            yield
