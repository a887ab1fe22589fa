"""The operator's two compacted topics: its own records of tenants, and the components' answers.

On start both are read back to their ends; that is all the memory the operator has. After that only answers are
followed, because the operator is the one writer of records and knows what it wrote. Made by `controller`; read
by `reconciler`, written by `actions`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from contracts.envelope import Envelope, MalformedEventError, parse_headers
from contracts.model import Event, record_key
from contracts.platform import Component, TenantChanged, TenantStatusReported
from servicekit.faults import reached
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.kafka import (
    BROKER_SECONDS,
    Received,
    Watch,
    consumer,
    cut_off,
    poll_batch,
    producer,
    received,
)
from servicekit.loops import wait_until
from servicekit.settings import KafkaSettings
from servicekit.tracing import current_traceparent
from tenant_operator.batching import Batches
from tenant_operator.errors import KafkaFailedError
from tenant_operator.leader import Leader
from tenant_operator.metrics import MALFORMED

log = structlog.get_logger(__name__)

_SOURCE = "/slotwright/operator"
_BATCH = 1000
_POLL_SECONDS = 0.25
_ACKNOWLEDGE_SECONDS = 35.0
_LOOK_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 10.0


class Records:
    """A loop for the runtime that keeps both topics in memory. `on_answer` is called with the tenant's id."""

    name = "operator.records"

    def __init__(self, kafka: KafkaSettings, on_answer: Callable[[UUID], None], leader: Leader) -> None:
        self._kafka = kafka
        self._leader = leader
        self._on_answer = on_answer
        self._published: dict[UUID, TenantChanged] = {}
        self._by_slug = defaultdict[str, set[UUID]](set)
        self._unacknowledged: set[UUID] = set()
        self._forgotten: set[UUID] = set()
        self._answers: dict[UUID, dict[Component, TenantStatusReported]] = {}
        self._producer: Producer | None = None
        self._batches = Batches[_Messages, None](self._produce, most=_BATCH)
        self.caught_up = asyncio.Event()

    def published(self, tenant_id: UUID) -> TenantChanged | None:
        """The record sent last, or None; services have it if it is `acknowledged`, and may have it if it is not."""
        return self._published.get(tenant_id)

    def acknowledged(self, tenant_id: UUID) -> bool:
        """False from before the tenant's record is sent until Kafka has answered that it has it."""
        return tenant_id not in self._unacknowledged

    def forgotten(self, tenant_id: UUID) -> bool:
        """Whether a tombstone has replaced the tenant's record; Kafka keeps it for weeks (contracts.topics)."""
        return tenant_id in self._forgotten

    def answers(self, tenant_id: UUID) -> Mapping[Component, TenantStatusReported]:
        """The last answer of each component."""
        return dict(self._answers.get(tenant_id, {}))

    def tenants(self) -> set[UUID]:
        """Every tenant that has a record."""
        return set(self._published)

    def namesake(self, tenant_id: UUID, slug: str) -> bool:
        """Whether a tenant beside this one has a record with that name."""
        return bool(self._by_slug.get(slug, set()) - {tenant_id})

    async def ready(self) -> str | None:
        return (
            None
            if self.caught_up.is_set() or self._leader.standby
            else "the topics of tenants and their statuses are being read back"
        )

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Reads both topics to the end, then follows the answers until told to stop."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        loop = asyncio.get_running_loop()
        client = self._new_client()
        watch = Watch(TenantStatusReported.TOPIC, self._new_client)
        try:
            self._producer = await asyncio.to_thread(self._new_producer)
            # What a predecessor still writes has to be read, too.
            await wait_until(self._leader.held, stop, beat)
            unread: set[tuple[str, int]] = set()
            while not unread and not stop.is_set():
                beat.beat()
                unread = await loop.run_in_executor(thread, self._assign, client)
                if not unread:
                    client = await loop.run_in_executor(thread, watch.look, client)
            looked = loop.time()
            while not stop.is_set():
                beat.beat()
                batch = await loop.run_in_executor(thread, poll_batch, client, _BATCH, _POLL_SECONDS)
                for message in batch:
                    self._take(message, unread)
                if not unread and not self.caught_up.is_set():
                    await loop.run_in_executor(thread, self._read_answers_only, client)
                    log.info("topics read back", tenants=len(self._published))
                    self.caught_up.set()
                if loop.time() - looked > _LOOK_SECONDS:
                    client = await loop.run_in_executor(thread, watch.look, client)
                    looked = loop.time()
        finally:
            await loop.run_in_executor(thread, client.close)
            thread.shutdown(wait=False)

    async def publish(self, record: TenantChanged) -> None:
        """Publishes a tenant's record; returns when Kafka has acknowledged it. Raises KafkaFailedError.

        A record that is sent and not acknowledged may have arrived: its generation counts as used in any case.
        """
        self._remember(record)
        self._unacknowledged.add(record.tenant_id)
        await self._send(TenantChanged, record.tenant_id, {record.key: record.model_dump_json().encode()})
        self._unacknowledged.discard(record.tenant_id)

    async def forget(self, tenant_id: UUID) -> None:
        """Tombstones for the record, then for the components' answers. Raises KafkaFailedError.

        In this order: where a crash leaves answers without a record, only they are left to be removed; with a
        record and no answers, the components would be waited for in vain.
        """
        answers = {record_key(tenant_id, part.value): None for part in self._answers.get(tenant_id, {})}
        await self._send(TenantChanged, tenant_id, {str(tenant_id): None})
        self._drop(tenant_id)
        self._unacknowledged.discard(tenant_id)
        reached("operator.record-forgotten")
        await self._send(TenantStatusReported, tenant_id, answers)
        self._answers.pop(tenant_id, None)

    async def send_no_more(self) -> None:
        """Before the Lease is another's: drops what Kafka has not acknowledged, and sends nothing after.

        A record that arrived after those of the next holder would remain the last of its key on a compacted topic.
        """
        sender, self._producer = self._producer, None
        if sender is not None:
            sender.purge()
            await self._batches.ended()
            sender.purge()  # what a batch under way has added since

    def _new_producer(self) -> Producer:
        return producer(self._kafka, client_id=self.name)

    def _new_client(self) -> Consumer:
        return consumer(self._kafka, group=self.name, client_id=self.name, **{"enable.partition.eof": True})

    def _assign(self, client: Consumer) -> set[tuple[str, int]]:
        """Starts at the beginning of every partition of both topics; answers them, none if Kafka is away."""
        found: list[TopicPartition] = []
        for topic in (TenantChanged.TOPIC, TenantStatusReported.TOPIC):
            try:
                metadata = client.list_topics(topic, BROKER_SECONDS).topics[topic]
            except KafkaException as error:
                log.warning("waiting for Kafka", reason=str(error))
                return set()
            if metadata.error is not None or not metadata.partitions:
                log.warning("waiting for a topic", topic=topic)
                client.poll(_LOOK_AGAIN_SECONDS)
                return set()
            found += [TopicPartition(topic, number, 0) for number in metadata.partitions]
        client.assign(found)
        return {(item.topic, item.partition) for item in found}

    def _read_answers_only(self, client: Consumer) -> None:
        records = [item for item in client.assignment() if item.topic == TenantChanged.TOPIC]
        client.incremental_unassign(records)

    def _take(self, message: Message, unread: set[tuple[str, int]]) -> None:
        error = message.error()
        if error is None:
            self._apply(received(message))
        elif error.code() == KafkaError._PARTITION_EOF:
            unread.discard((message.topic() or "", message.partition() or 0))
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("consume", reason=error.str())

    def _apply(self, message: Received) -> None:
        key = (message.key or b"").decode("utf-8", "replace")
        try:
            tenant_id, event = _read(message, key)
        except (MalformedEventError, ValueError) as error:
            MALFORMED.labels(message.topic).inc()
            log.error(
                "message cannot be read",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                error=str(error),
            )
            return
        if message.topic == TenantChanged.TOPIC and not self.caught_up.is_set():
            if isinstance(event, TenantChanged):
                self._remember(event)
            else:
                self._drop(tenant_id)
        elif message.topic == TenantStatusReported.TOPIC:
            self._answered(tenant_id, key, event)

    def _remember(self, record: TenantChanged) -> None:
        self._published[record.tenant_id] = record
        self._by_slug[record.slug].add(record.tenant_id)
        self._forgotten.discard(record.tenant_id)

    def _drop(self, tenant_id: UUID) -> None:
        self._forgotten.add(tenant_id)
        record = self._published.pop(tenant_id, None)
        if record is not None:
            self._by_slug[record.slug].discard(tenant_id)
            if not self._by_slug[record.slug]:
                del self._by_slug[record.slug]

    def _answered(self, tenant_id: UUID, key: str, event: Event | None) -> None:
        answers = self._answers.setdefault(tenant_id, {})
        if isinstance(event, TenantStatusReported):
            answers[event.component] = event
        else:
            answers.pop(_component(key), None)
        if not answers:
            del self._answers[tenant_id]
        if self.caught_up.is_set():
            self._on_answer(tenant_id)

    async def _send(self, event: type[Event], tenant_id: UUID, values: Mapping[str, bytes | None]) -> None:
        """Raises KafkaFailedError when one of them was not taken."""
        if values:
            envelopes = [_envelope(event, tenant_id, key, value) for key, value in values.items()]
            await self._batches.do(_Messages(event.TOPIC, envelopes))

    def _produce(self, batch: Sequence["_Messages"]) -> Sequence[KafkaFailedError | None]:
        sender = self._producer
        if sender is None:
            raise KafkaFailedError("Kafka has not been reached yet.")
        answers, spent = _produce_all(sender, batch)
        # Not once `send_no_more` has taken it away, which waits for this, and the Lease for that.
        if any(answers) and not spent and self._producer is sender:
            spent = cut_off(sender, self._new_producer, TenantChanged.TOPIC)
        if spent and self._producer is sender:
            # A client stays in that state, as one does for which the operator had no rights yet when it began; and
            # one that has lost the brokers may not find them again (docs/adr/0029).
            self._producer = self._new_producer()
        return answers


