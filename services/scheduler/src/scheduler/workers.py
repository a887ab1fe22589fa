"""Fires timers when they are due: closes them and writes `scheduler.reminder.due.v1` in one transaction.

The loop sleeps until the next timer's own time, so that how often it looks decides only how soon it finds timers
that other processes have set. Any number may run: a due timer is taken by one of them. One that came due while
nothing ran is fired late, with the time it was meant for; only when its appointment has begun meanwhile it is
dropped, and counted.
"""

from datetime import datetime, timedelta

from prometheus_client import Counter, Histogram

from contracts.booking import ReminderRequested
from contracts.scheduler import ReminderDue
from scheduler import store
from servicekit import faults, outbox
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.periodic import Periodic

_FORGET_AFTER = timedelta(days=30)
"""Longer than events and dead letters are kept: nothing asks for a closed timer again after it."""
_FORGET_EVERY = timedelta(hours=1)

_FIRED = Counter("slotwright_scheduler_timers_total", "Timers that came due.", ["outcome"])
_LATENESS = Histogram(
    "slotwright_scheduler_lateness_seconds",
    "From a timer's due time to its firing.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)


class TimerLoop(Periodic):
    """`nudge` tells it that a timer is being set, perhaps for sooner than the one that is slept for."""

    def __init__(
        self, db: Database, *, look_seconds: float = 1, batch_size: int = 500, clock: Clock = utc_now
    ) -> None:
        super().__init__("scheduler.timers", every=look_seconds)
        self._db = db
        self._look_seconds = look_seconds
        self._batch_size = batch_size
        self._clock = clock
        self._forget_at = clock()

    async def turn(self) -> float:
        """Fires what is due and answers how many seconds to sleep; 0 when more may be due."""
        await self._forget()
        now = self._clock()
        async with self._db.worker() as conn:
            due = await store.take_due(conn, now, self._batch_size)
            events = [_due(request, now) for request in due if request.starts_at > now]
            await outbox.publish(conn, "scheduler", *events, time=now)
            upcoming = await store.next_due(conn)
            faults.reached("scheduler.taken")
        faults.reached("scheduler.fired")
        _FIRED.labels("fired").inc(len(events))
        _FIRED.labels("overtaken").inc(len(due) - len(events))
        for event in events:
            _LATENESS.observe((now - event.due_at).total_seconds())
        if len(due) == self._batch_size:
            return 0
        return self._until(upcoming)

    def _until(self, upcoming: datetime | None) -> float:
        if upcoming is None:
            return self._look_seconds
        # Never 0: a timer that is due and was not taken is held by another process.
        return min(self._look_seconds, max(0.005, (upcoming - self._clock()).total_seconds()))

    async def _forget(self) -> None:
        """Now and then, the closed timers that nothing can ask for any more."""
        now = self._clock()
        if now < self._forget_at:
            return
        self._forget_at = now + _FORGET_EVERY
        async with self._db.worker() as conn:
            await store.forget_closed(conn, now - _FORGET_AFTER)


def _due(request: ReminderRequested, now: datetime) -> ReminderDue:
    told = request.model_dump(exclude={"occurred_at"})
    return ReminderDue(**told, fired_at=now)
