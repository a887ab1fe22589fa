"""What Kafka does not take holds up nothing else in the outbox, and what is no longer wanted does not leave it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
import structlog
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import REGISTRY

from contracts.platform import EventStreamSpec, TenantChanged, TenantState, TenantStatusReported
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from devstack.processes import free_port
from integration.servicekit.outboxes import LARGE, Outbox, status
from servicekit import outbox, relay
from servicekit.db import Connection, Database
from servicekit.errors import PayloadTooLarge
from servicekit.kafka import producer
from servicekit.low_watermark import LowWatermark
from servicekit.metrics import OUTBOX_RELAYED
from servicekit.outgoing import Outgoing, sending
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.databases import Databases
from support.events import Topics
from support.tenants import know, new_tenant

Arrived = Callable[[str, TenantChanged], list[int]]
"""Answers the generations told about a tenant on a topic, in order."""
_STATUS = TenantStatusReported.TOPIC


@pytest.fixture
async def box(databases: Databases, broker: Broker) -> AsyncIterator[Outbox]:
    database, kafka = databases.for_service("booking"), broker.settings("booking")
    db = Database(database.settings, application="test")
    await db.open()
    yield Outbox(db, database, kafka)
    await db.close()


class CountedWatermark(LowWatermark):
    """A relay's low watermark, which counts the calls of `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self._done = 0

    async def advance(self, conn: Connection, held: list[int]) -> None:
        await super().advance(conn, held)
        self._done += 1

    async def advanced(self, box: Outbox) -> None:
        wanted = self._done + 3
        await box.until(lambda: self._done >= wanted, "the watermark would have risen")


@pytest.fixture
def watermark(monkeypatch: pytest.MonkeyPatch) -> CountedWatermark:
    made = CountedWatermark()
    monkeypatch.setattr(relay, "LowWatermark", lambda: made)
    return made


@pytest.fixture
def arrived(broker: Broker) -> Arrived:
    topics = Topics(broker.super_user())

    def generations(topic: str, tenant: TenantChanged) -> list[int]:
        events = topics.events(topic, tenant.tenant_id)
        return [event.generation for event in events if isinstance(event, TenantStatusReported)]

    return generations


async def test_a_topic_that_is_not_there_holds_up_no_other_and_gets_its_events_once_it_is(
    box: Outbox, broker: Broker, arrived: Arrived
) -> None:
    """A client waits 30 s for such a topic."""
    tenant = streaming()
    await know(box.db, tenant)
    await box.publish(status(tenant.tenant_id, 1), copy_to=tenant)
    async with box.relayed():
        await box.until(lambda: arrived(_STATUS, tenant), "the first round has begun")
        await box.publish(status(tenant.tenant_id, 2), copy_to=tenant)
        copies = [tenant.event_stream.topic] * 2
        await box.until(lambda: box.left() == copies, "what can be sent is")
        make(broker, tenant.event_stream.topic)
        await box.until(lambda: not box.left(), "the copies are sent", seconds=90)
    assert arrived(_STATUS, tenant) == [1, 2]
    assert arrived(tenant.event_stream.topic, tenant) == [1, 2]


async def test_an_event_that_the_client_will_not_have_holds_up_no_other_and_none_is_sent_twice(
    box: Outbox, arrived: Arrived
) -> None:
    tenant = new_tenant()
    await box.publish(status(tenant.tenant_id, 1))
    await box.publish(status(tenant.tenant_id, 2), bytes_before=1_100_000)
    async with box.relayed():
        await box.until(lambda: box.left() == [LARGE], "all others are sent")
        await box.publish(status(tenant.tenant_id, 3))
        await box.until(lambda: box.left() == [LARGE], "a later one is sent")
    assert arrived(_STATUS, tenant) == [1, 2, 3]


async def test_what_comes_behind_an_event_that_was_refused_waits_for_it(
    box: Outbox, arrived: Arrived
) -> None:
    """In the same batch, too: it would be the last word on its key, and the refused one come behind it."""
    tenant = new_tenant()
    await box.publish(bytes_before=1_100_000)
    await box.publish(bytes_before=2)
    await box.publish(status(tenant.tenant_id, 1))
    async with box.relayed():
        await box.until(lambda: arrived(_STATUS, tenant), "another topic's is sent")
        await box.until(lambda: _STATUS not in box.left(), "and done with")
    assert box.left() == [LARGE, LARGE]


async def test_a_keys_events_are_sent_by_their_ids_wherever_the_database_has_put_them(
    box: Outbox, arrived: Arrived
) -> None:
    """It gives the place of what was deleted to what comes next, and reads from the beginning."""
    tenant = new_tenant()
    await box.publish(status(tenant.tenant_id, 1))
    await box.publish(status(tenant.tenant_id, 2))
    await box.publish_after_all_others(status(tenant.tenant_id, 3))
    async with box.relayed():
        await box.until(lambda: not box.left(), "all are sent")
    assert arrived(_STATUS, tenant) == [1, 2, 3]


