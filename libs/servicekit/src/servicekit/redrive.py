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
  the topic. What is put back are the topic's own bytes; the letter has none. Nothing that was erased comes back. A
  record that its publisher writes in that very moment may still be overtaken; its next one mends that.
- Order is not kept: the letter comes behind what was written under its key since. Consumers that mind compare times
  or generations, which they have to do in any case.
- It is put back only to topics that the consumer's service reads. Whoever may write to a service's dead letters
  could still have the operator's user write to those: a letter is worth a look before it is put back.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from contracts.envelope import MalformedEventError, parse_headers
from contracts.platform import TenantChanged
from contracts.topics import DEAD_LETTER_BYTES, DEAD_LETTERS, TOPICS, Topic, dead_letter_topic
from servicekit.dead_letters import (
    FAILURE_PREFIX,
    REDRIVEN_FOR,
    SIZE,
    TOPIC,
    TOPIC_WITH_BYTES,
    own_headers,
    produce_one,
)
from servicekit.errors import SlotwrightError
from servicekit.kafka import Received, consumer, poll_batch, producer, received
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


class Place(NamedTuple):
    """Where a letter lies among its service's dead letters. Small, as there may be very many."""

    service: str
    partition: int
    offset: int

    @property
    def id(self) -> str:
        """`<service>/<partition>/<offset>`."""
        return f"{self.service}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, without its bytes (see `DeadLetterBox.message`).

    `headers` are the message's own; `topic`, `partition`, `offset` say where it was read, and `time` when it
    failed. `size` is the message's, in bytes, None for a tombstone. `redriven` is the time of its mark. What a
    header does not say is empty, or -1.
    """

    place: Place
    consumer: str
    topic: str
    partition: int
    offset: int
    failure: str
    time: str
    key: bytes | None
    size: int | None
    headers: tuple[Header, ...]
    redriven: str | None = None

    @property
    def id(self) -> str:
        return self.place.id

    @property
    def error(self) -> str:
        """The failure's kind alone: its words may quote what a person has written."""
        return self.failure.partition(":")[0]

    def header(self, name: str) -> str:
        """The text of one of its own headers."""
        return _header(dict(self.headers), name)

    @property
    def event_id(self) -> str:
        return self.header("ce_id")

    @property
    def tenant_id(self) -> str:
        return self.header("ce_tenantid")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter, and why: `redriven`, `superseded` or `refused`, or `would` of a dry run.

    `letter` is None when it has gone.
    """

    place: Place
    result: str
    reason: str
    letter: Letter | None = None


class DeadLetterBox:
    """The dead letters of all services. Every method blocks, and raises RedriveError; `close` at the end."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Producer | None = None
        # In no group: librdkafka only asks for a name, and nothing is committed. An end is told at once: a person
        # waits.
        own = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
        self._consumer = consumer(kafka, group=_CLIENT, client_id=_CLIENT, **own)

    def close(self) -> None:
        self._consumer.close()

    def letters(
        self, services: Iterable[str] = SERVICES, matches: Callable[[Letter], bool] = lambda _letter: True
    ) -> Iterator[Letter]:
        """All that match, service by service in the order of their failing; read to the topics' present ends.

        Only the marks are kept in memory, not the letters. The box cannot read anything else until the end.
        """
        for service in services:
            partitions = self._partitions(dead_letter_topic(service))
            marks = self._marks(service, partitions)
            for partition in partitions:
                for message in self._from(partition):
                    place = Place(service, message.partition, message.offset)
                    if _MARK in dict(message.headers):
                        continue
                    if matches(letter := _letter(place, message, marks.get(place))):
                        yield letter

    def named(self, ids: Iterable[str]) -> list[Letter]:
        """The letters of these ids, each once."""
        wanted = dict.fromkeys(ids)
        services = {name.partition("/")[0] for name in wanted}
        found = {
            letter.id: letter
            for letter in self.letters(
                (each for each in SERVICES if each in services), lambda letter: letter.id in wanted
            )
        }
        for name in wanted:
            if name not in found:
                raise RedriveError(f"There is no dead letter {name}; they are kept for four weeks.")
        return [found[name] for name in wanted]

    def message(self, letter: Letter) -> Received | None:
        """The message as it was, where it was: its own headers, key and bytes.

        None where a compacted topic has a newer record of its key, or none any more.
        """
        dead = self._dead(letter.place)
        if dead is None:
            raise RedriveError(f"The dead letter {letter.id} has gone from its topic.")
        return self._as_it_was(letter, dead)

    def redrive(self, place: Place, *, dry_run: bool = False) -> Outcome:
        """Puts one back that has not been, unless it should not be; see the module's guarantees.

        A dry run asks all that, and puts nothing back.
        """
        dead = self._dead(place)
        if dead is None:
            return Outcome(place, "refused", "It has gone from its topic in the meantime.")
        letter = _letter(place, dead)
        topic = _TOPICS.get(letter.topic)
        if topic is None or place.service not in topic.readers:
            reason = f"{place.service} does not read {letter.topic or 'any topic'}."
            return Outcome(place, "refused", reason, letter)
        message = self._as_it_was(letter, dead)
        if message is None:
            reason = "The topic has a newer record of its key, or none any more."
            return Outcome(place, "superseded", reason, letter)
        if dry_run:
            return Outcome(place, "would", f"It would be put back to {topic.name}.", letter)
        try:
            self._put(topic, message, letter.consumer)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise _failed(f"{topic.name} did not take {place.id}", error) from error
            return Outcome(place, "refused", f"{topic.name} takes no message of this size.", letter)
        self._mark(letter)
        return Outcome(place, "redriven", f"It is on {topic.name} again.", letter)

    def tenants(self) -> dict[UUID, str]:
        """Id to slug of every tenant that has a record; one that nobody can read is left out."""
        found: dict[UUID, str] = {}
        for message in self._from(*self._partitions(TenantChanged.TOPIC)):
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

    def _marks(self, service: str, partitions: Sequence[TopicPartition]) -> dict[Place, str]:
        """When letters of a service were put back, by their places."""
        found: dict[Place, str] = {}
        for message in self._from(*partitions):
            headers = dict(message.headers)
            if _MARK in headers:
                found[Place(service, *_numbers(headers[_MARK]))] = _text(headers, "time")
        return found

    def _dead(self, place: Place) -> Received | None:
        """The letter as it lies there; None once it has gone."""
        start = TopicPartition(dead_letter_topic(place.service), place.partition, place.offset)
        found = next(self._from(start), None)
        return found if found is not None and found.offset == place.offset else None

    def _as_it_was(self, letter: Letter, dead: Received) -> Received | None:
        """As `message`, for a letter that was read as `dead`."""
        own = Received(
            letter.topic, letter.partition, letter.offset, dead.key, dead.value, list(letter.headers)
        )
        topic = _TOPICS.get(letter.topic)
        if topic is None or not topic.compacted:
            return own
        last = self._last(letter)
        if last is None:
            # Compaction removes a tombstone after a while; putting it back again brings back nothing.
            return own if letter.size is None else None
        last_id = _header(dict(last.headers), "ce_id")
        # A copy of itself is there when it was put back for another consumer.
        same = last.offset == letter.offset or (last_id and last_id == letter.event_id)
        return last if same else None

    def _last(self, letter: Letter) -> Received | None:
        """The last record of the letter's key on its topic, from the letter's own place on."""
        last: Received | None = None
        for found in self._from(TopicPartition(letter.topic, letter.partition, letter.offset)):
            if found.key == letter.key:
                last = found
        return last

    def _put(self, topic: Topic, message: Received, consumer_name: str) -> None:
        headers = list(message.headers)
        if not topic.compacted:
            headers.append((REDRIVEN_FOR, consumer_name.encode()))
        self._produce(topic.name, message.key, message.value, headers)

    def _mark(self, letter: Letter) -> None:
        mark = {
            _MARK: f"{letter.place.partition}/{letter.place.offset}",
            f"{FAILURE_PREFIX}consumer": letter.consumer,
            f"{FAILURE_PREFIX}time": datetime.now(UTC).isoformat(),
        }
        headers = [(name, text.encode()) for name, text in mark.items()]
        try:
            self._produce(dead_letter_topic(letter.place.service), letter.key, None, headers)
        except KafkaException as error:
            raise _failed(f"{letter.id} was put back, but could not be marked", error) from error

    def _produce(self, topic: str, key: bytes | None, value: bytes | None, headers: list[Header]) -> None:
        """Returns once it is acknowledged; raises KafkaException."""
        if self._producer is None:
            overrides = {"message.max.bytes": DEAD_LETTER_BYTES, "linger.ms": 0}
            self._producer = producer(self._kafka, client_id=_CLIENT, **overrides)
        produce_one(self._producer, topic, key, value, headers)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        """A topic's partitions from their beginnings; none of one that does not exist."""
        try:
            metadata = self._consumer.list_topics(topic, _METADATA_SECONDS).topics[topic]
            if metadata.error is None:
                return [TopicPartition(topic, number, 0) for number in sorted(metadata.partitions)]
            if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return []
            raise KafkaException(metadata.error)
        except KafkaException as error:
            raise _failed(f"{topic} cannot be read", error) from error

    def _from(self, *starts: TopicPartition) -> Iterator[Received]:
        """The messages from these offsets to the present ends of their partitions."""
        self._consumer.assign(list(starts))
        unread = {(start.topic, start.partition) for start in starts}
        heard = time.monotonic()
        while unread:
            for message in poll_batch(self._consumer, _BATCH, _POLL_SECONDS):
                error = message.error()
                if error is None:
                    yield received(message)
                    heard = time.monotonic()
                elif error.code() == KafkaError._PARTITION_EOF:
                    heard = time.monotonic()
                    unread.discard((message.topic() or "", message.partition() or 0))
                elif error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise _failed(f"{message.topic()} cannot be read", KafkaException(error))
            if unread and time.monotonic() - heard > _SECONDS:
                names = ", ".join(sorted({topic for topic, _number in unread}))
                raise RedriveError(f"Kafka has sent nothing of {names} for {_SECONDS:.0f} s; is it away?")


