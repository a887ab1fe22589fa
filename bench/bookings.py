"""What a booking costs, how it holds under contention, what slots cost, and what the outbox adds.

Run by `make bench-booking`; `--only` names parts of it. A real PostgreSQL that syncs each commit, and booking by
its own program; the load shares the machine's cores with both, so figures are for comparing, not for sizing. Loads
that are compared take turns, pair by pair, in changing order, so that a machine whose speed drifts slows both.
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from load import Run, closed, opened
from outbox import measure_outbox
from shops import STEP, Booking, Shops, made_stack, process_cpu, staff_id
from slots import measure_slots
from statements import LOGGED, Script, bare, core, pgbench, recorded, without_outbox

from support.processes import Running

_SHOPS, _STAFF = 32, 4
_PROCESSES = 2
"""One for each of the two cores that the figures are about."""
_CROWD = 64
_SEED = 20261128


@dataclass
class Measured:
    """The runs of one load: bookings a second, and CPU milliseconds a booking by who spent them."""

    name: str
    rates: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def add(self, rate: float, seconds: float, **cpu: float) -> None:
        self.rates.append(rate)
        self.cpu.append({who: spent / rate / seconds * 1000 for who, spent in cpu.items()})

    def __str__(self) -> str:
        cpu = ", ".join(f"{who} {statistics.median(one[who] for one in self.cpu):.2f}" for who in self.cpu[0])
        return f"{self.name:34} {statistics.median(self.rates):6.0f}/s   CPU ms each: {cpu}"


def ratio(above: Measured, below: Measured) -> str:
    """The median of the pairs' ratios, and their range."""
    each = [one / other for one, other in zip(above.rates, below.rates, strict=True)]
    return f"median {statistics.median(each):.3f}, {min(each):.3f} to {max(each):.3f}"


def measure_bookings(pairs: int, seconds: float, clients: int) -> None:
    """pgbench with a bare INSERT and with a booking's statements, and the booking over HTTP."""
    with made_stack(**LOGGED) as stack:
        database = stack.databases.for_service("booking")
        shops = Shops(database, _SHOPS, _STAFF)
        one = Shops(database, 1, _SHOPS * _STAFF, first=_SHOPS)
        for each in (shops, one):
            asyncio.run(each.write())
        new, known = recorded(stack, shops)
        like, statements, needed = new.like, new.statements, core(known.statements)
        print(
            f"a booking: {len(statements)} statements, {sum(item.writes for item in statements)} of which write;"
            f" its core (locks, allocation, appointment, outbox): {len(needed)};"
            f" {_SHOPS} businesses with {_STAFF} staff each, {clients} clients"
        )
        runs = iter(range(1, 1000))

        def in_sql(into: Measured, script: str, *, app: bool) -> None:
            before = stack.server_cpu()
            found = pgbench(script, database, stack.folder, clients=clients, seconds=seconds, app=app)
            into.add(found, seconds, postgres=stack.server_cpu() - before)

        inserted = Measured("a bare INSERT")
        short = Measured("its core in SQL, in one pipeline")
        stepped = Measured("the booking in SQL, step by step")
        piped = Measured("the booking in SQL, in one pipeline")
        silent = Measured("the same without its outbox")
        served = Measured("the booking over HTTP, one process")
        spread = Measured(f"the booking over HTTP, {_PROCESSES} of them")
        alone = Measured("the same, all of them of one business")
        loads = (inserted, short, stepped, piped, silent, served, spread, alone)
        with ExitStack() as several:
            bookings = [several.enter_context(stack.booking(database, "serve")) for _ in range(_PROCESSES)]

            def over_http(into: Measured, processes: Sequence[Running], of: Shops = shops) -> None:
                before, own = stack.server_cpu(), sum(map(process_cpu, processes))
                urls = [each.url for each in processes]
                run = closed(urls, of.next_booking, clients=clients, seconds=seconds)
                assert run.statuses.keys() == {201}, run.statuses
                into.add(
                    run.rate,
                    run.seconds,
                    postgres=stack.server_cpu() - before,
                    booking=sum(map(process_cpu, processes)) - own,
                    load=run.cpu,
                )

            closed([each.url for each in bookings], shops.next_booking, clients=clients, count=2000)
            for number in range(pairs):
                turns: list[Callable[[], None]] = [
                    lambda: in_sql(inserted, bare(shops, next(runs)), app=False),
                    lambda: in_sql(short, str(Script(known.like, needed, shops, run=next(runs))), app=True),
                    lambda: in_sql(
                        stepped,
                        str(Script(like, statements, shops, run=next(runs), pipelined=False)),
                        app=True,
                    ),
                    lambda: in_sql(piped, str(Script(like, statements, shops, run=next(runs))), app=True),
                    lambda: in_sql(
                        silent, str(Script(like, without_outbox(statements), shops, run=next(runs))), app=True
                    ),
                    lambda: over_http(served, bookings[:1]),
                    lambda: over_http(spread, bookings),
                    lambda: over_http(alone, bookings, one),
                ]
                for turn in turns if number % 2 == 0 else reversed(turns):
                    shops.settle()
                    turn()
                rates = "  ".join(f"{each.rates[-1]:6.0f}" for each in loads)
                print(f"pair {number + 1}: {rates}", flush=True)
            shops.settle()
            half = statistics.median(served.rates) / 2
            steady = opened(bookings[0].url, shops.next_booking, rate=half, seconds=4 * seconds)
            assert steady.statuses.keys() == {201}, steady.statuses
    for load in loads:
        print(load)
    print(f"over HTTP at half of what one process can have ({half:.0f}/s), open loop: {steady}")
    print(f"core / bare INSERT:          {ratio(short, inserted)}")
    print(f"step by step / bare INSERT:  {ratio(stepped, inserted)}")
    print(f"one pipeline / bare INSERT:  {ratio(piped, inserted)}")
    print(f"one pipeline, with outbox / without: {ratio(piped, silent)}")
    for name, above in (("HTTP, one process", served), (f"HTTP, {_PROCESSES} processes", spread)):
        for below in (short, stepped, piped):
            print(f"{name} / {below.name}: {ratio(above, below)}")
    print(f"HTTP, {_PROCESSES} processes, one business / {_SHOPS}: {ratio(alone, spread)}")