def _read(message: Received, key: str) -> tuple[UUID, Event | None]:
    """Raises MalformedEventError, and ValueError for a tombstone whose key is none of ours."""
    if message.value is None:
        if message.topic == TenantChanged.TOPIC:
            return UUID(key), None
        _component(key)
        return UUID(key.partition("/")[0]), None
    event = parse_headers(message.headers, message.value).event()
    if not isinstance(event, TenantChanged | TenantStatusReported):
        raise MalformedEventError(f"type {event.TYPE} does not belong on {message.topic}")
    return event.tenant_id, event


def _component(key: str) -> Component:
    return Component(key.partition("/")[2])


def _envelope(event: type[Event], tenant_id: UUID, key: str, data: bytes | None) -> Envelope:
    return Envelope(
        id=str(new_id()),
        source=_SOURCE,
        type=event.TYPE,
        time=datetime.now(UTC),
        subject=key,
        tenant_id=tenant_id,
        data=data,
        traceparent=current_traceparent(),
    )


@dataclass(frozen=True, slots=True)
class _Messages:
    """The messages about one tenant on one topic that are sent together."""

    topic: str
    envelopes: Sequence[Envelope]


def _produce_all(
    sender: Producer, batch: Sequence[_Messages]
) -> tuple[Sequence[KafkaFailedError | None], bool]:
    """Produces all and waits for the acknowledgements; runs in a thread.

    Answers for each item of the batch, and whether the client cannot be used any more.
    """
    unanswered = [len(item.envelopes) for item in batch]
    refused: dict[int, str] = {}
    fatal = False

    def refuse(number: int, error: KafkaError) -> None:
        nonlocal fatal
        fatal = fatal or error.fatal() or error.code() == KafkaError._FATAL
        refused.setdefault(number, error.str())

    def delivered(number: int, error: KafkaError | None, _message: Message) -> None:
        unanswered[number] -= 1
        if error is not None:
            refuse(number, error)

    for number, item in enumerate(batch):
        try:
            for envelope in item.envelopes:
                headers: list[tuple[str, str | bytes | None]] = [
                    (name, value.encode()) for name, value in envelope.headers().items()
                ]
                sender.produce(
                    item.topic,
                    key=envelope.subject,
                    value=envelope.data,
                    headers=headers,
                    on_delivery=partial(delivered, number),
                )
        except BufferError as error:
            refused.setdefault(number, str(error))
        except KafkaException as error:
            refuse(number, error.args[0])
    try:
        sender.flush(_ACKNOWLEDGE_SECONDS)
    except (KafkaException, SystemError):
        # What flush makes of a fatal error (see servicekit.dead_letters): some of the callbacks may be missing.
        fatal = True
        refused = dict.fromkeys(range(len(batch)), "Fatal error") | refused
    answers = [
        KafkaFailedError(
            f"Kafka did not take a message for {item.topic}: {refused.get(number, 'no answer')}."
        )
        if number in refused or unanswered[number]
        else None
        for number, item in enumerate(batch)
    ]
    return answers, fatal
