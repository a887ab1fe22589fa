"""Fires timers when they are due: closes them and writes `scheduler.reminder.due.v1` in one transaction.

The loop sleeps until the next timer's own time, so that how often it polls decides only how soon it finds timers
that other processes have set. Any number may run: a due timer is taken by one of them. One that came due while
nothing ran is fired late, with the time it was meant for, once nothing is left to read that may withdraw it; only
when its appointment has begun meanwhile it is dropped, and counted.

The index of due times begins with dead entries, those of fired timers, until a vacuum removes them; an old
transaction elsewhere can put that off. So a turn begins where the last one ended, and only now and then
servicekit.full_scan has it read from the beginning, in a loop beside it (docs/adr/0016). `ClosedTimers` tidies up.
Both are wired in scheduler.app.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge, Histogram

from contracts.scheduler import ReminderDue
from scheduler import store
from servicekit import faults, outbox
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import Unavailable
from servicekit.periodic import Periodic

_FORGET_EVERY = timedelta(hours=1)
_TIDY_SECONDS = 600.0
_MOVE_BATCH = 1000
_BATCHES_AT_ONCE = 2
_TURN_SECONDS = 1.0
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_JUST_READ = timedelta(seconds=5)
"""How old it may be that all was read without holding anything back. Consumers tell it every second."""
_LONGEST_HOLD_SECONDS = 3600.0

log = structlog.get_logger(__name__)

_FIRED = Counter("slotwright_scheduler_timers_total", "Timers that came due.", ["outcome"])
_LATENESS = Histogram(
    "slotwright_scheduler_lateness_seconds",
    "From a timer's due time to its firing.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
_UNREAD = Gauge(
    "slotwright_scheduler_unread_seconds",
    "For how long requests and withdrawals may be unread; what came due since waits. 0 where all was just read.",
)


class Horizon:
    """Until when timers may fire: now, unless what has been asked for and withdrawn was not read for a while.

    Then, as after a downtime, only what was due before that fires (docs/adr/0028). After an hour in one process
    everything does: where a partition is kept from being read for good, better a withdrawn reminder than none.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._holding_since: float | None = None

    def at(self, now: datetime, read_until: datetime | None) -> datetime:
        if read_until is None or now - read_until <= _JUST_READ:
            if self._holding_since is not None:
                log.info("timers that were held back fire, as all withdrawals have been read")
            self._holding_since = None
            _UNREAD.set(0)
            return now
        _UNREAD.set((now - read_until).total_seconds())
        if self._holding_since is None:
            self._holding_since = self._monotonic()
            log.warning("timers are held back until withdrawals have been read", read_until=str(read_until))
        if self._monotonic() - self._holding_since > _LONGEST_HOLD_SECONDS:
            return now
        return read_until


class TimerLoop(Periodic):
    """Fires due timers."""

    def __init__(
        self,
        db: Database,
        *,
        every: float = 1,
        batch_size: int = 500,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("scheduler.timers", every=every)
        self._db = db
        self._batch_size = batch_size
        self._clock = clock
        self._monotonic = monotonic
        self._horizon = Horizon(monotonic)
        self._since = _BEGINNING
        self._rewound_to: datetime | None = None
        self._upcoming: datetime | None = None

    def timer_set(self, due_at: datetime) -> None:
        """Wakes it for one that may come due before it looks again by itself. Woken for each, it did little else.

        That is the usual pause from now, or from the end of the turn that is under way and has not seen this timer.
        """
        if due_at <= self._clock() + 2 * timedelta(seconds=self._every):
            self.nudge()

    async def turn(self) -> float:
        """Fires what is due and answers how many seconds to sleep; 0 when more may be due."""
        if await self._fire():
            return self._seconds_until(self._upcoming)
        # More is due: while one batch waits for the database, the other is made ready.
        until = self._monotonic() + _TURN_SECONDS
        ended = await asyncio.gather(
            *(self._fire_batches(until) for _ in range(_BATCHES_AT_ONCE)), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                raise error
        return 0

    async def full_scan(self) -> None:
        """Fires one batch from the beginning: what was set late, or held by a process that died.

        Where there is more, the next turn goes on with it. It may take as long as it needs, and holds no turn up.
        """
        async with self._batch(_BEGINNING, self._clock(), untimed=True) as (_, taken):
            pass
        if self._is_full(taken):
            self._rewound_to = taken.until
            self.nudge()

    async def _fire_batches(self, until: float) -> None:
        """Fires batches until one is not full; begins none past `until`, so that the heartbeat goes on."""
        while self._monotonic() < until:
            if await self._fire():
                return

    async def _fire(self) -> bool:
        """Fires one batch, from where the last one ended; answers whether that was all that is due."""
        now = self._clock()
        since, self._rewound_to = self._rewound_to or self._since, None
        try:
            async with self._batch(since, now) as (conn, taken):
                all_fired = not self._is_full(taken)
                upcoming = await store.next_due(conn, now) if all_fired else None
        except Unavailable:
            if self._since == _BEGINNING:
                # With very much dead, the first poll runs into its timeout, and so would each after it: what comes
                # due from now on is fired, and what lies before is found by the full scan, which has no timeout.
                self._since = now
            raise
        self._since = taken.until
        self._upcoming = upcoming
        return all_fired

    @asynccontextmanager
    async def _batch(
        self, since: datetime, now: datetime, *, untimed: bool = False
    ) -> AsyncIterator[tuple[Connection, store.Taken]]:
        """Takes and publishes a batch of what is due from `since` on; it has fired once the block ends."""
        async with self._db.worker(untimed=untimed) as conn:
            until = self._horizon.at(now, await store.read_until(conn))
            taken = await store.take_due(conn, since, until, self._batch_size, now=now)
            events = [event for event in taken.events if event.starts_at > now]
            await outbox.publish(conn, "scheduler", *events, time=now)
            yield conn, taken
            if taken.events:  # these points are for a crash that holds timers, not for an empty poll
                faults.reached("scheduler.taken")
        if taken.events:
            faults.reached("scheduler.fired")
        _measure(events, len(taken.events) - len(events), now)

    def _is_full(self, taken: store.Taken) -> bool:
        return len(taken.events) == self._batch_size

    def _seconds_until(self, upcoming: datetime | None) -> float:
        if upcoming is None:
            return self._every
        return min(self._every, max(0.0, (upcoming - self._clock()).total_seconds()))


def _measure(events: list[ReminderDue], overtaken: int, now: datetime) -> None:
    _FIRED.labels("fired").inc(len(events))
    _FIRED.labels("overtaken").inc(overtaken)
    for event in events:
        _LATENESS.observe((now - event.due_at).total_seconds())


class ClosedTimers(Periodic):
    """Moves timers that were closed in place to the table of closed ones, and removes from there what is too old.

    A loop of its own, as either may take longer than a timer may be late.
    """

    def __init__(self, db: Database, *, clock: Clock = utc_now) -> None:
        super().__init__("scheduler.closed-timers", every=_TIDY_SECONDS, long=True)
        self._db = db
        self._clock = clock
        self._forget_at = clock()

    async def turn(self) -> float | None:
        """Answers 0 while there is more to be moved; once an hour it also removes what is too old."""
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            async with self._db.worker(untimed=True) as conn:
                await store.forget_closed(conn)
        async with self._db.worker() as conn:
            moved = await store.move_closed(conn, _MOVE_BATCH)
        return 0 if moved == _MOVE_BATCH else None
