"""Dead letters read and put back, for the operator's command `dead-letters` (tenant_operator.dead_letters).

A re-drive produces a letter's bytes, key and headers, as they were, to the topic that they came from, waits for the
acknowledgement of all in-sync replicas, and then writes a mark beside the letter, so that it is not put back twice.

What is guaranteed, and what is not:

- A letter that is put back takes effect at most once, as long as its consumer remembers it: the inbox knows
  events by their id (servicekit.consumer), and a dead letter left no row there, as its transaction was rolled
  back. So a crash between message and mark, or two people who re-drive at once, do no harm. Inboxes forget
  after 14 days: what was put back without a mark must not be put back again later than that. What has no id has
  no such protection.
- On a topic that keeps its events for a time, only the consumer that could not read it takes it (header `dl_for`).
  The others have long handled it, and may have forgotten that.
- On a compacted topic everybody reads it, since it becomes the last record of its key. So a letter is put back only
  while it is that: a newer record or a tombstone of its key makes it `superseded`, and so does its having gone from
  the topic. Nothing that was erased comes back. A record that its publisher writes in that very moment may still be
  overtaken; its next one mends that.
- Order is not kept: the letter comes behind what was written under its key since. Consumers that mind compare times
  or generations, which they have to do in any case.
- It is put back only to topics that the consumer's service reads. Whoever may write to a service's dead letters
  could still have the operator's user write to those: a letter is worth a look before it is put back.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from contracts.envelope import MalformedEventError, parse_headers
from contracts.platform import TenantChanged
from contracts.topics import DEAD_LETTER_BYTES, DEAD_LETTERS, TOPICS, Topic, dead_letter_topic
from servicekit.dead_letters import FAILURE_PREFIX, REDRIVEN_FOR, own_headers, produce_one
from servicekit.errors import SlotwrightError
from servicekit.kafka import Received, consumer, producer, received, waiting
from servicekit.settings import KafkaSettings

SERVICES = tuple(topic.name.split(".")[0] for topic in DEAD_LETTERS)
"""Those that have dead letters."""
_MARK = f"{FAILURE_PREFIX}redriven"
_CLIENT = "operator.dead-letters"
_SECONDS = 30.0
_METADATA_SECONDS = 10.0
_BATCH = 500
_POLL_SECONDS = 0.05
_TOPICS = {topic.name: topic for topic in TOPICS}

Header = tuple[str, bytes]


class RedriveError(SlotwrightError):
    """Kafka is away, refuses, or there is no such letter; the text is a sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, without its bytes (see `DeadLetterBox.message`).

    `headers` are the message's own; `topic`, `partition`, `offset` say where it was read, and `time` when it
    failed. `redriven` is the time of its mark. What a header does not say is empty or None.
    """

    service: str
    dead_partition: int
    dead_offset: int
    consumer: str
    topic: str
    partition: int
    offset: int
    failure: str
    time: str
    key: bytes | None
    size: int
    headers: tuple[Header, ...]
    redriven: str | None = None

    @property
    def id(self) -> str:
        """`<service>/<partition>/<offset>` of its place among the dead letters."""
        return f"{self.service}/{self.dead_partition}/{self.dead_offset}"

    @property
    def error(self) -> str:
        """The failure's kind alone: its words may quote what a person has written."""
        return self.failure.partition(":")[0]

    def header(self, name: str) -> str:
        """Its text; a header that is not UTF-8 is shown as far as it can be."""
        return dict(self.headers).get(name, b"").decode("utf-8", "backslashreplace")

    @property
    def event_id(self) -> str:
        return self.header("ce_id")

    @property
    def tenant_id(self) -> str:
        return self.header("ce_tenantid")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter: `redriven`, `already` (it had been), `superseded` or `refused`, and why."""

    letter: Letter
    result: str
    reason: str


class DeadLetterBox:
    """The dead letters of all services. Every method blocks, and raises RedriveError; `close` at the end."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Producer | None = None
        # In no group: librdkafka only asks for a name, and nothing is committed. An end is told at once: a person
        # waits.
        ends = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
        self._consumer = consumer(kafka, group=_CLIENT, client_id=_CLIENT, **ends)

    def close(self) -> None:
        self._consumer.close()

    def letters(
        self, services: Iterable[str] = SERVICES, matches: Callable[[Letter], bool] = lambda _letter: True
    ) -> list[Letter]:
        """All that match, service by service in the order of their failing; read to the topics' present ends."""
        of = {dead_letter_topic(service): service for service in services}
        marks: dict[tuple[str, int, int], str] = {}
        found: list[Letter] = []
        for message in self._read(*of):
            headers = dict(message.headers)
            if _MARK in headers:
                marks[of[message.topic], *_place(headers[_MARK])] = _text(headers, "time")
            elif matches(letter := _letter(of[message.topic], message)):
                found.append(letter)
        found.sort(key=lambda each: (each.service, each.dead_partition, each.dead_offset))
        return [
            replace(each, redriven=marks.get((each.service, each.dead_partition, each.dead_offset)))
            for each in found
        ]

    def letter(self, letter_id: str) -> Letter:
        """The one of that id."""
        service = letter_id.partition("/")[0]
        if service in SERVICES:
            for letter in self.letters([service], lambda each: each.id == letter_id):
                return letter
        raise RedriveError(f"There is no dead letter {letter_id}; they are kept for four weeks.")

    def message(self, letter: Letter) -> Received:
        """The message as it was, where it was: its own headers, key and bytes."""
        place = TopicPartition(dead_letter_topic(letter.service), letter.dead_partition, letter.dead_offset)
        for dead in self._from(place):
            if dead.offset == letter.dead_offset:
                own = own_headers(dead)
                return Received(letter.topic, letter.partition, letter.offset, dead.key, dead.value, own)
            break
        raise RedriveError(f"The dead letter {letter.id} has gone from its topic.")

    def redrive(self, letter: Letter) -> Outcome:
        """Puts one back, unless it has been, or should not be; see the module's guarantees."""
        if letter.redriven is not None:
            return Outcome(letter, "already", f"It was put back at {letter.redriven}.")
        topic = _TOPICS.get(letter.topic)
        if topic is None or letter.service not in topic.readers:
            return Outcome(
                letter, "refused", f"{letter.service} does not read {letter.topic or 'any topic'}."
            )
        message = self.message(letter)
        if topic.compacted and not self._is_last(message):
            return Outcome(letter, "superseded", "The topic has a newer record of its key, or none any more.")
        try:
            self._put(topic, message, letter.consumer)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise _failed(f"{letter.topic} did not take {letter.id}", error) from error
            return Outcome(letter, "refused", f"{letter.topic} takes no message of this size.")
        self._mark(letter)
        return Outcome(letter, "redriven", f"It is on {letter.topic} again.")

    def tenants(self) -> dict[UUID, str]:
        """Id to slug of every tenant that has a record; one that nobody can read is left out."""
        found: dict[UUID, str] = {}
        for message in self._read(TenantChanged.TOPIC):
            try:
                if message.value is None:
                    found.pop(UUID((message.key or b"").decode()), None)
                    continue
                event = parse_headers(message.headers, message.value).event()
            except (MalformedEventError, ValueError):
                continue
            if isinstance(event, TenantChanged):
                found[event.tenant_id] = event.slug
        return found

    def _is_last(self, message: Received) -> bool:
        """Whether a compacted topic has nothing newer under the message's key, a copy of itself left aside."""
        start = TopicPartition(message.topic, message.partition, message.offset)
        last: Received | None = None
        for found in self._from(start):
            if found.key == message.key:
                last = found
        # A tombstone goes from the topic after a while; it takes nothing back.
        if last is None:
            return message.value is None
        return last.offset == message.offset or (
            last.value == message.value
            and dict(last.headers).get("ce_id") == dict(message.headers).get("ce_id")
        )

    def _put(self, topic: Topic, message: Received, consumer_name: str) -> None:
        headers = list(message.headers)
        if not topic.compacted:
            headers.append((REDRIVEN_FOR, consumer_name.encode()))
        self._produce(topic.name, message.key, message.value, headers)

    def _mark(self, letter: Letter) -> None:
        mark = {
            _MARK: f"{letter.dead_partition}/{letter.dead_offset}",
            f"{FAILURE_PREFIX}consumer": letter.consumer,
            f"{FAILURE_PREFIX}time": datetime.now(UTC).isoformat(),
        }
        headers = [(name, text.encode()) for name, text in mark.items()]
        try:
            self._produce(dead_letter_topic(letter.service), letter.key, None, headers)
        except KafkaException as error:
            raise _failed(f"{letter.id} was put back, but could not be marked", error) from error

    def _produce(self, topic: str, key: bytes | None, value: bytes | None, headers: list[Header]) -> None:
        """Returns once it is acknowledged; raises KafkaException."""
        if self._producer is None:
            overrides = {"message.max.bytes": DEAD_LETTER_BYTES, "linger.ms": 0}
            self._producer = producer(self._kafka, client_id=_CLIENT, **overrides)
        produce_one(self._producer, topic, key, value, headers)

    def _read(self, *topics: str) -> Iterator[Received]:
        """Everything on these topics; nothing of one that does not exist."""
        places: list[TopicPartition] = []
        for topic in topics:
            try:
                metadata = self._consumer.list_topics(topic, _METADATA_SECONDS).topics[topic]
                if metadata.error is None:
                    places += [TopicPartition(topic, number, 0) for number in metadata.partitions]
                elif metadata.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaException(metadata.error)
            except KafkaException as error:
                raise _failed(f"{topic} cannot be read", error) from error
        yield from self._from(*places)

    def _from(self, *places: TopicPartition) -> Iterator[Received]:
        """What stands from there to the present ends of these partitions."""
        self._consumer.assign(list(places))
        unread = {(place.topic, place.partition) for place in places}
        heard = time.monotonic()
        while unread:
            for message in waiting(self._consumer, _BATCH, _POLL_SECONDS):
                error = message.error()
                if error is None:
                    heard = time.monotonic()
                    yield received(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    heard = time.monotonic()
                    unread.discard((message.topic() or "", message.partition() or 0))
                elif error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise _failed(f"{message.topic()} cannot be read", KafkaException(error))
            if unread and time.monotonic() - heard > _SECONDS:
                names = ", ".join(sorted({topic for topic, _number in unread}))
                raise RedriveError(f"Kafka has sent nothing of {names} for {_SECONDS:.0f} s; is it away?")


def _letter(service: str, message: Received) -> Letter:
    headers = dict(message.headers)
    return Letter(
        service=service,
        dead_partition=message.partition,
        dead_offset=message.offset,
        consumer=_text(headers, "consumer"),
        topic=_text(headers, "topic"),
        partition=_number(_text(headers, "partition")),
        offset=_number(_text(headers, "offset")),
        failure=_text(headers, "error"),
        time=_text(headers, "time"),
        key=message.key,
        size=len(message.value or b""),
        headers=tuple(own_headers(message)),
    )


def _text(headers: dict[str, bytes], name: str) -> str:
    return headers.get(FAILURE_PREFIX + name, b"").decode("utf-8", "backslashreplace")


def _place(mark: bytes) -> tuple[int, int]:
    partition, _, offset = mark.decode("utf-8", "replace").partition("/")
    return _number(partition), _number(offset)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _failed(what: str, error: KafkaException) -> RedriveError:
    reason = error.args[0].str() if error.args else "no reason given"
    return RedriveError(f"{what}: {reason.rstrip('.')}.")
