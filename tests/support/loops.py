"""A service's loop that runs in the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.health import Heartbeat
from servicekit.runtime import Loop


@asynccontextmanager
async def running(*loops: Loop) -> AsyncIterator[None]:
    """They run until the block ends; it fails where one of them does."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for loop in loops:
            tasks.create_task(loop.run(stop, Heartbeat(loop.name, limit=60)))
        try:
            yield
        finally:
            stop.set()
