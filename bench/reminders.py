"""How fast due reminders are fired: against PgQueuer and procrastinate, beside an old transaction, and how late.

Run by `make bench-reminders`. One PostgreSQL with the local stack's settings (so with fsync), one database for all
three; each drains in a process of its own (`queues.py`), in turn, so that a machine whose speed drifts slows all.
What is timed ends with the last commit. Ours writes each timer's event to the outbox in that transaction, which the
others have nothing of; the relay that carries it on does not run. The load shares the machine with what it loads.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import procrastinate
import psycopg
from cpu import server_cpu
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from contracts.booking import Channel, ReminderRequested
from devstack.postgres import Postgres, create_database, create_roles
from servicekit.ids import new_id
from servicekit.migrate import migrate
from servicekit.settings import DatabaseSettings

_SEED = 20261128
_TENANTS = 100
_CHUNK = 1000
_OLD_SECONDS = 180.0
_LEAD_SECONDS = 10.0
_SET_EACH_SECOND = 10_000
_PASSWORD = "bench"  # noqa: S105 - of a server that is gone with the run
_ROLES = ("app", "owner")
_TABLES = ("timer", "closed_timer", "outbox", "pgqueuer", "pgqueuer_log", "procrastinate_jobs")


@dataclass(frozen=True)
class Drained:
    """One drain: jobs a second, and CPU-seconds of the worker and of the server."""

    rate: float
    worker: float
    server: float


@dataclass
class Stack:
    """The server and its one database."""

    server: Postgres
    app: str
    owner: str
    admin: str
    lot: random.Random = field(default_factory=lambda: random.Random(_SEED))  # noqa: S311 - a load, no secret

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def empty(self) -> None:
        """Removes what an earlier run has left, with a checkpoint, so that none of it falls into the next run."""
        self.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE", "VACUUM ANALYZE", "CHECKPOINT")

    def cpu(self) -> float:
        """CPU-seconds of the server's processes, those that have ended among them."""
        return server_cpu(self.server)

    def requests(self, number: int, due: Callable[[int], datetime]) -> Iterator[ReminderRequested]:
        """So many reminders of as many appointments, of a hundred businesses."""
        tenants = [new_id() for _ in range(_TENANTS)]
        for index in range(number):
            due_at = due(index)
            yield ReminderRequested(
                tenant_id=self.lot.choice(tenants),
                reminder_id=new_id(),
                appointment_id=new_id(),
                appointment_version=1,
                rule_id=new_id(),
                channel=Channel.EMAIL,
                service_id=new_id(),
                staff_ids=[new_id()],
                customer_id=new_id(),
                due_at=due_at,
                starts_at=due_at + timedelta(hours=24),
                timezone="Europe/Lisbon",
            )

    def arm(self, number: int, due: Callable[[int], datetime]) -> None:
        """Sets timers, in no order of their times, as booking asks for them."""
        with (
            psycopg.connect(self.admin) as conn,
            conn.cursor().copy("COPY timer (tenant_id, reminder_id, due_at, request) FROM STDIN") as copy,
        ):
            for request in self.requests(number, due):
                row = (request.tenant_id, request.reminder_id, request.due_at)
                copy.write_row((*row, Jsonb(request.model_dump(mode="json"))))

    def enqueue(self, which: str, number: int) -> None:
        """Gives that queue so many jobs that are due."""
        now = datetime.now(UTC)
        if which == "slotwright":
            self.arm(number, lambda _: now - timedelta(seconds=self.lot.uniform(1, 3600)))
            return
        jobs = [request.model_dump(mode="json") for request in self.requests(number, lambda _: now)]
        asyncio.run((self._pgqueuer if which == "pgqueuer" else self._procrastinate)(jobs))

    async def _pgqueuer(self, jobs: Sequence[dict[str, Any]]) -> None:
        conn = await asyncpg.connect(self.owner)
        for at in range(0, len(jobs), _CHUNK):
            payloads: list[bytes | None] = [json.dumps(job).encode() for job in jobs[at : at + _CHUNK]]
            names, zeros = ["reminder"] * len(payloads), [0] * len(payloads)
            await Queries(AsyncpgDriver(conn)).enqueue(names, payloads, zeros)
        await conn.close()

    async def _procrastinate(self, jobs: Sequence[dict[str, Any]]) -> None:
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=self.owner))
        async with app.open_async():
            for at in range(0, len(jobs), _CHUNK):
                await app.configure_task("reminder").batch_defer_async(*jobs[at : at + _CHUNK])

    async def install(self) -> None:
        """The other two's tables, as their documents say, PgQueuer's settings for vacuum included."""
        conn = await asyncpg.connect(self.owner)
        await Queries(AsyncpgDriver(conn)).install()
        await Queries(AsyncpgDriver(conn)).optimize_autovacuum()
        await conn.close()
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=self.owner))
        async with app.open_async():
            await app.schema_manager.apply_schema_async()


