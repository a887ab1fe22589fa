"""The consumer loop: reads a topic, puts each event into effect once, commits offsets after the effects.

For each message: parse; in one transaction insert into the inbox and call the handler; then go on. What is about a
tenant that is being deleted, or was, has no effect: nothing is written again behind an erasure. A message that
cannot be read, whose handler raises PermanentError, or whose values no table takes, goes to `<service>.dlq.v1` with
its original bytes; one that comes back from there for another consumer is passed over. Any other failure is tried
again, with backoff and for as long as it takes, because order within a key must hold; the partitions are paused
meanwhile, so that the group keeps its member. What the group gives to another member then is left to that one.
`Consumer.poll` blocks and runs in a thread.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import psycopg
import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaException, Message, TopicPartition
from opentelemetry.trace import SpanKind

from contracts.envelope import Envelope, MalformedEventError, parse_headers
from contracts.model import Event
from contracts.registry import is_known
from servicekit.db import Connection, Database, constraint_of
from servicekit.dead_letters import DeadLetters, for_another
from servicekit.errors import PermanentError, Unavailable
from servicekit.faults import reached
from servicekit.health import Heartbeat
from servicekit.kafka import Received, consumer, poll_batch, readable, received
from servicekit.loops import backoff, pause_for
from servicekit.metrics import CONSUMER_LAG, CONSUMER_READS, EVENT_RETRIES, EVENTS_HANDLED
from servicekit.progress import Progress
from servicekit.settings import KafkaSettings
from servicekit.tenants import takes_events
from servicekit.tracing import messaging, span_from

log = structlog.get_logger(__name__)

Handler = Callable[[Connection, Event, Envelope], Awaitable[None]]
TombstoneHandler = Callable[[Connection, UUID, str], Awaitable[None]]
"""Called with the tenant and what follows it in the key, for a record whose value is null."""

_BATCH = 200
_POLL_SECONDS = 0.25
_MAX_BACKOFF = 30.0
_LOOK_SECONDS = 10.0
_PROGRESS_SECONDS = 1.0
_BROKER_SECONDS = 5.0
_OUTCOMES = ("handled", "duplicate", "skipped", "gone", "dead")
_VALUE_FAULTS = (psycopg.DataError, psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)
"""What PostgreSQL says of values that it will not take tomorrow either: a NUL in a text, a number too large."""
_INBOX = b"INSERT INTO inbox (consumer, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class EventConsumer:
    """One consumer group of one service; `run` is a loop for servicekit.runtime.

    `name` makes the group `<service>.<name>`. Handlers run in a transaction of the event's tenant, or of a worker
    when `across_tenants` is set or the event has no tenant. Types without a handler are passed over; one that is
    unknown is a later release's, and a dead letter (docs/adr/0024). `on_committed` is called with an event that has
    taken effect, once others can see that: to hasten what would be done anyway, as a crash may come before.
    `progress` is told every second how far it has read, and before the first event of a partition.
    """

    def __init__(
        self,
        service: str,
        name: str,
        db: Database,
        kafka: KafkaSettings,
        *,
        topics: Sequence[str],
        handlers: Mapping[type[Event], Handler],
        on_tombstone: TombstoneHandler | None = None,
        on_committed: Callable[[Event], None] | None = None,
        across_tenants: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.name = f"{service}.{name}"
        self._db = db
        self._kafka = kafka
        self.topics = tuple(topics)
        self.events = tuple(handlers)
        self._handlers = {event.TYPE: handler for event, handler in handlers.items()}
        self._on_tombstone = on_tombstone
        self._on_committed = on_committed
        self._across_tenants = across_tenants
        self._progress = progress
        self._dead_letters = DeadLetters(service, self.name, kafka)
        self._assigned = False
        self._member = False
        self._done: dict[tuple[str, int], int] = {}
        """By partition that is ours: the offset of the first message not yet put into effect."""
        self._new: set[tuple[str, int]] = set()
        """Partitions that have become ours, of which `progress` has not been told."""
        self._given_away: set[tuple[str, int]] = set()
        """Partitions that were ours when the messages in hand were read, and went to another since."""

    async def ready(self) -> str | None:
        """The readiness check: the group has given this consumer its partitions (or there are none left)."""
        return None if self._assigned else f"consumer {self.name} has no assignment yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Consumes until told to stop, then leaves the group, so that another takes over at once."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        loop = asyncio.get_running_loop()
        for outcome in _OUTCOMES:  # counted from 0: the first of a kind would else be no increase
            EVENTS_HANDLED.labels(self.name, outcome)
        CONSUMER_READS.labels(self.name).set(0)
        client = consumer(self._kafka, group=self.name, client_id=self.name)
        try:
            await loop.run_in_executor(thread, self._subscribe, client)
            looked = told = -_LOOK_SECONDS
            while not stop.is_set():
                beat.beat()
                batch = await loop.run_in_executor(thread, poll_batch, client, _BATCH, _POLL_SECONDS)
                if self._progress is not None and (self._new or loop.time() - told > _PROGRESS_SECONDS):
                    await self._tell(self._progress, client, thread)
                    told = loop.time()
                done = await self._handle_all(batch, client, thread, stop, beat)
                if done:
                    await loop.run_in_executor(thread, self._commit, client, done)
                if loop.time() - looked > _LOOK_SECONDS:
                    await loop.run_in_executor(thread, self._look, client)
                    looked = loop.time()
                elif done:
                    await loop.run_in_executor(thread, self._measure, client)
        finally:
            await loop.run_in_executor(thread, client.close)
            CONSUMER_READS.labels(self.name).set(0)
            thread.shutdown(wait=False)

    def _subscribe(self, client: KafkaConsumer) -> None:
        def assigned(_client: KafkaConsumer, partitions: list[TopicPartition]) -> None:
            self._assigned = self._member = True
            self._new.update((place.topic, place.partition) for place in partitions)
            CONSUMER_READS.labels(self.name).set(1)

        def lost(client: KafkaConsumer, partitions: list[TopicPartition]) -> None:
            self._member = False
            CONSUMER_READS.labels(self.name).set(0)
            revoked(client, partitions)

        def revoked(_client: KafkaConsumer, partitions: list[TopicPartition]) -> None:
            client.resume(partitions)  # one that comes back would still be paused, and never be read again
            for place in partitions:
                self._given_away.add((place.topic, place.partition))
                if self._done.pop((place.topic, place.partition), None) is not None:
                    CONSUMER_LAG.remove(self.name, place.topic, str(place.partition))

        client.subscribe(list(self.topics), on_assign=assigned, on_revoke=revoked, on_lost=lost)

    async def _handle_all(
        self,
        batch: Sequence[Message],
        client: KafkaConsumer,
        thread: ThreadPoolExecutor,
        stop: asyncio.Event,
        beat: Heartbeat,
    ) -> dict[tuple[str, int], int]:
        """Handles a batch in its order, or until told to stop; answers the offsets to commit, by partition."""
        self._given_away.clear()
        done: dict[tuple[str, int], int] = {}
        for message in [received(raw) for raw in batch if readable(self.name, raw)]:
            if message.place in self._given_away:
                continue
            if not await self._until_done(message, client, thread, stop, beat):
                break
            done[message.place] = message.offset + 1
        # The new owner of one that was given away may have come further.
        return {place: offset for place, offset in done.items() if place not in self._given_away}

    async def _until_done(
        self,
        message: Received,
        client: KafkaConsumer,
        thread: ThreadPoolExecutor,
        stop: asyncio.Event,
        beat: Heartbeat,
    ) -> bool:
        """Handles one message, however often that takes, or until it is another's; False when told to stop."""
        with self._about(message):
            return await self._try(message, client, thread, stop, beat)

    @contextmanager
    def _about(self, message: Received) -> Iterator[None]:
        """Binds the event's tenant and trace to what is logged inside; an event for others is in no trace."""
        try:
            envelope = parse_headers(message.headers, message.value)
        except MalformedEventError:
            yield
            return
        if self._is_for_others(envelope):
            yield
            return
        tenant = {"tenant_id": str(envelope.tenant_id)} if envelope.tenant_id else {}
        with (
            structlog.contextvars.bound_contextvars(**tenant),
            span_from(
                envelope.traceparent,
                f"process {message.topic}",
                SpanKind.CONSUMER,
                messaging(message.topic, "process") | {"cloudevents.event_type": envelope.type},
            ),
        ):
            yield

    async def _try(
        self,
        message: Received,
        client: KafkaConsumer,
        thread: ThreadPoolExecutor,
        stop: asyncio.Event,
        beat: Heartbeat,
    ) -> bool:
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            beat.beat()
            try:
                await self._handle(message)
                break
            except Exception as error:
                attempt += 1
                EVENT_RETRIES.labels(self.name).inc()
                pause = backoff(attempt, first=0.1, longest=_MAX_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311 - jitter
                log.warning(
                    "event failed, trying again",
                    consumer=self.name,
                    topic=message.topic,
                    partition=message.partition,
                    offset=message.offset,
                    attempt=attempt,
                    retry_in=round(pause, 2),
                    error=f"{type(error).__name__}: {error}",
                    exc_info=attempt == 1,
                )
            await loop.run_in_executor(thread, self._keep_membership, client)
            if message.place in self._given_away:
                break
            await pause_for(pause, stop)
            if stop.is_set():
                return False
        if attempt:
            await loop.run_in_executor(thread, _resume, client)
        return True

    async def _handle(self, message: Received) -> None:
        if for_another(message, self.name):
            EVENTS_HANDLED.labels(self.name, "skipped").inc()
            return
        try:
            envelope = parse_headers(message.headers, message.value)
            if self._is_for_others(envelope):
                EVENTS_HANDLED.labels(self.name, "skipped").inc()
                return
            event = None if envelope.data is None else envelope.event()
            try:
                outcome = await self._effect(message, envelope, event)
            except _VALUE_FAULTS as error:
                # Not the words of the database: they quote the values, and those may be a person's.
                what = constraint_of(error) or type(error).__name__
                raise PermanentError(f"no table takes its values: {what}") from error
        except (MalformedEventError, PermanentError) as error:
            await self._dead_letters.put(message, error)
            EVENTS_HANDLED.labels(self.name, "dead").inc()
            log.error(
                "event went to the dead letters",
                consumer=self.name,
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                error=str(error),
            )
        else:
            EVENTS_HANDLED.labels(self.name, outcome).inc()
            if outcome == "handled" and event is not None and self._on_committed is not None:
                self._on_committed(event)

    def _is_for_others(self, envelope: Envelope) -> bool:
        return envelope.data is not None and envelope.type not in self._handlers and is_known(envelope.type)

    async def _effect(self, message: Received, envelope: Envelope, event: Event | None) -> str:
        tenant_id = None if self._across_tenants else envelope.tenant_id
        async with self._db.tenant(tenant_id) if tenant_id else self._db.worker() as conn:
            cursor = await conn.execute(_INBOX, (self.name, envelope.id))
            if not cursor.rowcount:
                return "duplicate"
            if tenant_id is not None and not await takes_events(conn, tenant_id):
                return "gone"
            if event is not None:
                await self._handlers[envelope.type](conn, event, envelope)
            elif self._on_tombstone is not None:
                await self._on_tombstone(conn, *_buried(message, envelope))
            reached("consumer.effect")
        reached("consumer.committed")
        return "handled"

    def _commit(self, client: KafkaConsumer, done: Mapping[tuple[str, int], int]) -> None:
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in done.items()]
        try:
            client.commit(offsets=offsets, asynchronous=False)
        except (
            KafkaException
        ) as error:  # a rebalance took the partition; its new owner's inbox drops the rest
            log.warning("offsets not committed", consumer=self.name, reason=str(error))
        ours = {(place.topic, place.partition) for place in client.assignment()}
        self._done.update({place: offset for place, offset in done.items() if place in ours})

    def _look(self, client: KafkaConsumer) -> None:
        """Whether it reads at all, and how far behind it is: who may not sign in has no lag that anybody sees."""
        refusals: list[object] = []
        try:
            for topic in self.topics:
                fault = client.list_topics(topic, _BROKER_SECONDS).topics[topic].error
                refusals += [f"{topic}: {fault}"] if fault is not None else []
        except KafkaException as error:
            refusals.append(error)
        CONSUMER_READS.labels(self.name).set(self._member and not refusals)
        if refusals:
            log.warning("the brokers keep it from reading", consumer=self.name, reason=str(refusals[0]))
        else:
            self._measure(client)

    def _measure(self, client: KafkaConsumer, *, asking: bool = False) -> None:
        """Sets the lag of every partition that is ours; `asking` where no fetch tells how far it has grown."""
        try:
            for place in client.assignment():
                behind = max(0, self._end(client, place, asking) - self._done[place.topic, place.partition])
                CONSUMER_LAG.labels(self.name, place.topic, str(place.partition)).set(behind)
        except KafkaException as error:
            log.warning("lag not measured", consumer=self.name, reason=str(error))

    def _end(self, client: KafkaConsumer, place: TopicPartition, asking: bool) -> int:
        """The offset at which a partition of ours ends; behind this, `_done` has the partition."""
        low, end = client.get_watermark_offsets(place, _BROKER_SECONDS, cached=not asking)
        if end < 0 or (place.topic, place.partition) not in self._done:
            low, end = client.get_watermark_offsets(place, _BROKER_SECONDS)
            committed = client.committed([place], _BROKER_SECONDS)[0].offset
            self._done.setdefault((place.topic, place.partition), max(low, committed))
        return end

    async def _tell(self, progress: Progress, client: KafkaConsumer, thread: ThreadPoolExecutor) -> None:
        """Where it cannot, progress stands still, which is never wrong."""
        at = progress.clock()
        try:
            ends = await asyncio.get_running_loop().run_in_executor(thread, self._ends, client)
            await progress.look(at, ends, self._done)
            self._new.clear()
        except (KafkaException, Unavailable, psycopg.Error) as error:
            log.warning("progress not told", consumer=self.name, reason=str(error).strip())

    def _ends(self, client: KafkaConsumer) -> dict[tuple[str, int], int]:
        """Asks the broker where each partition of ours ends: a fetch that hangs knows of nothing new."""
        return {
            (place.topic, place.partition): self._end(client, place, asking=True)
            for place in client.assignment()
        }

    def _keep_membership(self, client: KafkaConsumer) -> None:
        """Polls with everything paused: the group sees a live member while a message is tried again."""
        client.pause(client.assignment())
        message = client.poll(0)
        if message is not None and readable(self.name, message):  # of a partition that has just become ours
            came = received(message)
            client.seek(TopicPartition(came.topic, came.partition, came.offset))
        self._measure(client, asking=True)


def _buried(message: Received, envelope: Envelope) -> tuple[UUID, str]:
    """Tenant and aggregate of a tombstone's key; one whose key and headers differ is nobody's."""
    tenant, _, aggregate = (message.key or b"").decode("utf-8", "replace").partition("/")
    if envelope.tenant_id is None or tenant != str(envelope.tenant_id):
        raise PermanentError("a tombstone's key must begin with its tenant")
    return envelope.tenant_id, aggregate


def _resume(client: KafkaConsumer) -> None:
    client.resume(client.assignment())
