"""Clients that have lost the brokers for good, though there are some, are replaced (docs/adr/0029)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing

import pytest
from confluent_kafka import Consumer, Producer

from contracts.platform import TenantStatusReported
from devstack.kafka import Door
from devstack.processes import free_port
from integration.servicekit.outboxes import Outbox, status
from integration.servicekit.shop import TOPIC, Shop, named
from servicekit import kafka
from servicekit.db import Database
from servicekit.directory import TenantDirectory
from servicekit.ids import new_id
from servicekit.outgoing import Outgoing
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.logs import logs_kept_apart
from support.loops import running
from support.proxy import Proxy
from support.tenants import new_tenant
from support.unlisted import Listing, Unlisted

_CLIENTS = 6
"""Of each kind: whether one loses its brokers for good is a matter of milliseconds."""
_ANSWERS = 200
"""That list no broker, to all clients of a kind."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are taken all the time, and a broker has little time for an answer."""
    for module in ("consumer", "directory"):
        monkeypatch.setattr(f"servicekit.{module}._LOOK_SECONDS", 0)
        monkeypatch.setattr(f"servicekit.{module}._POLL_SECONDS", 0.02)
    for module in ("kafka", "consumer", "directory"):
        monkeypatch.setattr(f"servicekit.{module}.BROKER_SECONDS", 2.0)


@pytest.fixture(scope="module")
def apart() -> Iterator[Broker]:
    """A Kafka with a door for each service at which something may stand."""
    doors = {name: Door(name.upper(), free_port(), free_port()) for name in ("analytics", "gateway")}
    with closing(Broker(doors)) as made:
        yield made


@pytest.mark.slow
async def test_consumers_that_were_told_of_no_broker_read_on(apart: Broker, db: Database) -> None:
    """Takes some seconds: looks in vain, and new members' way into their groups."""
    listing, door = Listing(), apart.doors["analytics"]
    shops = [Shop(db, apart.settings("analytics"), Topics(apart.super_user())) for _ in range(_CLIENTS)]
    for shop in shops:
        shop.topics.pass_over(shop.group, TOPIC)
    with closing(Proxy(door.reached_at, door.port, lambda: Unlisted(listing))), logs_kept_apart():
        async with AsyncExitStack() as stack:
            for shop in shops:
                await stack.enter_async_context(shop.running())
            tenant = new_id()
            shops[0].topics.publish(named("before", tenant, 1))
            await shops[0].until(lambda: all(shop.handled == ["before"] for shop in shops), "they read")
            await asyncio.to_thread(_tell_of_no_broker, listing)
            shops[0].topics.publish(named("after", tenant, 2))
            whole = ["before", "after"]
            await shops[0].until(lambda: all(shop.handled == whole for shop in shops), "they read on")
            await shops[0].until(lambda: all(shop.reads() == 1 for shop in shops), "they say so")


@pytest.mark.slow
async def test_directories_that_were_told_of_no_broker_read_on_from_where_they_were(apart: Broker) -> None:
    """Takes some seconds: looks in vain."""
    listing, door = Listing(), apart.doors["gateway"]
    topics, tenants = Topics(apart.super_user()), (new_tenant(), new_tenant())
    directories = [TenantDirectory("gateway", apart.settings("gateway")) for _ in range(_CLIENTS)]

    def know(number: int) -> bool:
        return all(one.tenants.by_id(tenants[number].tenant_id) and one.complete for one in directories)

    with closing(Proxy(door.reached_at, door.port, lambda: Unlisted(listing))):
        async with running(*directories):
            topics.publish(tenants[0])
            await asyncio.to_thread(until, lambda: know(0), "they read")
            await asyncio.to_thread(_tell_of_no_broker, listing)
            topics.publish(tenants[1])
            await asyncio.to_thread(until, lambda: know(1), "they read on")


async def test_a_consumer_that_finds_no_broker_is_replaced(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Consumer] = []

    def first_astray(settings: KafkaSettings, *, group: str, client_id: str) -> Consumer:
        made.append(kafka.consumer(settings if made else nowhere(), group=group, client_id=client_id))
        return made[-1]

    monkeypatch.setattr("servicekit.consumer.consumer", first_astray)
    shop.topics.publish(named("one", new_id(), 1))
    async with shop.running():
        await shop.until(lambda: "one" in shop.handled, "it reads")
    assert len(made) > 1


@pytest.fixture
async def box(databases: Databases, broker: Broker) -> AsyncIterator[Outbox]:
    database = databases.for_service("booking")
    db = Database(database.settings, application="test")
    await db.open()
    yield Outbox(db, database, broker.settings("booking"))
    await db.close()


async def test_a_relay_whose_client_finds_no_broker_where_another_does_sends_by_that(
    box: Outbox, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Producer] = []

    def first_astray(settings: KafkaSettings, *, client_id: str) -> Producer:
        made.append(kafka.producer(settings, client_id=client_id) if made else impatient())
        return made[-1]

    monkeypatch.setattr("servicekit.relay.producer", first_astray)
    tenant = new_id()
    await box.publish(status(tenant, 1))
    async with box.relayed():
        await box.until(lambda: not box.left(), "it sends")
    told = Topics(broker.super_user()).events(TenantStatusReported.TOPIC, tenant)
    assert [event.generation for event in told if isinstance(event, TenantStatusReported)] == [1]


def test_a_producer_is_kept_while_no_other_reaches_a_broker() -> None:
    """What it had sent could come behind what another sends, once the broker reads both."""
    outgoing = Outgoing(impatient)
    row = {"id": 1, "topic": TOPIC, "key": "k", "payload": b"{}", "headers": {}, "age": 0}
    assert outgoing.send([row]) == []
    until(lambda: outgoing.send([]) == [] and not outgoing.in_flight, "it has given up")
    assert outgoing.paused_topics() == [TOPIC]
    assert outgoing.fault is None


def _tell_of_no_broker(listing: Listing) -> None:
    listing.hidden = True
    wanted = listing.told + _ANSWERS
    until(lambda: listing.told >= wanted, "they are told of no broker")
    listing.hidden = False


def nowhere() -> KafkaSettings:
    return KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", security_protocol="PLAINTEXT")


def impatient() -> Producer:
    """One that finds no broker, and gives up soon."""
    return kafka.producer(nowhere(), client_id="test", **{"message.timeout.ms": 1000})