@contextmanager
def made_stack() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="slotwright-bench-"))
    home.chmod(0o711)
    server = Postgres(home / "postgres")
    server.start()
    try:
        create_roles(server.url(), "scheduler", _PASSWORD)
        create_database(server.url(), "scheduler", "scheduler")
        app, owner = (server.url("scheduler", user=f"scheduler_{who}", password=_PASSWORD) for who in _ROLES)
        migrate(
            "scheduler",
            DatabaseSettings(database_url=SecretStr(app), migration_database_url=SecretStr(owner)),
        )
        stack = Stack(server, app, owner, server.url("scheduler"))
        asyncio.run(stack.install())
        yield stack
    finally:
        server.stop()
        shutil.rmtree(home)


@dataclass(frozen=True)
class Contender:
    """One of the three, in a process of its own that waits for a word to begin."""

    process: subprocess.Popen[str]

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def contender(stack: Stack, which: str, number: int, env: Mapping[str, str]) -> Iterator[Contender]:
    """Ready to drain so many jobs."""
    url = stack.app if which == "slotwright" else stack.owner
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("queues.py")), which, str(number)],
        env=os.environ | {"DATABASE_URL": url, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        found = Contender(process)
        assert found.answer() == "ready"
        try:
            yield found
        finally:
            process.terminate()


def drained(stack: Stack, which: str, number: int, env: Mapping[str, str]) -> Drained:
    """How that queue drains so many jobs that are due, once they have been given to it."""
    with contender(stack, which, number, env) as worker:
        before = stack.cpu()
        worker.tell("begin")
        told = worker.answer()
        after = stack.cpu()  # while its connections are there
        worker.tell("end")
        return Drained(number / told["seconds"], told["cpu"], after - before)


def fresh(stack: Stack, which: str, number: int, env: Mapping[str, str]) -> Drained:
    """The same from empty tables."""
    stack.empty()
    stack.enqueue(which, number)
    stack.execute("VACUUM ANALYZE", "CHECKPOINT")
    return drained(stack, which, number, env)


def beside_old(stack: Stack, which: str, number: int, env: Mapping[str, str], seconds: float) -> Drained:
    """The same, once a transaction with a snapshot has been open for so long, with as many drained in it before."""
    stack.empty()
    stack.enqueue(which, number)
    stack.execute("VACUUM ANALYZE")
    with psycopg.connect(stack.admin) as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM alembic_version")
        opened = time.monotonic()
        drained(stack, which, number, env)
        stack.enqueue(which, number)
        stack.execute("ANALYZE")
        time.sleep(max(0.0, seconds - (time.monotonic() - opened)))
        stack.execute("CHECKPOINT")
        return drained(stack, which, number, env)


def lateness(stack: Stack, rate: float, seconds: float) -> list[float]:
    """Seconds from each timer's time to its commit: so many a second, at random times, whatever is under way."""
    stack.empty()
    number = int(rate * seconds)
    begin = datetime.now(UTC) + timedelta(seconds=_LEAD_SECONDS + number / _SET_EACH_SECOND)
    stack.arm(number, lambda _: begin + timedelta(seconds=stack.lot.uniform(0, seconds)))
    stack.execute("VACUUM ANALYZE", "CHECKPOINT")
    with contender(stack, "slotwright", number, {}) as worker:
        assert datetime.now(UTC) < begin, "setting the timers took longer than was thought"
        worker.tell("begin")
        history = worker.answer()["history"]
        worker.tell("end")
    with psycopg.connect(stack.admin) as conn:
        # In the order of their events, which is that in which they were fired.
        due = "SELECT extract(epoch FROM (convert_from(payload, 'UTF8')::jsonb->>'due_at')::timestamptz)"
        times = [float(at) for (at,) in conn.execute(f"{due} FROM outbox ORDER BY id".encode())]
    assert len(times) == number
    late: list[float] = []
    for committed, fired in history:
        late += [committed - due_at for due_at in times[len(late) : fired]]
    return sorted(late)


def told(name: str, run: Drained) -> str:
    return f"{name} {run.rate:6.0f}/s (CPU {run.worker:.1f} + {run.server:.1f} s)"


def in_turn(
    pairs: int, one: Callable[[], Drained], other: Callable[[], Drained], names: Sequence[str]
) -> float:
    """Runs both, which of them first changing from pair to pair; answers the median of the first's ratios."""
    ratios, mine = [], []
    for number in range(pairs):
        found: dict[int, Drained] = {}
        for which, run in ((0, one), (1, other)) if number % 2 == 0 else ((1, other), (0, one)):
            found[which] = run()
        ratios.append(found[0].rate / found[1].rate)
        mine.append(found[0].rate)
        print(f"  {told(names[0], found[0])} | {told(names[1], found[1])} | {ratios[-1]:.2f}", flush=True)
    print(f"  median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}", flush=True)
    return statistics.median(mine)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timers", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--old-pairs", type=int, default=3)
    parser.add_argument("--old-seconds", type=float, default=_OLD_SECONDS)
    parser.add_argument(
        "--slow-timers", type=int, default=20_000, help="for procrastinate, and ours beside it"
    )
    parser.add_argument("--seconds", type=float, default=60, help="of lateness, after that of --timers")
    parser.add_argument("--only", nargs="*", default=["pgqueuer", "procrastinate", "old", "late"])
    parser.add_argument("--batch", default="500", help="PgQueuer's batch_size")
    parser.add_argument("--managers", default="1", help="PgQueuer's queue managers, a connection each")
    parser.add_argument("--workers", default="10", help="procrastinate's concurrency")
    options = parser.parse_args()
    theirs = {
        "pgqueuer": (options.timers, {"BENCH_BATCH": options.batch, "BENCH_WORKERS": options.managers}),
        "procrastinate": (options.slow_timers, {"BENCH_WORKERS": options.workers}),
    }
    capacity = 0.0
    with made_stack() as stack:
        for name, (number, env) in theirs.items():
            if name in options.only:
                print(f"{number} due jobs, slotwright and {name} {env}:")
                rate = in_turn(
                    options.pairs,
                    partial(fresh, stack, "slotwright", number, {}),
                    partial(fresh, stack, name, number, env),
                    ("slotwright", name),
                )
                if name == "pgqueuer":
                    capacity = rate
        if "old" in options.only:
            print(
                f"{options.timers} due timers beside a transaction of {options.old_seconds:.0f} s, and without:"
            )
            in_turn(
                options.old_pairs,
                lambda: beside_old(stack, "slotwright", options.timers, {}, options.old_seconds),
                lambda: fresh(stack, "slotwright", options.timers, {}),
                ("beside", "without"),
            )
        if "late" in options.only:
            capacity = capacity or fresh(stack, "slotwright", options.timers, {}).rate
            for seconds in (options.timers / (capacity / 2), options.seconds):
                late = lateness(stack, capacity / 2, seconds)
                p50, p99 = (1000 * late[int(len(late) * share)] for share in (0.5, 0.99))
                print(f"{len(late)} timers in {seconds:.0f} s, {capacity / 2:.0f}/s: late by", end="")
                print(f" p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {1000 * late[-1]:.1f} ms", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
