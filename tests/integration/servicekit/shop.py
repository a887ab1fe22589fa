"""Consumers that run in a test, on analytics' database and as its user; the test writes what they read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import TenantChanged
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.settings import KafkaSettings
from support.events import Topics
from support.tenants import new_tenant

TOPIC = TenantChanged.TOPIC
_PARTITIONS = 3


async def nothing(_event: TenantChanged) -> None:
    """What happens while most events are handled."""


class Shop:
    """What the consumers of a test do, written down."""

    def __init__(self, db: Database, kafka: KafkaSettings, topics: Topics) -> None:
        self.db = db
        self.topics = topics
        self.handled: list[str] = []
        self.fails: Callable[[TenantChanged], Exception | None] = lambda _event: None
        self.meanwhile: Callable[[TenantChanged], Awaitable[None]] = nothing
        """Awaited after an event has been written down."""
        self.name = f"t{new_id().hex[-8:]}"
        self.kafka = kafka

    @property
    def group(self) -> str:
        return f"analytics.{self.name}"

    def consumer(self, **settings: SecretStr) -> EventConsumer:
        return EventConsumer(
            "analytics",
            self.name,
            self.db,
            self.kafka.model_copy(update=settings),
            topics=[TOPIC],
            handlers={TenantChanged: self.handle},
            across_tenants=True,
        )

    async def handle(self, _conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, TenantChanged)
        error = self.fails(event)
        if error is not None:
            raise error
        self.handled.append(event.display_name)
        await self.meanwhile(event)

    @asynccontextmanager
    async def running(self, consumer: EventConsumer | None = None) -> AsyncIterator[asyncio.Event]:
        """A consumer until the block ends or the event that it gives is set."""
        one = consumer or self.consumer()
        stop = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(one.run(stop, Heartbeat(one.name, limit=60)))
            try:
                yield stop
            finally:
                stop.set()

    async def until(self, holds: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(60):
                while not holds():  # noqa: ASYNC110 - of several kinds; 20 ms is how often they are looked at
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not seen: {what}; handled {self.handled}")

    def counted(self, outcome: str) -> float | None:
        """Events that ended so; None while there is no such series."""
        labels = {"consumer": self.group, "outcome": outcome}
        return REGISTRY.get_sample_value("slotwright_consumer_events_total", labels)

    def retried(self) -> float | None:
        return REGISTRY.get_sample_value("slotwright_consumer_retries_total", {"consumer": self.group})

    def reads(self) -> float | None:
        return REGISTRY.get_sample_value("slotwright_consumer_reads", {"consumer": self.group})

    def lag(self) -> float | None:
        """Over all partitions; None while nothing is measured."""
        found = [
            REGISTRY.get_sample_value(
                "slotwright_consumer_lag",
                {"consumer": self.group, "topic": TOPIC, "partition": str(number)},
            )
            for number in range(_PARTITIONS)
        ]
        known = [value for value in found if value is not None]
        return sum(known) if known else None


def named(name: str, tenant_id: UUID, generation: int) -> TenantChanged:
    return new_tenant(tenant_id=tenant_id, generation=generation, display_name=name)
