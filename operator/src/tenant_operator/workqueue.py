"""Which objects wait to be reconciled: each once, however often it is asked for, never twice at the same time.

kopf would hold a worker of its own for an object for five seconds after each event (`idle_timeout`), which caps
an operator at a fifth of its workers a second; here a worker is free as soon as a pass has ended.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from tenant_operator.metrics import QUEUE


class Key(NamedTuple):
    """An object: its kind, Tenant or Plan, and its name."""

    kind: str
    name: str


Later = Callable[[Key, float], None]
"""Asks for a pass over an object after so many seconds."""


class _Timer(NamedTuple):
    """`due` is by the loop's clock. uvloop's handle does not tell it for a delay of less than a millisecond."""

    due: float
    handle: asyncio.Handle


class WorkQueue:
    """Runs `work`, which must not raise, for each key that is asked for; first come, first served in either lane.

    Keys that are `urgent` when they are asked for have a lane with `concurrency` passes at once. The others have
    one with an eighth of that: passes take turns in one thread, so that many of them would hold up each urgent one.
    """

    def __init__(
        self,
        work: Callable[[Key], Awaitable[None]],
        *,
        concurrency: int,
        urgent: Callable[[Key], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._concurrency = concurrency
        self._urgent = urgent
        self._clock = clock
        self._lanes: dict[bool, asyncio.Queue[Key]] = {True: asyncio.Queue(), False: asyncio.Queue()}
        self._waiting: dict[Key, bool] = {}
        self._again: set[Key] = set()
        self._running: dict[Key, float] = {}
        self._timers: dict[Key, _Timer] = {}

    def add(self, key: Key) -> None:
        """As soon as possible; once more after the pass that runs just now."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.handle.cancel()
        if key in self._running:
            self._again.add(key)
            return
        urgent = self._urgent(key)
        if key not in self._waiting or (urgent and not self._waiting[key]):
            self._waiting[key] = urgent
            self._lanes[urgent].put_nowait(key)
            QUEUE.set(len(self._waiting))

    def add_after(self, key: Key, seconds: float) -> None:
        """After a while, unless it is asked for earlier; the earliest of several counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.due <= due:
                return
            timer.handle.cancel()
        self._timers[key] = _Timer(due, loop.call_later(seconds, self.add, key))

    def spread(self, keys: Iterable[Key], *, per_second: float) -> None:
        """All of them, so many a second, that what is asked for meanwhile need not wait for the last."""
        for number, key in enumerate(keys):
            self.add_after(key, number / per_second)

    def longest(self) -> float:
        """Seconds that the oldest running pass has taken so far."""
        return max((self._clock() - since for since in self._running.values()), default=0.0)

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for urgent, workers in ((True, self._concurrency), (False, max(1, self._concurrency // 8))):
                    for number in range(workers):
                        name = f"reconcile-{'urgent' if urgent else 'late'}-{number}"
                        group.create_task(self._worker(urgent=urgent), name=name)
        finally:
            for timer in self._timers.values():
                timer.handle.cancel()

    async def _worker(self, *, urgent: bool) -> None:
        while True:
            key = await self._lanes[urgent].get()
            if self._waiting.get(key) is not urgent:
                continue  # it has become urgent, and the other lane has it
            del self._waiting[key]
            QUEUE.set(len(self._waiting))
            self._running[key] = self._clock()
            try:
                await self._work(key)
            finally:
                del self._running[key]
            if key in self._again:
                self._again.discard(key)
                self.add(key)
