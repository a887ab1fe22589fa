"""The relay: sends the outbox to Kafka and deletes what was acknowledged.

It polls (docs/adr/0002) the rows above a low watermark, up to which there are none any more
(servicekit.low_watermark). One relay holds a shard at a time, by an advisory lock of its own connection, so that a
key's events are never sent by two. A crash between acknowledgement and delete sends again; the readers' inboxes see
to that. What Kafka does not take keeps back its own topic's later events only (servicekit.outgoing). A tenant's own
stream may be gone for good, with the tenant or because it wants none any more: what was still to be copied to it is
dropped.
"""

import asyncio
import time
from functools import partial

import psycopg
import structlog
from confluent_kafka import KafkaException

from contracts.topics import TENANT_TOPIC_PREFIX
from servicekit.db import READ_ONLY, Connection, Database
from servicekit.faults import reached
from servicekit.health import Heartbeat
from servicekit.kafka import producer
from servicekit.loops import pause_for
from servicekit.low_watermark import LowWatermark
from servicekit.metrics import OUTBOX_AGE, OUTBOX_DROPPED, OUTBOX_HELD
from servicekit.outbox import SHARDS
from servicekit.outgoing import Outgoing, Send, sending
from servicekit.settings import KafkaSettings

log = structlog.get_logger(__name__)

_LOCK_CLASS = 0x0B0C
_BATCH = 500
_BUSY_SECONDS = 0.01
_IDLE_SECONDS = 0.05
_WATERMARK_SECONDS = 1.0

_LOCK = b"SELECT shard FROM unnest(%s::int[]) AS shard WHERE pg_try_advisory_lock(%s, shard)"
# By the row's tenant as well: its name, and the topic with it, may have been given again. Whoever had it before is
# gone or, where that was never told (docs/tenants.md, Deleting), the one not heard of last, as in servicekit.db.
_TAKE = b"""
SELECT id, topic, key, headers, payload, extract(epoch FROM clock_timestamp() - created_at) AS age,
    NOT starts_with(topic, %(prefix)s) OR EXISTS (SELECT FROM tenants t
        WHERE t.tenant_id = (headers->>'ce_tenantid')::uuid AND t.state <> 'deleted'
            AND (t.record->'event_stream'->>'enabled')::boolean AND t.record->'event_stream'->>'topic' = topic
            AND NOT EXISTS (SELECT FROM tenants o
                WHERE o.slug = t.slug AND o.state <> 'deleted' AND o.updated_at > t.updated_at))
    AS wanted
FROM outbox WHERE shard = ANY(%(held)s) AND topic <> ALL(%(paused)s) AND id > %(watermark)s
ORDER BY id LIMIT %(most)s
"""
_OLDEST = b"""
SELECT extract(epoch FROM clock_timestamp() - created_at) AS age FROM outbox WHERE id > %s ORDER BY id LIMIT 1
"""
_DELETE = b"DELETE FROM outbox WHERE id = ANY(%s)"


class Relay:
    """One service's relay; `run` is a loop for servicekit.runtime."""

    def __init__(self, service: str, db: Database, kafka: KafkaSettings) -> None:
        self.name = f"{service}.relay"
        self._db = db
        self._kafka = kafka
        self._pause = 0.0
        """After the last interruption, in seconds; 0 as soon as all goes well again."""

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Relays until told to stop; a database that is lost or takes no changes, or a broker, is waited for."""
        while not stop.is_set():
            # A new one each time: a client in a fatal state stays in it, and what an interrupted one still holds
            # must not come behind its repetition.
            outgoing = await asyncio.to_thread(Outgoing, partial(producer, self._kafka, client_id=self.name))
            try:
                await self._hold(stop, beat, outgoing)
            except (psycopg.OperationalError, psycopg.InterfaceError, READ_ONLY, KafkaException) as error:
                self._pause = min(5.0, self._pause * 2 or 0.2)
                log.warning("relay interrupted", error=str(error).strip(), retry_in=self._pause)
                beat.beat()
                await pause_for(self._pause, stop)

    async def _hold(self, stop: asyncio.Event, beat: Heartbeat, outgoing: Outgoing) -> None:
        conn = await self._db.dedicated()
        async with conn, sending(outgoing) as send:
            # A delete that a crash takes back is one event sent twice, as after any crash.
            await conn.execute(b"SET synchronous_commit = off")
            # A plan from when the table was small would read it whole, and dead rows with it.
            await conn.execute(b"SET enable_seqscan = off")
            held: list[int] = []
            watermark, advanced_at = LowWatermark(), time.monotonic()
            try:
                while not stop.is_set():
                    beat.beat()
                    if len(held) < SHARDS and (free := await self._acquire(conn, held)):
                        held += free
                        watermark.reset()
                        OUTBOX_HELD.set(len(held) / SHARDS)
                    if held and time.monotonic() - advanced_at > _WATERMARK_SECONDS:
                        await watermark.advance(conn, held)
                        advanced_at = time.monotonic()
                    sent = await self._relay(conn, outgoing, send, held, watermark.id) if held else 0
                    self._pause = 0.0
                    if sent < _BATCH:
                        await pause_for(_BUSY_SECONDS if sent else _IDLE_SECONDS, stop)
            finally:
                # Whoever has the shards next tells of what waits in them.
                OUTBOX_HELD.set(0)
                OUTBOX_AGE.set(0)

    async def _acquire(self, conn: Connection, held: list[int]) -> list[int]:
        free = [shard for shard in range(SHARDS) if shard not in held]
        cursor = await conn.execute(_LOCK, (free, _LOCK_CLASS))
        return [row["shard"] for row in await cursor.fetchall()]

    async def _relay(
        self, conn: Connection, outgoing: Outgoing, send: Send, held: list[int], watermark: int
    ) -> int:
        """Sends what is next above the watermark; answers how many rows are done with."""
        paused = outgoing.paused_topics()
        taken = {
            "held": held,
            "paused": paused,
            "watermark": watermark,
            "most": _BATCH,
            "prefix": TENANT_TOPIC_PREFIX,
        }
        rows = await (await conn.execute(_TAKE, taken)).fetchall()
        oldest = next(iter(rows), None)
        if paused:
            oldest = await (await conn.execute(_OLDEST, (watermark,))).fetchone()
        OUTBOX_AGE.set(float(oldest["age"]) if oldest else 0)
        if not rows and not outgoing.in_flight:
            return 0
        done = await send([row for row in rows if row["wanted"]])
        reached("relay.produced")
        if unwanted := [row for row in rows if not row["wanted"]]:
            OUTBOX_DROPPED.inc(len(unwanted))
            topics = sorted({row["topic"] for row in unwanted})
            log.warning("events dropped, no tenant has such a stream", events=len(unwanted), topics=topics)
            done += [row["id"] for row in unwanted]
        if done:
            await conn.execute(_DELETE, (done,))
        if outgoing.fault is not None:
            raise outgoing.fault
        return len(done)
