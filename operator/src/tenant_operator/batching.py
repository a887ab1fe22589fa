"""Many of one kind of request as one: what is asked for while a batch is under way goes into the next.

Nobody waits for a batch to fill: one request alone goes out at once. Used by `streams` and `records`: Kafka answers
a hundred at about the cost of one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Hands batches of at most `most` items to `work`, one batch at a time, in a thread.

    `work` answers for each item in its place, with what it came to or the exception to raise.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | Exception]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """One item, with whoever else is waiting. Raises what `work` answers for it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await future

    async def ended(self) -> None:
        """Returns once no batch is under way."""
        if self._draining is not None:
            await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._draining = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """The next items, without those whose caller was cancelled: they must not be done any more."""
        waiting = [(item, future) for item, future in self._waiting if not future.done()]
        self._waiting = waiting[self._most :]
        return waiting[: self._most]

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await asyncio.to_thread(self._work, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - raised again, where each item is waited for
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
