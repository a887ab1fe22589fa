"""What the outbox's relay costs bookings, whether it keeps up with them, and how soon an event can be read.

Part of bench/bookings.py.
"""

import asyncio
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, TopicPartition
from load import closed
from shops import Shops, Stack, made_stack, process_cpu

from contracts.booking import AppointmentBooked
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import until
from support.processes import Running

_SHOPS, _STAFF = 32, 4


class _Reader:
    """Reads the topic of appointments and notes when each event came."""

    def __init__(self, broker: Broker) -> None:
        self.came: dict[UUID, float] = {}
        self._client = Consumer({**broker.super_user(), "group.id": "bench.outbox", "fetch.wait.max.ms": 100})
        found = []
        partitions = self._client.list_topics(AppointmentBooked.TOPIC, timeout=10)
        for number in partitions.topics[AppointmentBooked.TOPIC].partitions:
            _, end = self._client.get_watermark_offsets(TopicPartition(AppointmentBooked.TOPIC, number))
            found.append(TopicPartition(AppointmentBooked.TOPIC, number, end))
        self._client.assign(found)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._client.poll(0.1)
            if message is not None and message.error() is None:
                key = message.key() or b""
                self.came[UUID(key.decode().split("/")[1])] = time.time()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()


def _left(database: ServiceDatabase) -> int:
    with psycopg.connect(database.admin_url) as conn:
        row = conn.execute("SELECT count(*) FROM outbox").fetchone()
    return row[0] if row else 0


def _commits(database: ServiceDatabase) -> dict[UUID, float]:
    """When each appointment was committed, as PostgreSQL noted it."""
    with psycopg.connect(database.admin_url) as conn:
        return dict(
            conn.execute(
                "SELECT appointment_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM appointment"
            ).fetchall()
        )


@contextmanager
def _relay(stack: Stack, broker: Broker, database: ServiceDatabase) -> Iterator[Running]:
    with stack.booking(database, "relay", **broker.service_env("booking")) as running:
        yield running


def measure_outbox(pairs: int, seconds: float, clients: int, sustained: float) -> None:
    """With a relay and without one, in turn; then with one for a while, and a reader."""
    # The reader's thread shares the interpreter with the load, and is to be waited for by neither.
    sys.setswitchinterval(0.0005)
    # The log of a commit's time costs the runs without a relay as much as those with.
    with made_stack(track_commit_timestamp="on") as stack, closing(Broker()) as broker:
        database = stack.databases.for_service("booking")
        shops = Shops(database, _SHOPS, _STAFF)
        asyncio.run(shops.write())
        with stack.booking(database, "serve") as booking:

            def rate(length: float) -> float:
                run = closed([booking.url], shops.next_booking, clients=clients, seconds=length)
                assert run.statuses.keys() == {201}, run.statuses
                return run.rate

            def without() -> float:
                found = rate(seconds)
                with psycopg.connect(database.admin_url, autocommit=True) as conn:
                    conn.execute("TRUNCATE outbox")
                return found

            def beside() -> float:
                with _relay(stack, broker, database):
                    found = rate(seconds)
                    until(lambda: _left(database) == 0, "the relay has sent all")
                return found

            closed([booking.url], shops.next_booking, clients=clients, count=1000)
            without()
            ratios = []
            for number in range(pairs):
                if number % 2 == 0:
                    alone, relayed = without(), beside()
                else:
                    relayed, alone = beside(), without()
                ratios.append(relayed / alone)
                print(
                    f"pair {number + 1}: without {alone:6.0f}/s, with {relayed:6.0f}/s, ratio {ratios[-1]:.3f}",
                    flush=True,
                )
            print(
                f"bookings with a relay / without: median {statistics.median(ratios):.3f},"
                f" {min(ratios):.3f} to {max(ratios):.3f}"
            )
            with _relay(stack, broker, database) as relay, closing(_Reader(broker)) as reader:
                rate(1)
                until(lambda: _left(database) == 0, "the relay has sent all")
                time.sleep(1)
                first, own = time.time(), process_cpu(relay)
                peak = rate(sustained)
                ended, left = time.time(), _left(database)
                until(lambda: _left(database) == 0, "the relay has sent all")
                drained = time.time() - ended
                spent = process_cpu(relay) - own
                commits = {key: at for key, at in _commits(database).items() if at >= first}
                until(lambda: commits.keys() <= reader.came.keys(), "the reader has read all")
                took = sorted(reader.came[key] - at for key, at in commits.items())
    print(
        f"{sustained:.0f} s at {peak:.0f} bookings/s: {left} events were left at the end, sent {drained:.2f} s"
        f" later; the relay's CPU {spent / len(commits) * 1000:.2f} ms a booking"
    )
    print(
        f"commit to reader, {len(took)} events: p50 {took[len(took) // 2] * 1000:.1f} ms,"
        f" p99 {took[len(took) * 99 // 100] * 1000:.1f} ms, longest {took[-1] * 1000:.1f} ms"
    )
