"""The relay: sends the outbox to Kafka and deletes what was acknowledged.

It polls (docs/adr/0002). One relay holds a shard at a time, by an advisory lock of its own connection, so that a
key's events are never sent by two. A crash between the acknowledgement and the delete sends again; the readers'
inboxes see to that. An event that Kafka refuses (its topic is gone, say) keeps its topic's later events back: the
topic is left alone for a while, and the others go on.
"""

import asyncio
import time
from typing import Any

import psycopg
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from servicekit.db import Connection, Database
from servicekit.faults import reached
from servicekit.health import Heartbeat
from servicekit.kafka import producer
from servicekit.loops import pause_for
from servicekit.metrics import OUTBOX_AGE, OUTBOX_FAILED, OUTBOX_RELAYED
from servicekit.outbox import SHARDS
from servicekit.settings import KafkaSettings
from servicekit.tracing import message_sent

log = structlog.get_logger(__name__)

_LOCK_CLASS = 0x0B0C
_BATCH = 500
_BUSY_SECONDS = 0.01
_IDLE_SECONDS = 0.05
_REFUSED_SECONDS = 10.0

_LOCK = b"SELECT shard FROM unnest(%s::int[]) AS shard WHERE pg_try_advisory_lock(%s, shard)"
_TAKE = b"""
SELECT id, topic, key, headers, payload, extract(epoch FROM clock_timestamp() - created_at) AS age
FROM outbox WHERE shard = ANY(%s) AND topic <> ALL(%s) ORDER BY id LIMIT %s
"""
_OLDEST = b"SELECT extract(epoch FROM clock_timestamp() - min(created_at)) AS age FROM outbox"
_DELETE = b"DELETE FROM outbox WHERE id = ANY(%s)"


class Relay:
    """One service's relay; `run` is a loop for servicekit.runtime."""

    def __init__(self, service: str, db: Database, kafka: KafkaSettings) -> None:
        self.name = f"{service}.relay"
        self._db = db
        self._kafka = kafka
        self._left_alone: dict[str, float] = {}

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Relays until told to stop; a lost database or broker is waited for, with the beat going on."""
        pause = 0.0
        while not stop.is_set():
            # A new one each time: a client in a fatal state stays in it, and what an interrupted one still holds
            # must not come behind its repetition.
            sender = await asyncio.to_thread(producer, self._kafka, client_id=self.name)
            try:
                await self._hold(stop, beat, sender)
                pause = 0.0
            except (psycopg.OperationalError, psycopg.InterfaceError, KafkaException) as error:
                pause = min(5.0, pause * 2 or 0.2)
                log.warning("relay interrupted", error=str(error).strip(), retry_in=pause)
                sender.purge()
                beat.beat()
                await pause_for(pause, stop)

    async def _hold(self, stop: asyncio.Event, beat: Heartbeat, sender: Producer) -> None:
        conn = await self._db.dedicated()
        async with conn:
            # A delete that a crash takes back is one event sent twice, as after any crash.
            await conn.execute(b"SET synchronous_commit = off")
            held: list[int] = []
            while not stop.is_set():
                beat.beat()
                if len(held) < SHARDS:
                    held += await self._acquire(conn, held)
                sent = await self._relay(conn, sender, held) if held else 0
                if sent < _BATCH:
                    await pause_for(_BUSY_SECONDS if sent else _IDLE_SECONDS, stop)

    async def _acquire(self, conn: Connection, held: list[int]) -> list[int]:
        free = [shard for shard in range(SHARDS) if shard not in held]
        cursor = await conn.execute(_LOCK, (free, _LOCK_CLASS))
        return [row["shard"] for row in await cursor.fetchall()]

    async def _relay(self, conn: Connection, sender: Producer, held: list[int]) -> int:
        now = time.monotonic()
        self._left_alone = {topic: until for topic, until in self._left_alone.items() if until > now}
        cursor = await conn.execute(_TAKE, (held, list(self._left_alone), _BATCH))
        rows = await cursor.fetchall()
        oldest = rows[0] if rows else None
        if self._left_alone:
            oldest = await (await conn.execute(_OLDEST)).fetchone()
        OUTBOX_AGE.set(float(oldest["age"] or 0) if oldest else 0)
        if not rows:
            return 0
        acknowledged = await asyncio.to_thread(self._send, sender, rows)
        reached("relay.produced")
        if acknowledged:
            await conn.execute(_DELETE, (acknowledged,))
        return len(acknowledged)

    def _send(self, sender: Producer, rows: list[dict[str, Any]]) -> list[int]:
        """Produces the rows and answers the ids that Kafka acknowledged; runs in a thread."""
        acknowledged: list[int] = []
        refused: set[str] = set()  # topics

        def delivered(row: dict[str, Any]) -> Any:
            def report(error: KafkaError | None, _message: Message) -> None:
                if error is None:
                    acknowledged.append(row["id"])
                    OUTBOX_RELAYED.labels(row["topic"]).inc()
                    message_sent(row["headers"].get("traceparent"), row["topic"], float(row["age"]))
                else:
                    refused.add(row["topic"])
                    self._left_alone[row["topic"]] = time.monotonic() + _REFUSED_SECONDS
                    OUTBOX_FAILED.inc()
                    log.warning("event refused", topic=row["topic"], outbox_id=row["id"], reason=error.str())

            return report

        for row in rows:
            if row["topic"] in refused:
                continue
            headers = [(name, value.encode()) for name, value in row["headers"].items()]
            while True:
                try:
                    sender.produce(
                        row["topic"],
                        key=row["key"],
                        value=row["payload"],
                        headers=headers,
                        on_delivery=delivered(row),
                    )
                    break
                except BufferError:  # the client's queue is full: let deliveries drain it
                    sender.poll(0.1)
        sender.flush()
        return acknowledged