def measure_contention() -> None:
    """So many clients each ask for every start of a day, in an order of their own: of one person, and of many."""
    with made_stack() as stack:
        database = stack.databases.for_service("booking")
        one = Shops(database, 1, 1, step_minutes=15)
        many = Shops(database, 1, _CROWD, first=1, step_minutes=15)
        for shops in (one, many):
            asyncio.run(shops.write())
        starts = [one.begin + number * timedelta(minutes=15) for number in range(95)]
        with stack.booking(database, "serve") as booking:
            alone = _crowd(booking.url, 1, [staff_id(_CROWD + number) for number in range(_CROWD)], starts)
            crowd = _crowd(booking.url, 0, [staff_id(0)] * _CROWD, starts)
        with psycopg.connect(database.admin_url) as conn:
            booked = conn.execute(
                "SELECT lower(during), upper(during) FROM allocation WHERE state = 'confirmed'"
                " AND resource_id = %s ORDER BY 1",
                (staff_id(0),),
            ).fetchall()
            deadlocks = conn.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
    overlaps = sum(first[1] > second[0] for first, second in pairwise(booked))
    left = [
        start for start in starts if not any(begin < start + STEP and start < end for begin, end in booked)
    ]
    print(f"{_CROWD} clients, each asks for all {len(starts)} starts of a day, seed {_SEED}:")
    for name, run in (("each another person's", alone), ("all one person's", crowd)):
        print(f"  {name:22} {run}, {dict(sorted(run.statuses.items()))}")
    print(
        f"  one person's day: {len(booked)} appointments in the table, {crowd.statuses[201]} confirmed to clients,"
        f" {overlaps} overlaps, {len(left)} starts refused and yet free; deadlocks {deadlocks and deadlocks[0]},"
        f" answers 5xx {sum(count for status, count in crowd.statuses.items() if status >= 500)}"
    )
    print(f"  p99 contended / not: {crowd.percentile(0.99) / alone.percentile(0.99):.2f}")


def _crowd(url: str, shop: int, people: Sequence[UUID], starts: Sequence[datetime]) -> Run:
    lot = random.Random(_SEED)  # noqa: S311 - an order, no secret
    wishes = []
    for client, who in enumerate(people):
        mine = list(starts)
        lot.shuffle(mine)
        wishes.append([Booking(shop, who, start, f"c{client}@customer.example") for start in mine])
    # Clients take from one list in turn, so that it is theirs one after the other.
    requests = iter([wish.request() for turn in zip(*wishes, strict=True) for wish in turn])
    return closed([url], lambda: next(requests), clients=len(people), count=len(people) * len(starts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["bookings", "contention", "slots", "outbox"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument(
        "--sustained", type=float, default=60, help="seconds for which the outbox must keep up"
    )
    parser.add_argument("--plot", type=Path, help="where to write the slots' growth as an SVG")
    options = parser.parse_args()
    for part in options.only:
        print(f"\n== {part}", flush=True)
        if part == "bookings":
            measure_bookings(options.pairs, options.seconds, options.clients)
        elif part == "contention":
            measure_contention()
        elif part == "slots":
            measure_slots(options.pairs, options.seconds, options.plot)
        elif part == "outbox":
            measure_outbox(options.pairs, options.seconds, options.clients, options.sustained)
        else:
            parser.error(f"there is no part named {part!r}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
