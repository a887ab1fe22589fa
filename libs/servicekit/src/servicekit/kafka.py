"""Kafka clients as this project sets them: durable producers, consumers that commit after the effect.

librdkafka's calls block, so callers run them in a thread of their own. Source: librdkafka CONFIGURATION.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from servicekit.settings import KafkaSettings

log = structlog.get_logger(__name__)

Place = tuple[str, int]
"""A topic and one of its partitions."""

BROKER_SECONDS = 5.0
"""How long a broker has for an answer to who only looks."""
MOST_MISSED = 3
"""Looks in a row that found no broker, after which a client is replaced (docs/adr/0029)."""

_READ_AHEAD: dict[str, int] = {
    "queued.max.messages.kbytes": 8192,
    "queued.min.messages": 5000,
    "fetch.queue.backoff.ms": 50,
}
"""Bounds what a consumer that lags holds in memory: by default more than 100 MB of small events, and a pod has
several consumers."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was read: `value` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def place(self) -> Place:
        return self.topic, self.partition


def poll_batch(client: Consumer, most: int, seconds: float) -> list[Message]:
    """Waits up to `seconds` for a message; answers it with those that have come already, `most` in all, or none.

    `Consumer.consume` alone would wait all that time for a batch to fill, and so hold up each message that comes
    alone. Some may be errors: see `readable`.
    """
    first = client.poll(seconds)
    return [] if first is None else [first, *client.consume(most - 1, 0)]


def readable(consumer: str, message: Message) -> bool:
    """Whether it is a message and no error of the consumer of that name. Raises KafkaException for a fatal one."""
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    # A topic that does not exist yet is made by the operator; the client asks again by itself.
    if error.code() not in {KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART}:
        log.warning("consume", consumer=consumer, reason=error.str())
    return False


def reaches_a_broker(client: Consumer | Producer, topic: str) -> bool:
    """Asks for what there is of a topic, and waits 5 s at most.

    Not every client that reaches none will do so again by itself, though there are some: docs/adr/0029.
    """
    try:
        client.list_topics(topic, BROKER_SECONDS)
    except KafkaException:
        return False
    return True


def cut_off(client: Producer, make: Callable[[], Producer], topic: str) -> bool:
    """Whether a producer reaches no broker where a new one does; blocks as `reaches_a_broker`, twice.

    In this order: what the first one had sent before, and the broker had yet to read, has been read by then, so
    that nothing of it can come behind what its successor sends.
    """
    return reaches_a_broker(make(), topic) and not reaches_a_broker(client, topic)


class Watch:
    """Over a consumer in no group: once it has found no broker in three looks, another takes its place."""

    def __init__(self, topic: str, make: Callable[[], Consumer]) -> None:
        self._topic = topic
        self._make = make
        self._missed = 0

    def look(self, client: Consumer) -> Consumer:
        """Answers the client to go on with; blocks as `reaches_a_broker`, and while the old one is closed.

        A new one goes on where that had come; of what it had not read yet, it begins anew.
        """
        self._missed = 0 if reaches_a_broker(client, self._topic) else self._missed + 1
        if self._missed < MOST_MISSED:
            return client
        self._missed = 0
        log.warning("another client, as this one reaches no broker", topic=self._topic)
        places = client.position(client.assignment())
        another = self._make()
        another.assign(
            [TopicPartition(place.topic, place.partition, max(place.offset, 0)) for place in places]
        )
        client.close()
        return another


def received(message: Message) -> Received:
    """The message as plain, typed values; only for one without an error."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Received(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=[
            (name, value.encode() if isinstance(value, str) else value)
            for name, value in pairs
            if value is not None
        ],
    )


def _on_error(error: KafkaError) -> None:
    log.warning("kafka client", code=error.name(), reason=error.str())


def producer(settings: KafkaSettings, *, client_id: str, **overrides: Any) -> Producer:
    """An idempotent producer: all in-sync replicas acknowledge, order holds within a partition.

    Keys are placed by murmur2, as the Java clients do, so that other writers agree on the partition.
    """
    return Producer(
        settings.client_config()
        | {
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.timeout.ms": 30_000,
            "error_cb": _on_error,
        }
        | overrides
    )


def consumer(settings: KafkaSettings, *, group: str, client_id: str, **overrides: Any) -> Consumer:
    """A consumer whose offsets move only when told: after the effects have been committed."""
    return Consumer(
        settings.client_config()
        | {
            "client.id": client_id,
            "group.id": settings.group_prefix + group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(settings.session_seconds * 1000),
            "heartbeat.interval.ms": int(settings.session_seconds * 300),
            "topic.metadata.refresh.interval.ms": 10_000,
            **_READ_AHEAD,
            "allow.auto.create.topics": False,
            "error_cb": _on_error,
        }
        | overrides
    )
