"""Puts events into effect, each once: what servicekit.consumer does with what it has read from Kafka.

In one transaction: insert into the inbox, ask whether the tenant still counts, call the handler. What is about a
tenant that is being deleted, or was, has no effect: nothing is written again behind an erasure. A message that
cannot be read, whose handler raises PermanentError, or whose values no table takes, goes to `<service>.dlq.v1` with
its original bytes; one that comes back from there for another consumer is passed over.

Most of what an event costs is its transaction. So a consumer may let several events of one tenant share one; when
that fails, whatever the reason, each of them is put into effect by itself.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from opentelemetry.trace import SpanKind

from contracts.envelope import Envelope, MalformedEventError, parse_headers
from contracts.model import Event
from contracts.registry import is_known
from servicekit.db import Connection, Database, constraint_of
from servicekit.dead_letters import DeadLetters, for_another
from servicekit.errors import PermanentError
from servicekit.faults import reached
from servicekit.kafka import Received
from servicekit.metrics import EVENTS_HANDLED
from servicekit.tenants import takes_events
from servicekit.tracing import messaging, span_from

log = structlog.get_logger(__name__)

Handler = Callable[[Connection, Event, Envelope], Awaitable[None]]
TombstoneHandler = Callable[[Connection, UUID, str], Awaitable[None]]
"""Called with the tenant and what follows it in the key, for a record whose value is null."""

_OUTCOMES = ("handled", "duplicate", "skipped", "gone", "dead")
_VALUE_FAULTS = (psycopg.DataError, psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)
"""What PostgreSQL says of values that it will not take tomorrow either: a NUL in a text, a number too large."""
_INBOX = b"""
INSERT INTO inbox (consumer, event_id) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING RETURNING event_id
"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message, and what its headers say or what is wrong with them."""

    message: Received
    envelope: Envelope | None = None
    fault: MalformedEventError | None = None
    for_others: bool = False
    """It was put back for another consumer, or is of a type that this one has no handler for."""

    @property
    def tenant_id(self) -> UUID | None:
        return None if self.envelope is None else self.envelope.tenant_id

    @property
    def usual(self) -> bool:
        """A tenant's event for this consumer, as far as its headers tell."""
        told = self.envelope is not None and self.envelope.data is not None
        return told and self.tenant_id is not None and not self.for_others

    def event(self) -> Event | None:
        """What it tells, None for a tombstone. Raises MalformedEventError."""
        if self.fault is not None:
            raise self.fault
        return None if self.envelope is None or self.envelope.data is None else self.envelope.event()


Run = Sequence[tuple[Incoming, Event | None]]
"""Messages with what they tell, which share a transaction."""


