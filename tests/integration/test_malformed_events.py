"""What a consumer cannot read goes to its service's dead letters, and what comes behind it takes effect.

Every consumer of every service, as its `app` wires it, on a real Kafka and PostgreSQL. That a good event has the
right effect is told by the service's own tests; here it is in the inbox, which is written with the effect.
"""

import asyncio
import importlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import Component, TenantChanged
from contracts.topics import dead_letter_topic
from servicekit.clock import utc_now
from servicekit.consumer import EventConsumer
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.runtime import Parts
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.samples import event_of
from support.tenants import new_tenant

Headers = dict[str, bytes]
Wire = tuple[Headers, bytes | None]


def _without(name: str) -> Callable[[Headers, bytes], Wire]:
    return lambda headers, value: ({key: text for key, text in headers.items() if key != name}, value)


def _with(name: str, text: bytes) -> Callable[[Headers, bytes], Wire]:
    return lambda headers, value: (headers | {name: text}, value)


def _saying(value: bytes) -> Callable[[Headers, bytes], Wire]:
    return lambda headers, _value: (headers, value)


def _fields(change: Callable[[str, Any], Any]) -> Callable[[Headers, bytes], Wire]:
    def changed(headers: Headers, value: bytes) -> Wire:
        fields = {name: change(name, given) for name, given in json.loads(value).items()}
        return headers, json.dumps(fields).encode()

    return changed


def _late(_name: str, given: Any) -> Any:
    return "9999-12-31T23:59:59-14:00" if str(given).startswith("2026-03-29T") else given


def _nul(name: str, given: Any) -> Any:
    return f"{given}\0" if given == "riverside" or name == "display_name" else given


UNREADABLE: dict[str, Callable[[Headers, bytes], Wire]] = {
    "broken JSON": lambda headers, value: (headers, value[:-1]),
    "no bytes": _saying(b""),
    "no text": _saying(b"\xff\xfe"),
    "a list": _saying(b"[]"),
    "no fields": _saying(b"{}"),
    "deep nesting": _saying(b"[" * 100_000),
    "no id": _without("ce_id"),
    "no type": _without("ce_type"),
    "no source": _without("ce_source"),
    "no version of CloudEvents": _without("ce_specversion"),
    "another version of CloudEvents": _with("ce_specversion", b"0.3"),
    "no headers": lambda _headers, value: ({}, value),
    "a header that is no text": _with("ce_subject", b"\xff"),
    "an id longer than any": _with("ce_id", b"x" * 5000),
    "a time that is none": _with("ce_time", b"yesterday"),
    "another tenant": _with("ce_tenantid", str(new_id()).encode()),
    "no tenant": _without("ce_tenantid"),
    "a tenant that is no id": _with("ce_tenantid", b"riverside"),
    "a wrong type": _fields(lambda name, given: {"x": 1} if name == "tenant_id" else given),
}
"""Nobody can read these."""

DOUBTFUL: dict[str, Callable[[Headers, bytes], Wire]] = {
    "a time beyond the calendar": _fields(_late),
    "a text that no table takes": _fields(_nul),
    "a tombstone": lambda headers, _value: (headers, None),
    "a tombstone of another tenant": lambda headers, _value: (
        headers | {"ce_tenantid": str(new_id()).encode()},
        None,
    ),
}
"""Whether these can be read depends on what the consumer needs of them."""


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """What nobody can read should not lie about where other tests read whole topics."""
    return own_broker


