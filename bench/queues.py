"""The three that `bench/reminders.py` compares, each as a process of its own that drains what is due.

    python bench/queues.py <which> <jobs> < a line to begin > {"seconds": …, "cpu": …, "history": …}

`slotwright` is scheduler's own timer loop, `pgqueuer` and `procrastinate` are their workers with a handler that
does nothing. Each takes every job once, and has told the database that it is done when the clock stops. Settings:
DATABASE_URL, and BENCH_BATCH and BENCH_WORKERS where the queue knows them.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable

import asyncpg
import procrastinate
import uvloop
from pgqueuer import Job
from pgqueuer.db import AsyncpgDriver
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode
from prometheus_client import REGISTRY
from pydantic import SecretStr

from scheduler.settings import SchedulerSettings
from scheduler.workers import TimerLoop
from servicekit.db import Database
from servicekit.full_scan import FullScan
from servicekit.health import Heartbeat
from servicekit.settings import DatabaseSettings

URL = os.environ["DATABASE_URL"]
History = list[tuple[float, int]]
"""When each number of timers had been fired, in seconds since 1970; only our own queue reports it."""
Drain = Callable[[], Awaitable[History]]


def fired() -> int:
    """How many timers this process has fired: each counted after its commit."""
    return int(REGISTRY.get_sample_value("slotwright_scheduler_timers_total", {"outcome": "fired"}) or 0)


class Watched(TimerLoop):
    """The loop, which stops after so many timers and remembers when each number of them had been fired."""

    def __init__(self, db: Database, jobs: int) -> None:
        settings = SchedulerSettings()
        super().__init__(db, every=settings.look_seconds, batch_size=settings.batch_size)
        self._jobs = jobs
        self.stop = asyncio.Event()
        self.history: History = []

    async def turn(self) -> float:
        before = fired()
        pause = await super().turn()
        if (after := fired()) > before:
            self.history.append((time.time(), after))
        if after >= self._jobs:
            self.stop.set()
        return pause


async def slotwright(jobs: int) -> Drain:
    """Takes a timer, closes it and writes its event to the outbox, in one transaction a batch."""
    db = Database(DatabaseSettings(database_url=SecretStr(URL)), application="scheduler")
    await db.open()
    async with db.worker() as conn:
        await conn.execute("SELECT 1")
    loop = Watched(db, jobs)
    loops = (
        loop,
        FullScan("scheduler.full-scan", loop.full_scan, every=SchedulerSettings().look_seconds),
    )

    async def drain() -> History:
        await asyncio.gather(*(each.run(loop.stop, Heartbeat(each.name, limit=60)) for each in loops))
        return loop.history

    return drain


async def pgqueuer(_jobs: int) -> Drain:
    """Takes jobs (an UPDATE), runs each, deletes it and writes a line into its log table; in batches."""
    batch = int(os.environ["BENCH_BATCH"])
    managers = []
    for _ in range(int(os.environ["BENCH_WORKERS"])):
        manager = QueueManager(Queries(AsyncpgDriver(await asyncpg.connect(URL))))

        @manager.entrypoint("reminder")
        async def fire(_job: Job) -> None:
            """Nothing."""

        managers.append(manager)

    async def drain() -> History:
        runs = (manager.run(batch_size=batch, mode=QueueExecutionMode.drain) for manager in managers)
        await asyncio.gather(*runs)
        return []

    return drain


async def worker_of_procrastinate(_jobs: int) -> Drain:
    """Takes a job (a function of its schema that updates one row), runs it, and deletes it; a round trip each."""
    workers = int(os.environ["BENCH_WORKERS"])
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=URL, min_size=workers, max_size=workers + 2)
    )

    @app.task(name="reminder")
    async def fire(**_fields: object) -> None:
        """Nothing."""

    await app.open_async()

    async def drain() -> History:
        await app.run_worker_async(
            wait=False, concurrency=workers, delete_jobs="always", install_signal_handlers=False
        )
        return []

    return drain


CONTENDERS = {"slotwright": slotwright, "pgqueuer": pgqueuer, "procrastinate": worker_of_procrastinate}


async def main(which: str, jobs: int) -> None:
    logging.basicConfig(level=logging.WARNING)
    drain = await CONTENDERS[which](jobs)
    _tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    begun, cpu = time.perf_counter(), time.process_time()
    history = await drain()
    told = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "history": history}
    _tell(told)
    await asyncio.to_thread(sys.stdin.readline)


def _tell(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