async def test_the_largest_event_arrives_and_a_larger_one_takes_its_change_with_it(
    box: Outbox, arrived: Arrived
) -> None:
    """Kafka refuses one past a million bytes, which would keep its topic's later ones waiting for good."""
    tenant = new_tenant()
    small = status(tenant.tenant_id, 1)
    largest = small.model_copy(update={"message": "x" * (outbox.LARGEST - len(small.model_dump_json()))})
    too_large = largest.model_copy(update={"generation": 2, "message": f"{largest.message}x"})
    await box.publish(largest)
    with pytest.raises(
        PayloadTooLarge, match=f"has {outbox.LARGEST + 1} bytes; {outbox.LARGEST} are the most"
    ):
        await box.publish(status(tenant.tenant_id, 3), too_large)
    async with box.relayed():
        await box.until(lambda: not box.left(), "it is sent")
    assert arrived(_STATUS, tenant) == [1]


async def test_what_is_gone_is_not_read_at_every_poll_while_an_old_snapshot_is_open(box: Outbox) -> None:
    """A dump of an hour would slow down every event, and more and more so."""
    tenant = new_tenant()
    async with box.snapshot(), box.relayed():
        await box.publish(*(status(tenant.tenant_id, generation) for generation in range(1000)))
        await box.until(lambda: not box.left(), "all are sent")
        async with asyncio.timeout(30):
            while await box.read_by_a_poll() > 100:
                pass


async def test_an_event_that_commits_behind_later_ones_is_sent_and_so_is_its_keys_next(
    box: Outbox, arrived: Arrived, watermark: CountedWatermark
) -> None:
    slow, quick = new_tenant(), new_tenant()
    async with box.relayed():
        async with await box.db.dedicated() as conn, conn.transaction():
            await outbox.publish(conn, "booking", status(slow.tenant_id, 1))
            await box.publish(status(quick.tenant_id, 1))
            await box.until(lambda: arrived(_STATUS, quick), "the later one is sent")
            await watermark.advanced(box)
        await box.publish(status(slow.tenant_id, 2))
        await box.until(lambda: not box.left() and len(arrived(_STATUS, slow)) == 2, "both are sent")
    assert arrived(_STATUS, slow) == [1, 2]


async def test_what_another_relay_leaves_behind_is_sent_though_this_one_is_past_it(
    box: Outbox, arrived: Arrived, watermark: CountedWatermark
) -> None:
    left, own = new_tenant(), new_tenant()
    theirs = status(left.tenant_id, 1)
    while outbox.shard_of(status(own.tenant_id, 1).key) == outbox.shard_of(theirs.key):
        own = new_tenant()
    async with AsyncExitStack() as other:
        await other.enter_async_context(box.kept_from_its_relay(theirs.key))
        async with box.relayed():
            await box.publish(theirs, status(own.tenant_id, 1))
            await box.until(lambda: arrived(_STATUS, own), "its own is sent")
            await watermark.advanced(box)
            assert box.left() == [_STATUS]
            await other.aclose()
            await box.until(lambda: not box.left(), "the other's is sent")
    assert arrived(_STATUS, left) == [1]


async def test_a_relay_that_has_lost_its_shards_says_nothing_of_what_waits_in_them(box: Outbox) -> None:
    """Or an alert would go on for what another has sent long since."""
    assert _gauges() == (0, 0)
    await box.publish(status(new_tenant().tenant_id, 1), bytes_before=1_100_000)
    async with box.relayed():
        await box.until(lambda: _gauges()[0] == 1 and _gauges()[1] > 0, "it holds all, and something waits")
        async with box.taken_from_its_relay():
            await box.until(lambda: _gauges() == (0, 0), "it holds none")
        await box.until(lambda: _gauges()[0] == 1 and _gauges()[1] > 0, "it holds all again")
    assert _gauges() == (0, 0)


async def test_a_relay_that_went_on_well_begins_anew_with_its_pauses(box: Outbox) -> None:
    """Or an outage of yesterday has the events of today wait for five seconds whenever a connection is lost."""
    with structlog.testing.capture_logs() as lines:
        async with box.relayed():
            for _ in range(3):
                await box.until(lambda: _gauges()[0] == 1, "it holds all")
                async with box.taken_from_its_relay():
                    await box.until(lambda: _gauges()[0] == 0, "it holds none")
    pauses = [line["retry_in"] for line in lines if line["event"] == "relay interrupted"]
    assert pauses == [0.2, 0.2, 0.2]


