"""The consumer loop: reads topics, has each event put into effect once, commits offsets after the effects.

What putting into effect means, and what becomes of an event that cannot be, is servicekit.effects's. A failure that
may pass is tried again, with backoff and for as long as it takes, because order within a key must hold; the
partitions are paused meanwhile, so that the group keeps its member. What the group gives to another member then is
left to that one. `Consumer.poll` blocks and runs in a thread.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaException, Message, TopicPartition

from contracts.model import Event
from servicekit.db import Database
from servicekit.dead_letters import DeadLetters
from servicekit.effects import Effects, Handler, Incoming, TombstoneHandler
from servicekit.errors import Unavailable
from servicekit.health import Heartbeat
from servicekit.kafka import BROKER_SECONDS, MOST_MISSED, Place, consumer, poll_batch, readable, received
from servicekit.loops import backoff, pause_for
from servicekit.metrics import CONSUMER_LAG, CONSUMER_READS, EVENT_RETRIES
from servicekit.progress import Progress
from servicekit.settings import KafkaSettings

log = structlog.get_logger(__name__)

_BATCH = 200
_POLL_SECONDS = 0.25
_MAX_BACKOFF = 30.0
_LOOK_SECONDS = 10.0
_PROGRESS_SECONDS = 1.0


class EventConsumer:
    """One consumer group of one service; `run` is a loop for servicekit.runtime.

    `name` makes the group `<service>.<name>`. Handlers run in a transaction of the event's tenant, or of a worker
    when `across_tenants` is set or the event has no tenant. Types without a handler are passed over; one that is
    unknown is a later release's, and a dead letter (docs/adr/0024). `on_committed` is called with an event that has
    taken effect, once others can see that: to hasten what would be done anyway, as a crash may come before.
    Up to `at_once` events of a tenant share a transaction, pipelined; their handlers must neither ask for a
    `rowcount` nor have effects outside of it, as all are called again when one fails.
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
        at_once: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.name = f"{service}.{name}"
        self._kafka = kafka
        self.topics = tuple(topics)
        self.events = tuple(handlers)
        self._progress = progress
        self._effects = Effects(
            self.name,
            db,
            handlers,
            DeadLetters(service, self.name, kafka),
            on_tombstone=on_tombstone,
            on_committed=on_committed,
            across_tenants=across_tenants,
            at_once=at_once,
        )
        self._assigned = False
        self._member = False
        self._done: dict[Place, int] = {}
        """By partition that is ours: the offset of the first message not yet put into effect."""
        self._untold = False
        """Partitions have become ours, of which `progress` has not been told."""
        self._given_away: set[Place] = set()
        """Partitions that were ours when the messages in hand were read, and went to another since."""

    async def ready(self) -> str | None:
        """The readiness check: the group has given this consumer its partitions (or there are none left)."""
        return None if self._assigned else f"consumer {self.name} has no assignment yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Consumes until told to stop, then leaves the group, so that another takes over at once."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        self._effects.count_from_zero()
        try:
            while not stop.is_set():
                await self._follow(thread, stop, beat)
        finally:
            thread.shutdown(wait=False)

    async def _follow(self, thread: ThreadPoolExecutor, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Consumes by one client, until that has found no broker for so long that it may never (docs/adr/0029)."""
        loop = asyncio.get_running_loop()
        CONSUMER_READS.labels(self.name).set(0)
        client = consumer(self._kafka, group=self.name, client_id=self.name)
        try:
            await loop.run_in_executor(thread, self._subscribe, client)
            looked = told = -_LOOK_SECONDS
            missed = 0
            while not stop.is_set() and missed < MOST_MISSED:
                beat.beat()
                batch = await loop.run_in_executor(thread, poll_batch, client, _BATCH, _POLL_SECONDS)
                if self._progress is not None and (self._untold or loop.time() - told > _PROGRESS_SECONDS):
                    await self._tell(self._progress, client, thread)
                    told = loop.time()
                done = await self._handle_all(batch, client, thread, stop, beat)
                if done:
                    await loop.run_in_executor(thread, self._commit, client, done)
                if loop.time() - looked > _LOOK_SECONDS:
                    missed = 0 if await loop.run_in_executor(thread, self._look, client) else missed + 1
                    looked = loop.time()
                elif done:
                    await loop.run_in_executor(thread, self._measure, client)
            if not stop.is_set():
                log.warning("another client, as this one reaches no broker", consumer=self.name)
        finally:
            await loop.run_in_executor(thread, client.close)
            CONSUMER_READS.labels(self.name).set(0)

    def _subscribe(self, client: KafkaConsumer) -> None:
        def assigned(_client: KafkaConsumer, _partitions: list[TopicPartition]) -> None:
            self._assigned = self._member = self._untold = True
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
    ) -> dict[Place, int]:
        """Handles a batch, or what it can until told to stop; answers the offsets to commit, by partition."""
        self._given_away.clear()
        items = [self._effects.read(received(raw)) for raw in batch if readable(self.name, raw)]
        handled: set[tuple[Place, int]] = set()
        for group in self._effects.groups(items):
            beat.beat()
            together = len(group) > 1 and not self._given_away and await self._effects.put_together(group)
            for item in group:
                if item.message.place in self._given_away:
                    continue
                if not together and not await self._until_done(item, client, thread, stop, beat):
                    return self._come_to(items, handled)
                handled.add((item.message.place, item.message.offset))
        return self._come_to(items, handled)

    def _come_to(self, items: Sequence[Incoming], handled: set[tuple[Place, int]]) -> dict[Place, int]:
        """By partition, the offset behind what was handled without a gap.

        Not of those that were given away, as their new owner may have come further.
        """
        done: dict[Place, int] = {}
        ended = set(self._given_away)
        for message in (item.message for item in items):
            if (message.place, message.offset) not in handled:
                ended.add(message.place)
            elif message.place not in ended:
                done[message.place] = message.offset + 1
        return done

    async def _until_done(
        self,
        item: Incoming,
        client: KafkaConsumer,
        thread: ThreadPoolExecutor,
        stop: asyncio.Event,
        beat: Heartbeat,
    ) -> bool:
        """Handles one message, however often that takes, or until it is another's; False when told to stop."""
        with self._effects.about(item):
            return await self._try(item, client, thread, stop, beat)

    async def _try(
        self,
        item: Incoming,
        client: KafkaConsumer,
        thread: ThreadPoolExecutor,
        stop: asyncio.Event,
        beat: Heartbeat,
    ) -> bool:
        message, attempt = item.message, 0
        loop = asyncio.get_running_loop()
        while True:
            beat.beat()
            try:
                await self._effects.put(item)
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

    def _commit(self, client: KafkaConsumer, done: Mapping[Place, int]) -> None:
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in done.items()]
        try:
            client.commit(offsets=offsets, asynchronous=False)
        except (
            KafkaException
        ) as error:  # a rebalance took the partition; its new owner's inbox drops the rest
            log.warning("offsets not committed", consumer=self.name, reason=str(error))
        ours = {(place.topic, place.partition) for place in client.assignment()}
        self._done.update({place: offset for place, offset in done.items() if place in ours})

    def _look(self, client: KafkaConsumer) -> bool:
        """Whether it reads at all, and how far behind it is: who may not sign in has no lag that anybody sees.

        Answers whether a broker has answered.
        """
        refusals: list[object] = []
        answered = True
        try:
            for topic in self.topics:
                fault = client.list_topics(topic, BROKER_SECONDS).topics[topic].error
                refusals += [f"{topic}: {fault}"] if fault is not None else []
        except KafkaException as error:
            refusals.append(error)
            answered = False
        CONSUMER_READS.labels(self.name).set(self._member and not refusals)
        if refusals:
            log.warning("the brokers keep it from reading", consumer=self.name, reason=str(refusals[0]))
        else:
            self._measure(client)
        return answered

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
        low, end = client.get_watermark_offsets(place, BROKER_SECONDS, cached=not asking)
        if end < 0 or (place.topic, place.partition) not in self._done:
            low, end = client.get_watermark_offsets(place, BROKER_SECONDS)
            committed = client.committed([place], BROKER_SECONDS)[0].offset
            self._done.setdefault((place.topic, place.partition), max(low, committed))
        return end

    async def _tell(self, progress: Progress, client: KafkaConsumer, thread: ThreadPoolExecutor) -> None:
        """Where it cannot, progress stands still, which is never wrong."""
        at = progress.clock()
        try:
            ends = await asyncio.get_running_loop().run_in_executor(thread, self._ends, client)
            await progress.look(at, ends, self._done)
            self._untold = False
        except (KafkaException, Unavailable, psycopg.Error) as error:
            log.warning("progress not told", consumer=self.name, reason=str(error).strip())

    def _ends(self, client: KafkaConsumer) -> dict[Place, int]:
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


def _resume(client: KafkaConsumer) -> None:
    client.resume(client.assignment())