class Effects:
    """One consumer's; see servicekit.consumer.EventConsumer for what it is given."""

    def __init__(
        self,
        consumer: str,
        db: Database,
        handlers: Mapping[type[Event], Handler],
        dead_letters: DeadLetters,
        *,
        on_tombstone: TombstoneHandler | None,
        on_committed: Callable[[Event], None] | None,
        across_tenants: bool,
        at_once: int,
    ) -> None:
        self._consumer = consumer
        self._db = db
        self._handlers = {event.TYPE: handler for event, handler in handlers.items()}
        self._dead_letters = dead_letters
        self._on_tombstone = on_tombstone
        self._on_committed = on_committed
        self._across_tenants = across_tenants
        self._at_once = at_once

    def count_from_zero(self) -> None:
        """The first of a kind would else be no increase."""
        for outcome in _OUTCOMES:
            EVENTS_HANDLED.labels(self._consumer, outcome)

    def read(self, message: Received) -> Incoming:
        """What the message is, as far as its headers tell."""
        if for_another(message, self._consumer):
            return Incoming(message, for_others=True)
        try:
            envelope = parse_headers(message.headers, message.value)
        except MalformedEventError as error:
            return Incoming(message, fault=error)
        for_others = (
            envelope.data is not None and envelope.type not in self._handlers and is_known(envelope.type)
        )
        return Incoming(message, envelope, for_others=for_others)

    def groups(self, batch: Sequence[Incoming]) -> Iterator[list[Incoming]]:
        """What may be put into effect together, in an order that keeps each key's.

        Every one by itself when there is anything unusual among them, as others of its key must not pass it.
        """
        if self._at_once == 1 or self._across_tenants or not all(item.usual for item in batch):
            yield from ([item] for item in batch)
            return
        tenants = defaultdict[UUID | None, list[Incoming]](list)
        for item in batch:
            tenants[item.tenant_id].append(item)
        for items in tenants.values():
            for first in range(0, len(items), self._at_once):
                yield items[first : first + self._at_once]

    @contextmanager
    def about(self, item: Incoming) -> Iterator[None]:
        """Binds the event's tenant and trace to what is logged inside; an event for others is in no trace."""
        if item.envelope is None or item.for_others:
            yield
            return
        tenant = {"tenant_id": str(item.tenant_id)} if item.tenant_id else {}
        topic = item.message.topic
        with (
            structlog.contextvars.bound_contextvars(**tenant),
            span_from(
                item.envelope.traceparent,
                f"process {topic}",
                SpanKind.CONSUMER,
                messaging(topic, "process") | {"cloudevents.event_type": item.envelope.type},
            ),
        ):
            yield

    async def put(self, item: Incoming) -> None:
        """Puts one into effect, or away; raises whatever may be over when it is tried again."""
        if item.for_others:
            EVENTS_HANDLED.labels(self._consumer, "skipped").inc()
            return
        try:
            run = [(item, item.event())]
            try:
                outcomes = await self._transact(run)
            except _VALUE_FAULTS as error:
                # Not the words of the database: they quote the values, and those may be a person's.
                what = constraint_of(error) or type(error).__name__
                raise PermanentError(f"no table takes its values: {what}") from error
        except (MalformedEventError, PermanentError) as error:
            await self._dead_letters.put(item.message, error)
            EVENTS_HANDLED.labels(self._consumer, "dead").inc()
            log.error(
                "event went to the dead letters",
                consumer=self._consumer,
                topic=item.message.topic,
                partition=item.message.partition,
                offset=item.message.offset,
                error=str(error),
            )
        else:
            self._tell(run, outcomes)

    async def put_together(self, group: Sequence[Incoming]) -> bool:
        """Puts all of a group into effect, or none; then it answers False, and each is to be `put`."""
        try:
            run = [(item, item.event()) for item in group]
            outcomes = await self._transact(run)
        except Exception as error:  # noqa: BLE001 - `put` tells which of them it is about, and how bad it is
            name = type(error).__name__
            log.info("events are tried one by one", consumer=self._consumer, events=len(group), error=name)
            return False
        self._tell(run, outcomes)
        return True

    async def _transact(self, run: Run) -> list[str]:
        """What became of each, in its order. All of a run are of one tenant; several are in a pipeline."""
        together = len(run) > 1
        envelopes = [item.envelope for item, _event in run if item.envelope is not None]
        tenant_id = None if self._across_tenants else envelopes[0].tenant_id
        scope = self._db.tenant(tenant_id, pipelined=together) if tenant_id else self._db.worker()
        async with scope as conn:
            ids = [envelope.id for envelope in envelopes]
            added = await conn.execute(_INBOX, (self._consumer, ids))
            new = {row["event_id"] for row in await added.fetchall()}
            if not new:
                return ["duplicate"] * len(run)
            if tenant_id is not None and not await takes_events(conn, tenant_id):
                return ["gone"] * len(run)
            outcomes = []
            for (item, event), envelope in zip(run, envelopes, strict=True):
                if envelope.id not in new:
                    outcomes.append("duplicate")
                    continue
                new.remove(envelope.id)
                with self.about(item) if together else nullcontext():
                    await self._effect(conn, item.message, envelope, event)
                outcomes.append("handled")
            reached("consumer.effect")
        reached("consumer.committed")
        return outcomes

    async def _effect(
        self, conn: Connection, message: Received, envelope: Envelope, event: Event | None
    ) -> None:
        if event is not None:
            await self._handlers[envelope.type](conn, event, envelope)
        elif self._on_tombstone is not None:
            await self._on_tombstone(conn, *_buried(message, envelope))

    def _tell(self, run: Run, outcomes: Sequence[str]) -> None:
        for (_item, event), outcome in zip(run, outcomes, strict=True):
            EVENTS_HANDLED.labels(self._consumer, outcome).inc()
            if outcome == "handled" and event is not None and self._on_committed is not None:
                self._on_committed(event)


def _buried(message: Received, envelope: Envelope) -> tuple[UUID, str]:
    """Tenant and aggregate of a tombstone's key; one whose key and headers differ is nobody's."""
    tenant, _, aggregate = (message.key or b"").decode("utf-8", "replace").partition("/")
    if envelope.tenant_id is None or tenant != str(envelope.tenant_id):
        raise PermanentError("a tombstone's key must begin with its tenant")
    return envelope.tenant_id, aggregate
