"""Waiting in a loop of the runtime: for a while, for something to happen, after a failure; ended by `stop` at once.

Used by the loops of servicekit, of the services and of the operator.
"""

import asyncio

from servicekit.health import Heartbeat

_TURN_SECONDS = 1.0
_MOST_DOUBLINGS = 30
"""Beyond any `longest` in use; without a bound, an outage of hours would come to more than a float can hold."""


def backoff(failures: int, *, first: float = 0.25, longest: float = 10.0) -> float:
    """Seconds to wait after the nth failure in a row: `first` doubled n times, `longest` at most."""
    return min(longest, first * 2.0 ** min(failures, _MOST_DOUBLINGS))


async def pause_for(seconds: float, *events: asyncio.Event) -> None:
    """Waits until the time is over or one of the events is set; `stop` is one of them."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def wait_until(event: asyncio.Event, stop: asyncio.Event, beat: Heartbeat) -> None:
    """Returns when either is set."""
    while not event.is_set() and not stop.is_set():
        beat.beat()
        await pause_for(_TURN_SECONDS, event, stop)
