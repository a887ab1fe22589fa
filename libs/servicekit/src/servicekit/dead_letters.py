"""Dead letters: what a consumer could not read, kept with its original bytes and headers plus the failure.

Written by servicekit.consumer to `<service>.dlq.v1`, which that service may write and read, and the operator,
for whoever re-drives letters (servicekit.redrive). The failure travels in `dl_*` headers, so that a re-drive
puts the very same message back.

The bytes of a compacted topic's record are not copied: they are data of a person or a business, which a tombstone
erases on the topic, but not in a letter. The topic has them for as long as the letter may be put back.
"""

import asyncio
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from contracts.topics import DEAD_LETTER_BYTES, TOPICS, dead_letter_topic
from servicekit.kafka import Received, producer
from servicekit.settings import KafkaSettings

FAILURE_PREFIX = "dl_"
"""The prefix of a letter's headers that are not the original message's own."""
REDRIVEN_FOR = "dl_for"
"""The header of a message that was put back: the only consumer to handle it, as the others have done so before."""
TOPIC = f"{FAILURE_PREFIX}topic"
TOPIC_WITH_BYTES = f"{FAILURE_PREFIX}compacted_topic"
"""Instead of TOPIC, where only the topic has the bytes. The release before knows TOPIC alone: it would take such a
letter for a tombstone and put that back; without TOPIC it refuses the letter."""
SIZE = f"{FAILURE_PREFIX}size"
"""The number of those bytes."""
_COMPACTED = frozenset(topic.name for topic in TOPICS if topic.compacted)
_MAX_ERROR = 500


def for_another(message: Received, consumer: str) -> bool:
    """Whether it was put back for another consumer than this one."""
    return any(name == REDRIVEN_FOR and value != consumer.encode() for name, value in message.headers)


def own_headers(message: Received) -> list[tuple[str, bytes]]:
    """A message's headers without those that tell of a failure."""
    return [pair for pair in message.headers if not pair[0].startswith(FAILURE_PREFIX)]


def produce_one(
    sender: Producer, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Produces a message and waits until Kafka has acknowledged it. Blocks; raises KafkaException.

    After a fatal error the client cannot be used any more.
    """
    failure: list[KafkaError] = []

    def delivered(problem: KafkaError | None, _message: Message) -> None:
        if problem is not None:
            failure.append(problem)

    sender.produce(topic, key=key, value=value, headers=list(headers), on_delivery=delivered)
    try:
        sender.flush()
    except SystemError as error:
        # On a fatal error flush both raises and goes on calling `delivered`, of which Python makes a SystemError.
        raise KafkaException(KafkaError(KafkaError._FATAL)) from error
    if failure:
        raise KafkaException(failure[0])


class DeadLetters:
    """One consumer's way to its service's dead letters."""

    def __init__(self, service: str, consumer: str, kafka: KafkaSettings) -> None:
        self._topic = dead_letter_topic(service)
        self._consumer = consumer
        self._kafka = kafka
        self._producer: Producer | None = None

    async def put(self, message: Received, error: Exception) -> None:
        """Returns once Kafka has acknowledged the dead letter; raises KafkaException when it does not."""
        await asyncio.to_thread(self._put, message, error)

    def _put(self, message: Received, error: Exception) -> None:
        if self._producer is None:
            self._producer = producer(
                self._kafka,
                client_id=f"{self._consumer}.dead-letters",
                **{"message.max.bytes": DEAD_LETTER_BYTES},
            )
        value = message.value
        place = {TOPIC: message.topic}
        if message.topic in _COMPACTED and value is not None:
            place = {TOPIC_WITH_BYTES: message.topic, SIZE: str(len(value))}
            value = None
        origin = {
            "dl_consumer": self._consumer,
            **place,
            "dl_partition": str(message.partition),
            "dl_offset": str(message.offset),
            "dl_error": f"{type(error).__name__}: {error}"[:_MAX_ERROR],
            "dl_time": datetime.now(UTC).isoformat(),
        }
        headers = [*own_headers(message), *((name, text.encode()) for name, text in origin.items())]
        try:
            produce_one(self._producer, self._topic, message.key, value, headers)
        except KafkaException:
            self._producer = None  # a client in a fatal state stays in it: the next try has a new one
            raise
