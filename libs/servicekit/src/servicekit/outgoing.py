"""Sends a relay's events by its Kafka client, and keeps account: acknowledged, refused, or still in flight.

Used by servicekit.relay. No topic waits for another. An event that is not acknowledged within a second stays in
flight; one that Kafka refuses (its topic is missing, it is too large) is sent again after 60 s or 10 s. Its topic's
later events wait behind it, so that order holds within a key. A client that has given up an event, and reaches no
broker where another does, is not used any more (docs/adr/0029).
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from contracts.topics import TENANT_TOPIC_PREFIX, tenant_topic
from servicekit.kafka import cut_off
from servicekit.metrics import OUTBOX_FAILED, OUTBOX_RELAYED
from servicekit.tracing import message_sent

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 1.0
_SLICE_SECONDS = 0.05
_REFUSED_SECONDS = 10.0
_MISSING_SECONDS = 60.0
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}

Row = Mapping[str, Any]
"""A row of the outbox."""
Send = Callable[[list[Row]], Awaitable[list[int]]]
"""`Outgoing.send`, run in a thread."""


class Outgoing:
    """What one client sends. `send` blocks, and is called by one thread at a time."""

    def __init__(self, make: Callable[[], Producer]) -> None:
        self._make = make
        self._client = make()
        self._in_flight: dict[int, str] = {}
        """Topics by the ids of their rows."""
        self._refused_until: dict[str, float] = {}
        """By topic that refused an event: until when to wait, on the monotonic clock."""
        self._acknowledged: list[int] = []
        self._given_up = threading.Event()
        self.fault: KafkaException | None = None
        """The error after which the client cannot be used any more."""
        self._unheard: tuple[str, KafkaError] | None = None
        """The topic of an event that was given up without an answer, since the last look for a broker."""

    @property
    def in_flight(self) -> bool:
        """Whether events are not acknowledged yet, so that `send` may answer some even without rows."""
        return bool(self._in_flight)

    def paused_topics(self) -> list[str]:
        """The topics with an event in flight or refused, whose later events have to wait for now."""
        now = time.monotonic()
        self._refused_until = {topic: until for topic, until in self._refused_until.items() if until > now}
        return [*{*self._refused_until, *self._in_flight.values()}]

    def send(self, rows: Sequence[Row]) -> list[int]:
        """Sends rows of topics that are not paused; answers the ids acknowledged since the last call."""
        for row in rows:
            self._produce(row)
        self._wait_for({row["id"] for row in rows})
        self._look()
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged

    def give_up(self) -> None:
        """Makes a `send` of another thread end soon; no later one sends anything."""
        self._given_up.set()

    def purge(self) -> None:
        """After `give_up`, once `send` has ended: drops what the client has not sent yet."""
        self._client.purge()
        self._client.flush(_PATIENCE_SECONDS)

    @property
    def _over(self) -> bool:
        return self.fault is not None or self._given_up.is_set()

    def _produce(self, row: Row) -> None:
        headers = dict(row["headers"])
        while not self._over and row["topic"] not in self._refused_until:
            try:
                self._client.produce(
                    row["topic"],
                    key=row["key"],
                    value=row["payload"],
                    headers=headers,
                    on_delivery=self._answered(row),
                )
            except BufferError:  # the client's queue is full: let deliveries drain it
                self._client.poll(_SLICE_SECONDS)
            except KafkaException as error:
                self._refused(row, error.args[0])
                return
            else:
                self._in_flight[row["id"]] = row["topic"]
                return

    def _wait_for(self, ids: set[int]) -> None:
        """In short flushes: a flush ends early only when all that is in flight has been answered for."""
        until = time.monotonic() + _PATIENCE_SECONDS
        self._client.poll(0)
        while not ids.isdisjoint(self._in_flight) and not self._over and time.monotonic() < until:
            self._client.flush(_SLICE_SECONDS)

    def _look(self) -> None:
        if self._unheard is None or self._over:
            return
        (topic, error), self._unheard = self._unheard, None
        if cut_off(self._client, self._make, topic):
            self.fault = KafkaException(error)

    def _answered(self, row: Row) -> Callable[[KafkaError | None, Message], None]:
        def answered(error: KafkaError | None, _message: Message) -> None:
            del self._in_flight[row["id"]]
            if error is not None:
                if not self._given_up.is_set():
                    self._refused(row, error)
                return
            self._acknowledged.append(row["id"])
            OUTBOX_RELAYED.labels(_counted_as(row["topic"])).inc()
            message_sent(row["headers"].get("traceparent"), row["topic"], float(row["age"]))

        return answered

    def _refused(self, row: Row, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.fault = KafkaException(error)
            return
        if error.code() == KafkaError._MSG_TIMED_OUT:
            self._unheard = row["topic"], error
        pause = _MISSING_SECONDS if error.code() in _MISSING else _REFUSED_SECONDS
        self._refused_until[row["topic"]] = time.monotonic() + pause
        OUTBOX_FAILED.inc()
        log.warning(
            "event refused", topic=row["topic"], outbox_id=row["id"], reason=error.str(), retry_in=pause
        )


def _counted_as(topic: str) -> str:
    """The metric's label: one for all tenants' topics, whose number has no bound."""
    return tenant_topic("*") if topic.startswith(TENANT_TOPIC_PREFIX) else topic


@asynccontextmanager
async def sending(outgoing: Outgoing) -> AsyncIterator[Send]:
    """Gives `outgoing.send` in a thread. After the end, also by an error, nothing is sent any more.

    Only then may the relay release its shards: an event that arrived after those of a shard's next holder would
    remain the last record of its key on a compacted topic. What is on the wire already cannot be called back.
    """
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay")
    try:
        yield lambda rows: loop.run_in_executor(thread, outgoing.send, rows)
    finally:
        outgoing.give_up()
        await loop.run_in_executor(thread, outgoing.purge)
        thread.shutdown(wait=False)
