"""Writes events as their publishers would, and reads topics whole; for tests of consumers."""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from contracts.envelope import Envelope, parse_headers
from contracts.model import Event
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.kafka import Received, received

T = TypeVar("T")

_UNKNOWN_YET = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION}


def until(check: Callable[[], T | None], what: str, *, seconds: float = 60) -> T:
    """Asks again until the answer is truthy; fails with `what` after `seconds`, for a machine with much to do."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}; last answer {answer!r}")
        time.sleep(0.05)


def end_of(client: Consumer, partition: TopicPartition) -> int:
    """Where a partition ends. One that was made a moment ago may have no leader yet: that is waited for."""

    def ends() -> tuple[int, int] | None:
        try:
            low, high = client.get_watermark_offsets(partition, 10)
        except KafkaException as error:
            if error.args[0].code() not in _UNKNOWN_YET:
                raise
            return None
        return low, high

    return until(ends, f"{partition.topic} has a leader")[1]


class Tail:
    """A topic's messages as they come. Its client is kept: a new one logs in and asks for the topic each time.

    Not one whose broker was away: it may not find it again by itself, however often it is asked (docs/adr/0029).
    """

    def __init__(self, client_config: dict[str, str], topic: str) -> None:
        quick = {"reconnect.backoff.max.ms": "500", "log_level": "0"}  # its broker may have been killed
        self._config = client_config | quick | {"group.id": f"tail-{new_id()}", "enable.auto.commit": "false"}
        self._topic = topic
        self._next: dict[int, int] = {}
        self._client = self._connected()

    def read(self, *, seconds: float = 60) -> list[Received]:
        """What has come since the last time, to where the topic ends now, in order within a partition."""
        ends = until(self._ends, f"{self._topic} tells where it ends", seconds=seconds)
        found: list[Received] = []
        stop = time.monotonic() + seconds
        while any(self._next[number] < end for number, end in ends.items()):
            assert time.monotonic() < stop, f"{self._topic} was not read to its end within {seconds} s"
            for message in self._client.consume(500, 0.2):
                if not message.error():
                    found.append(received(message))
                    self._next[found[-1].partition] = found[-1].offset + 1
        return found

    def _connected(self) -> Consumer:
        """A new client, which goes on where the one before it had come."""
        client = Consumer(self._config)
        partitions = client.list_topics(self._topic, 10).topics[self._topic].partitions
        self._next = {number: self._next.get(number, 0) for number in partitions}
        client.assign([TopicPartition(self._topic, number, offset) for number, offset in self._next.items()])
        return client

    def _ends(self) -> dict[int, int] | None:
        try:
            return {
                number: self._client.get_watermark_offsets(TopicPartition(self._topic, number), 10)[1]
                for number in self._next
            }
        except KafkaException as error:
            if error.args[0].code() not in _UNKNOWN_YET:
                raise
            self._client = self._connected()
            return None


class Topics:
    """The broker's topics; `client_config` is librdkafka's, of a user who may use them all."""

    def __init__(self, client_config: dict[str, str]) -> None:
        self._config = client_config
        self._producer = Producer(client_config | {"partitioner": "murmur2_random"})

    def publish(self, event: Event, *, event_id: str | None = None) -> str:
        """Writes the event, under that id or one of its own; answers the id once it is on the topic."""
        envelope = Envelope(
            id=event_id or str(new_id()),
            source="/slotwright/test",
            type=event.TYPE,
            time=utc_now(),
            subject=event.key,
            tenant_id=getattr(event, "tenant_id", None),
            data=event.model_dump_json().encode(),
        )
        headers = {name: value.encode() for name, value in envelope.headers().items()}
        self.put(event.TOPIC, event.key, envelope.data, headers)
        return envelope.id

    def put(self, topic: str, key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Writes any message, a malformed one too."""
        sent: dict[str, str | bytes | None] = {**headers}
        self._producer.produce(topic, key=key, value=value, headers=sent)
        assert self._producer.flush(10) == 0

    def pass_over(self, group: str, topic: str) -> None:
        """A consumer group that has not begun will start behind what earlier tests have written to the topic."""
        client = Consumer(self._config | {"group.id": group, "enable.auto.commit": "false"})
        try:
            partitions = client.list_topics(topic, 10).topics[topic].partitions
            ends = [TopicPartition(topic, n, end_of(client, TopicPartition(topic, n))) for n in partitions]
            client.commit(offsets=ends, asynchronous=False)
        finally:
            client.close()

    def events(self, topic: str, tenant_id: UUID | None = None) -> list[Event]:
        """The tenant's events on a topic, or everybody's, in order within a key; tombstones left out.

        Other tenants' are not read: a test may have written a malformed one.
        """
        mine = ("ce_tenantid", str(tenant_id).encode())
        return [
            parse_headers(item.headers, item.value).event()
            for item in self.messages(topic)
            if item.value is not None and (tenant_id is None or mine in item.headers)
        ]

    def messages(self, topic: str, *, seconds: float = 60) -> list[Received]:
        """Every message on a topic, in order within a partition.

        Fails where it is not read to its end in time: of what is not there, a part of it says nothing.
        """
        client = Consumer(
            self._config
            | {"group.id": f"read-{new_id()}", "enable.auto.commit": "false", "auto.offset.reset": "earliest"}
        )
        try:
            partitions = client.list_topics(topic, 10).topics[topic].partitions
            ends = {number: end_of(client, TopicPartition(topic, number)) for number in partitions}
            left = {number for number, end in ends.items() if end}
            client.assign([TopicPartition(topic, number, 0) for number in left])
            found: list[Received] = []
            stop = time.monotonic() + seconds
            while left and time.monotonic() < stop:
                found += [received(message) for message in client.consume(500, 0.2) if not message.error()]
                at = client.position([TopicPartition(topic, number) for number in left])
                left -= {item.partition for item in at if item.offset >= ends[item.partition]}
            assert not left, f"{topic} was not read to its end within {seconds} s"
            return found
        finally:
            client.close()
