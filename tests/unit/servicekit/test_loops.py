"""Waiting in loops: how long after failures, and that what should end a wait does."""

import asyncio

import pytest

from servicekit.full_scan import FullScan
from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for
from servicekit.periodic import LONG_SECONDS, Periodic

_FOREVER = 3600.0


def test_a_backoff_doubles_up_to_its_cap() -> None:
    assert [backoff(failures) for failures in (1, 2, 5, 6)] == [0.5, 1.0, 8.0, 10.0]
    assert backoff(3, first=0.1, longest=30.0) == 0.8


def test_an_outage_of_days_is_still_waited_for() -> None:
    assert backoff(100_000) == 10.0


async def test_any_event_ends_a_pause() -> None:
    stop, other = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(5):
        other.set()
        await pause_for(_FOREVER, stop, other)
        await pause_for(0, stop)


class Turns(Periodic):
    """Writes down its turns; the first answers that the next is far away."""

    def __init__(self) -> None:
        super().__init__("test.turns", every=0.0)
        self.made = asyncio.Queue[int]()

    async def turn(self) -> float | None:
        self.made.put_nowait(1)
        return _FOREVER


async def test_a_nudge_begins_the_next_turn_and_stop_ends_the_loop() -> None:
    loop, stop = Turns(), asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run(stop, Heartbeat("test.turns", limit=5)))
        await loop.made.get()
        loop.nudge()
        await loop.made.get()
        stop.set()
    assert loop.made.empty()


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.001, 1), (0.04, 1), (0.5, 10), (2, 30)],
    ids=["at once", "soon", "a share", "half a minute at most"],
)
async def test_scanning_takes_a_twentieth_of_the_time_at_most(took: float, pause: float) -> None:
    elapsed = [0.0]

    async def scan() -> None:
        elapsed[0] += took

    full_scan = FullScan("test.full-scan", scan, every=1, monotonic=lambda: elapsed[0])
    assert await full_scan.turn() == pytest.approx(pause)


async def test_a_full_scan_does_not_count_as_one_that_hangs_before_it_has_taken_very_long() -> None:
    """It has no timeout: with millions of dead entries, a process that was restarted for it would begin anew."""

    async def scan() -> None: ...

    stop, beat = asyncio.Event(), Heartbeat("test.full-scan", limit=60)
    stop.set()
    await FullScan("test.full-scan", scan).run(stop, beat)
    assert beat.limit == LONG_SECONDS