def _letter(place: Place, message: Received, redriven: str | None = None) -> Letter:
    headers = dict(message.headers)
    size = None if message.value is None else len(message.value)
    return Letter(
        place=place,
        consumer=_text(headers, "consumer"),
        topic=_header(headers, TOPIC) or _header(headers, TOPIC_WITH_BYTES),
        partition=_number(_text(headers, "partition")),
        offset=_number(_text(headers, "offset")),
        failure=_text(headers, "error"),
        time=_text(headers, "time"),
        key=message.key,
        size=_number(_header(headers, SIZE)) if TOPIC_WITH_BYTES in headers else size,
        headers=tuple(own_headers(message)),
        redriven=redriven,
    )


def _text(headers: Mapping[str, bytes], name: str) -> str:
    return _header(headers, FAILURE_PREFIX + name)


def _header(headers: Mapping[str, bytes], name: str) -> str:
    """Its text; a header that is not UTF-8 is shown as far as it can be."""
    return headers.get(name, b"").decode("utf-8", "backslashreplace")


def _numbers(mark: bytes) -> tuple[int, int]:
    partition, _, offset = mark.decode("utf-8", "replace").partition("/")
    return _number(partition), _number(offset)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _failed(what: str, error: KafkaException) -> RedriveError:
    reason = error.args[0].str() if error.args else "no reason given"
    return RedriveError(f"{what}: {reason.rstrip('.')}.")
