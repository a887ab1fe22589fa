"""Limits how many may use something scarce for long at the same time, in all and of one client or business.

Used by gateway for large bodies and answers, by business for calendars that it reads, by booking for exports.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from servicekit.errors import Unavailable

Whose = TypeVar("Whose", bound=Hashable)


class Turns(Generic[Whose]):
    """At most `at_once` have a turn at a time, and at most `of_one` of one client or business.

    After a wait of `seconds` a request is refused in the words of `refusal`, with a Retry-After of `retry_after` s.
    """

    def __init__(
        self, at_once: int, of_one: int, *, seconds: float, refusal: str, retry_after: int = 2
    ) -> None:
        self.all = asyncio.Semaphore(at_once)
        self._most_of_one = of_one
        self.of_each = WeakValueDictionary[Whose, asyncio.Semaphore]()
        """Each is kept for as long as it has or awaits a turn."""
        self._seconds = seconds
        self._refusal = refusal
        self._retry_after = retry_after

    @asynccontextmanager
    async def of(self, whose: Whose) -> AsyncIterator[None]:
        """Raises Unavailable where none is free in time."""
        own = self.of_each.setdefault(whose, asyncio.Semaphore(self._most_of_one))
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(self._seconds):
                    await turn.enter_async_context(own)
                    await turn.enter_async_context(self.all)
            except TimeoutError:
                raise Unavailable(self._refusal, retry_after=self._retry_after) from None
            yield
