"""Stands for the seven components in `bench/tenants.py`: answers for every record, with billing's calls to Stripe.

A process of its own, as in a cluster. The services' own work (rows, mails) is left out: the operator is measured.
Settings: KAFKA_* and STRIPE_* as billing has them.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import Message, Producer

from billing.errors import StripeUnavailable
from billing.settings import BillingSettings
from billing.stripe_api import StripeApi
from contracts.envelope import Envelope, parse_headers
from contracts.model import record_key
from contracts.platform import (
    BillingDetails,
    Component,
    ComponentState,
    PlanSnapshot,
    StatusDetails,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from servicekit.ids import new_id
from servicekit.kafka import consumer, producer, received
from servicekit.settings import KafkaSettings

CONCURRENCY = 64
_PAUSE = 0.5
"""Seconds before a call that Stripe did not answer is made again; billing's first pause."""


class Stripe:
    """Billing's calls for a new tenant: the plan's price once, then a customer and a subscription each."""

    def __init__(self) -> None:
        self._api = StripeApi(BillingSettings())
        self._prices: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def link(self, tenant_id: UUID, plan: PlanSnapshot) -> BillingDetails:
        """Tries again for as long as Stripe does not answer, as billing does."""
        while True:
            try:
                return await self._link(tenant_id, plan)
            except StripeUnavailable:
                await asyncio.sleep(_PAUSE)

    async def _link(self, tenant_id: UUID, plan: PlanSnapshot) -> BillingDetails:
        async with self._lock:
            if plan.name not in self._prices:
                _, self._prices[plan.name] = await self._api.product_and_price(plan)
        price = self._prices[plan.name]
        customer = await self._api.customer_for(tenant_id, 1)
        await self._api.subscribe(tenant_id, customer, price, plan.name, 14, 1, 1)
        return BillingDetails(customer_id=customer, state="trialing", price_id=price)


def answers(record: TenantChanged, billing: BillingDetails) -> list[tuple[str, Envelope]]:
    """What all components say to a record, with the keys."""
    details = {
        Component.AUTH: StatusDetails(owner_invited=True),
        Component.BILLING: StatusDetails(billing=billing),
    }
    going = record.state is TenantState.DELETING
    found = []
    for component in Component:
        status = TenantStatusReported(
            tenant_id=record.tenant_id,
            component=component,
            generation=record.generation,
            state=ComponentState.DELETED if going else ComponentState.READY,
            reason="Archived" if going else "Provisioned",
            message=f"{component.value} is done.",
            details=details.get(component, StatusDetails()),
        )
        envelope = Envelope(
            id=str(new_id()),
            source=f"/slotwright/{component.value}",
            type=status.TYPE,
            time=datetime.now(UTC),
            subject=status.key,
            tenant_id=record.tenant_id,
            data=status.model_dump_json().encode(),
        )
        found.append((record_key(record.tenant_id, component.value), envelope))
    return found


def send(sender: Producer, topic: str, key: str, envelope: Envelope) -> None:
    headers: list[tuple[str, str | bytes | None]] = [
        (name, value.encode()) for name, value in envelope.headers().items()
    ]
    sender.produce(topic, key=key, value=envelope.data, headers=headers)


class Components:
    def __init__(self, kafka: KafkaSettings) -> None:
        self._sender = producer(kafka, client_id="bench.components")
        self._stripe = Stripe()
        self._linked: dict[UUID, asyncio.Task[BillingDetails]] = {}
        self._room = asyncio.Semaphore(CONCURRENCY)

    async def answer(self, message: Message) -> None:
        read = received(message)
        if read.value is None:
            return
        record = parse_headers(read.headers, read.value).event()
        assert isinstance(record, TenantChanged)
        async with self._room:
            link = self._linked.get(record.tenant_id)
            if link is None:
                link = asyncio.create_task(self._stripe.link(record.tenant_id, record.plan))
                self._linked[record.tenant_id] = link
            billing = await link
        for key, envelope in answers(record, billing):
            send(self._sender, TenantStatusReported.TOPIC, key, envelope)
        self._sender.poll(0)


async def main() -> None:
    kafka = KafkaSettings()
    client = consumer(kafka, group="bench.components", client_id="bench.components")
    client.subscribe([TenantChanged.TOPIC])
    components = Components(kafka)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        while True:
            batch: Sequence[Message] = await asyncio.to_thread(client.consume, 500, 0.05)
            for message in batch:
                if message.error() is None:
                    group.create_task(components.answer(message))


if __name__ == "__main__":
    asyncio.run(main())