async def test_a_relay_whose_database_takes_no_changes_waits_for_it_and_sends_nothing_meanwhile(
    box: Outbox, arrived: Arrived
) -> None:
    """It cannot delete what it has sent: once it has found out, it would send all of it again every time."""
    tenant = new_tenant()
    with structlog.testing.capture_logs() as lines:
        async with box.relayed():
            await box.until(lambda: _gauges()[0] == 1, "it holds all")
            try:
                async with box.db.worker() as conn:
                    await outbox.publish(conn, "booking", status(tenant.tenant_id, 1))
                    box.take_changes(wanted=False)
                    await box.until(lambda: not box.takes_changes(), "the server has heard")
                await box.until(lambda: _told(lines) >= 4, "it has tried several times")
            finally:
                box.take_changes(wanted=True)
            await box.until(lambda: not box.left(), "nothing is left")
    assert arrived(_STATUS, tenant) == [1, 1]


async def test_a_stream_gets_nothing_of_a_tenant_that_has_it_no_more(
    box: Outbox, broker: Broker, arrived: Arrived
) -> None:
    """Its name may have been given again: what is another's is not for the new bearer."""
    slug = new_tenant().slug
    gone, heir, unwilling = streaming(slug=slug), streaming(slug=slug), streaming()
    let_go = streaming(slug=slug)
    make(broker, heir.event_stream.topic)
    for tenant in (gone, let_go, heir, unwilling):
        await box.publish(status(tenant.tenant_id, 1), copy_to=tenant)
    off = unwilling.event_stream.model_copy(update={"enabled": False})
    for tenant in (
        gone.model_copy(update={"state": TenantState.DELETING}),
        let_go,
        heir,
        unwilling.model_copy(update={"event_stream": off}),
    ):
        await know(box.db, tenant)
    async with box.db.worker() as conn:
        await conn.execute(b"UPDATE tenants SET state = 'deleted' WHERE tenant_id = %s", (gone.tenant_id,))
    async with box.relayed():
        await box.until(lambda: not box.left(), "nothing is left")
    assert arrived(heir.event_stream.topic, gone) == arrived(heir.event_stream.topic, let_go) == []
    assert arrived(heir.event_stream.topic, heir) == [1]
    assert [arrived(_STATUS, tenant) for tenant in (gone, let_go, heir, unwilling)] == [[1]] * 4


async def test_tenants_own_topics_are_one_label_of_the_metric(box: Outbox, broker: Broker) -> None:
    for tenant in (streaming(), streaming()):
        make(broker, tenant.event_stream.topic)
        await know(box.db, tenant)
        await box.publish(status(tenant.tenant_id, 1), copy_to=tenant)
    before = _relayed().get("tenant.*.events.v1", 0)
    async with box.relayed():
        await box.until(lambda: not box.left(), "nothing is left")
    assert _relayed()["tenant.*.events.v1"] == before + 2
    assert [topic for topic in _relayed() if topic.startswith("tenant.")] == ["tenant.*.events.v1"]


async def test_a_relay_that_ends_leaves_nothing_to_be_sent_behind_its_successor() -> None:
    """No Kafka is there: the client would go on trying for 30 s by itself."""
    kafka = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", security_protocol="PLAINTEXT")
    outgoing = Outgoing(partial(producer, kafka, client_id="test"))
    row = {"id": 1, "topic": _STATUS, "key": "k", "payload": b"{}", "headers": {}, "age": 0}
    with pytest.raises(asyncio.CancelledError):
        async with sending(outgoing) as send:
            sent = asyncio.ensure_future(send([row]))
            while not outgoing.in_flight:  # noqa: ASYNC110 - a thread tells
                await asyncio.sleep(0.01)
            raise asyncio.CancelledError
    assert await sent == []
    assert not outgoing.in_flight
    assert outgoing.send([row]) == []
    assert not outgoing.in_flight


def _told(lines: list[structlog.typing.EventDict]) -> int:
    """How often it was interrupted."""
    return sum(line["event"] == "relay interrupted" for line in lines)


def _relayed() -> dict[str, float]:
    """Events that Kafka acknowledged, by the metric's topic."""
    return {
        sample.labels["topic"]: sample.value
        for metric in OUTBOX_RELAYED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def _gauges() -> tuple[float, float]:
    """The share of the outbox that is held, and its oldest event's age in seconds."""
    held = REGISTRY.get_sample_value("slotwright_outbox_held_ratio")
    age = REGISTRY.get_sample_value("slotwright_outbox_oldest_seconds")
    assert held is not None
    assert age is not None
    return held, age


def streaming(slug: str | None = None) -> TenantChanged:
    """A tenant with a stream of its own, whose topic nobody has made."""
    slug = slug or new_tenant().slug
    topics = {"topic": tenant_topic(slug), "dead_letter_topic": tenant_dead_letter_topic(slug)}
    return new_tenant(slug=slug, event_stream=EventStreamSpec(enabled=True, **topics))


def make(broker: Broker, topic: str) -> None:
    admin = AdminClient(dict(broker.super_user()))
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(30)
