"""Tenants in memory: the read model of platform.tenants.v1 for a process that has no database.

Used by the gateway. `TenantDirectory.run` is a loop for servicekit.runtime: it reads the compacted topic from its
beginning on each start, every partition, in no consumer group, so that each replica knows every tenant. Until it
has read what was there when it started, `ready` says so.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka import Consumer as KafkaConsumer

from contracts.envelope import MalformedEventError, parse_headers
from contracts.platform import TenantChanged, TenantState
from servicekit.health import Heartbeat
from servicekit.kafka import BROKER_SECONDS, Received, Watch, consumer, poll_batch, received
from servicekit.loops import pause_for
from servicekit.metrics import CONSUMER_LAG, EVENTS_HANDLED
from servicekit.settings import KafkaSettings

log = structlog.get_logger(__name__)

_BATCH = 500
_POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 15.0


@dataclass(slots=True)
class Tenants:
    """The tenants by id and by slug. Every record is the whole truth about one tenant."""

    _by_id: dict[UUID, TenantChanged] = field(default_factory=dict)
    _by_slug: dict[str, list[UUID]] = field(default_factory=dict)
    """Of two tenants with one slug, one is being deleted. They are read in any order: each has its partition."""

    def __len__(self) -> int:
        return len(self._by_id)

    def by_id(self, tenant_id: UUID) -> TenantChanged | None:
        """Whatever its state, being deleted included; None when unknown or gone."""
        return self._by_id.get(tenant_id)

    def by_slug(self, slug: str) -> TenantChanged | None:
        """As `by_id`; where a slug was given to a second tenant, the one that is not being deleted."""
        bearers = [self._by_id[tenant_id] for tenant_id in reversed(self._by_slug.get(slug, ()))]
        return max(bearers, key=lambda tenant: tenant.state is not TenantState.DELETING, default=None)

    def put(self, tenant: TenantChanged) -> bool:
        """False when a record of this or a later generation is here already."""
        known = self._by_id.get(tenant.tenant_id)
        if known is not None and known.generation >= tenant.generation:
            return False
        self.remove(tenant.tenant_id)
        self._by_id[tenant.tenant_id] = tenant
        self._by_slug.setdefault(tenant.slug, []).append(tenant.tenant_id)
        return True

    def remove(self, tenant_id: UUID) -> None:
        """Forgets a tenant, as after a tombstone; another one with its slug keeps that."""
        gone = self._by_id.pop(tenant_id, None)
        if gone is None:
            return
        bearers = self._by_slug[gone.slug]
        bearers.remove(tenant_id)
        if not bearers:
            del self._by_slug[gone.slug]


class TenantDirectory:
    """Follows the topic for one service; `tenants` is to be read from the event loop's thread."""

    def __init__(self, service: str, kafka: KafkaSettings) -> None:
        self.name = f"{service}.directory"
        self.tenants = Tenants()
        self._kafka = kafka
        self._unread: set[int] | None = None

    @property
    def complete(self) -> bool:
        """Whether an unknown tenant does not exist, rather than not having been read yet."""
        return self._unread is not None and not self._unread

    async def ready(self) -> str | None:
        """The readiness check: everything that stood on the topic at the start has been read."""
        return None if self.complete else f"{TenantChanged.TOPIC} has not been read to its end yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Reads until told to stop; rides out an outage of Kafka on what it has."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        client = self._new_client()
        watch = Watch(TenantChanged.TOPIC, self._new_client)
        look_due = 0.0
        try:
            while self._unread is None and not stop.is_set():
                beat.beat()
                self._unread = await loop.run_in_executor(thread, self._assign, client)
                if self._unread is None:
                    client = await loop.run_in_executor(thread, watch.look, client)
                    await pause_for(_RETRY_SECONDS, stop)
            while not stop.is_set():
                beat.beat()
                for message in await loop.run_in_executor(thread, poll_batch, client, _BATCH, _POLL_SECONDS):
                    self._take(message)
                if time.monotonic() > look_due:
                    client = await loop.run_in_executor(thread, watch.look, client)
                    await loop.run_in_executor(thread, self._measure, client)
                    look_due = time.monotonic() + _LOOK_SECONDS
        finally:
            await loop.run_in_executor(thread, client.close)
            thread.shutdown(wait=False)

    def _new_client(self) -> KafkaConsumer:
        # Nobody joins the group and nothing is committed: librdkafka only asks for a name.
        # The broker says where a partition ends: by offsets it could not be told, as compaction removes records.
        return consumer(self._kafka, group=self.name, client_id=self.name, **{"enable.partition.eof": True})

    def _assign(self, client: KafkaConsumer) -> set[int] | None:
        """Assigns every partition from its beginning and answers them; None when the topic cannot be seen yet."""
        try:
            metadata = client.list_topics(TenantChanged.TOPIC, timeout=BROKER_SECONDS)
            topic = metadata.topics[TenantChanged.TOPIC]
            if topic.error is not None:
                raise KafkaException(topic.error)
        except KafkaException as error:
            log.warning("tenants cannot be read yet", topic=TenantChanged.TOPIC, reason=str(error))
            return None
        partitions = set(topic.partitions)
        client.assign(
            [TopicPartition(TenantChanged.TOPIC, number, OFFSET_BEGINNING) for number in partitions]
        )
        return partitions

    def _take(self, raw: Message) -> None:
        error = raw.error()
        if error is None:
            EVENTS_HANDLED.labels(self.name, self._apply(received(raw))).inc()
        elif error.code() == KafkaError._PARTITION_EOF:
            (self._unread or set()).discard(raw.partition() or 0)
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("consume", consumer=self.name, reason=error.str())

    def _apply(self, message: Received) -> str:
        try:
            if message.value is None:
                self.tenants.remove(UUID((message.key or b"").decode()))
                return "handled"
            event = parse_headers(message.headers, message.value).event()
        except (MalformedEventError, ValueError) as error:
            # No dead letters here: every service with a database keeps them for this very topic.
            log.error(
                "tenant record cannot be read, passed over",
                partition=message.partition,
                offset=message.offset,
                error=str(error),
            )
            return "skipped"
        if not isinstance(event, TenantChanged):
            return "skipped"
        return "handled" if self.tenants.put(event) else "duplicate"

    def _measure(self, client: KafkaConsumer) -> None:
        for place in client.position(client.assignment()):
            _low, high = client.get_watermark_offsets(place, cached=True)
            if place.offset >= 0:
                lag = max(0, high - place.offset)
                CONSUMER_LAG.labels(self.name, place.topic, str(place.partition)).set(lag)