@pytest.mark.slow
@pytest.mark.parametrize("service", [component.value for component in Component])
async def test_what_cannot_be_read_holds_nobody_up(
    service: str,
    service_database: Callable[[str], ServiceDatabase],
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slow where a service has several consumers: each group has to form, and is given every fault."""
    topics = Topics(broker.super_user())
    database = service_database(service)
    async with consuming(service, database, broker, monkeypatch) as consumers:
        good = [(item, event) for item in consumers for event in events_for(item)]
        written = {event.key: await asyncio.to_thread(write, topics, event) for _item, event in good}
        for consumer, event in good:
            last = written[event.key]["good"]
            await handled(database, consumer.name, last, f"{consumer.name} handles {event.TYPE}")
        inbox = rows(database)
    letters = await asyncio.to_thread(topics.messages, dead_letter_topic(service))
    for consumer, event in good:
        dead = {
            dict(letter.headers)["x-fault"].decode()
            for letter in letters
            if letter.key == event.key.encode()
            and dict(letter.headers)["dl_consumer"] == consumer.name.encode()
        }
        assert dead - DOUBTFUL.keys() == UNREADABLE.keys(), f"{consumer.name} {event.TYPE}"
        for fault in DOUBTFUL:
            handled_it = (consumer.name, written[event.key][fault]) in inbox
            assert handled_it != (fault in dead), f"{consumer.name} {event.TYPE}: {fault}"
        assert (consumer.name, written[event.key]["another version"]) not in inbox


async def test_a_message_as_large_as_kafka_takes_fits_into_the_dead_letters(
    service_database: Callable[[str], ServiceDatabase], broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(broker.super_user() | {"message.max.bytes": "1100000"})
    database = service_database("scheduler")
    value = secrets.token_bytes(524_000).hex().encode()
    async with consuming("scheduler", database, broker, monkeypatch) as consumers:
        consumer = next(item for item in consumers if item.name == "scheduler.timers")
        (event,) = events_for(consumer)
        await asyncio.to_thread(topics.put, event.TOPIC, event.key, value, {})
        last = await asyncio.to_thread(topics.publish, event)
        await handled(database, consumer.name, last, "the event behind the large one is handled")
    letters = await asyncio.to_thread(topics.messages, dead_letter_topic("scheduler"))
    assert value in [letter.value for letter in letters]


@asynccontextmanager
async def consuming(
    service: str, database: ServiceDatabase, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[EventConsumer]]:
    """The service's consumers, running; they begin behind what the tests before have written."""
    prefix = f"w{new_id().hex[-8:]}."
    env = broker.service_env(service) | {
        "DATABASE_URL": database.settings.database_url.get_secret_value(),
        "KAFKA_GROUP_PREFIX": prefix,
        "LINK_KEY": "k" * 40,
        "ENCRYPTION_KEY": "A" * 43,
    }
    for name, text in env.items():
        monkeypatch.setenv(f"SLOTWRIGHT_{name}", text)
    wiring = importlib.import_module(f"{service}.app").SERVICE
    parts: Parts = wiring.build(wiring.settings())
    consumers = [loop for loop in parts.consumers if isinstance(loop, EventConsumer)]
    assert consumers
    topics = Topics(broker.super_user())
    for item in consumers:
        for topic in item.topics:
            await asyncio.to_thread(topics.pass_over, prefix + item.name, topic)
    stop = asyncio.Event()
    assert parts.database is not None
    await parts.database.open()
    async with asyncio.TaskGroup() as running:
        for item in consumers:
            running.create_task(item.run(stop, Heartbeat(item.name, limit=60)))
        try:
            yield consumers
        finally:
            stop.set()
    await parts.database.close()


def events_for(consumer: EventConsumer) -> list[Event]:
    """A good event, of a tenant of its own, from each topic that the consumer reads."""
    firsts = {event.TOPIC: event for event in reversed(consumer.events)}
    assert firsts.keys() == set(consumer.topics)
    return [
        new_tenant() if model is TenantChanged else event_of(model, tenant_id=new_id())
        for model in firsts.values()
    ]


def write(topics: Topics, event: Event) -> dict[str, str]:
    """The event with every fault, then in another version, then as it is; all under one key, so in this order.

    Answers their ids by fault.
    """
    ids: dict[str, str] = {}
    for fault, change in (UNREADABLE | DOUBTFUL).items():
        ids[fault] = str(new_id())
        headers, value = change(headers_of(event, ids[fault]), event.model_dump_json().encode())
        topics.put(event.TOPIC, event.key, value, headers | {"x-fault": fault.encode()})
    ids["another version"] = str(new_id())
    newer = headers_of(event, ids["another version"]) | {"ce_type": event.TYPE[:-1].encode() + b"9"}
    topics.put(event.TOPIC, event.key, b'{"from": "the future"}', newer)
    ids["good"] = topics.publish(event)
    return ids


def headers_of(event: Event, event_id: str) -> Headers:
    tenant_id: UUID | None = getattr(event, "tenant_id", None)
    envelope = Envelope(
        event_id, "/slotwright/test", event.TYPE, utc_now(), event.key, tenant_id, data=b"", traceparent="zz"
    )
    return {name: text.encode() for name, text in envelope.headers().items()}


async def handled(database: ServiceDatabase, consumer: str, event_id: str, what: str) -> None:
    await asyncio.to_thread(until, lambda: (consumer, event_id) in rows(database), what, seconds=60)


def rows(database: ServiceDatabase) -> set[tuple[str, str]]:
    """What the service's consumers have put into effect."""
    with psycopg.connect(database.admin_url) as conn:
        return {(name, key) for name, key in conn.execute(b"SELECT consumer, event_id FROM inbox").fetchall()}
