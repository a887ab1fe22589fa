"""Limits how many requests do something costly at the same time: in all, and of one client or business.

Used by gateway for large bodies and answers, by business for calendars that it reads, by booking for exports.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from servicekit.errors import Unavailable

Owner = TypeVar("Owner", bound=Hashable)


class ConcurrencyLimit(Generic[Owner]):
    """At most `at_once` requests at a time, and at most `of_one` of one client or business.

    After a wait of `seconds` a request is refused in the words of `refusal`, with a Retry-After of `retry_after` s.
    """

    def __init__(
        self, at_once: int, of_one: int, *, seconds: float, refusal: str, retry_after: int = 2
    ) -> None:
        self.all = asyncio.Semaphore(at_once)
        self._most_of_one = of_one
        self.by_owner = WeakValueDictionary[Owner, asyncio.Semaphore]()
        """Each is kept while a request of its owner runs or waits."""
        self._seconds = seconds
        self._refusal = refusal
        self._retry_after = retry_after

    @asynccontextmanager
    async def acquire(self, owner: Owner) -> AsyncIterator[None]:
        """Waits until a request of this owner may run, and counts it for the block. Raises Unavailable."""
        own = self.by_owner.setdefault(owner, asyncio.Semaphore(self._most_of_one))
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._seconds):
                    await held.enter_async_context(own)
                    await held.enter_async_context(self.all)
            except TimeoutError:
                raise Unavailable(self._refusal, retry_after=self._retry_after) from None
            yield
