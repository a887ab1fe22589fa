"""Waiting in a loop of the runtime, until something happens or the process is told to stop."""

import asyncio

from servicekit.health import Heartbeat

_TURN_SECONDS = 1.0


async def pause_for(stop: asyncio.Event, seconds: float) -> None:
    """Ends early when `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def wait_until(event: asyncio.Event, stop: asyncio.Event, beat: Heartbeat) -> None:
    """Returns when either is set."""
    while not event.is_set() and not stop.is_set():
        beat.beat()
        waiting = {asyncio.create_task(event.wait()), asyncio.create_task(stop.wait())}
        _done, late = await asyncio.wait(waiting, timeout=_TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
