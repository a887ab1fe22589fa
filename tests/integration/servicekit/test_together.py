"""Events of one tenant that share a transaction: all of them or none, each once and in order, or each by itself."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from contracts.platform import TenantChanged
from integration.servicekit.shop import TOPIC, Shop, named
from servicekit.consumer import EventConsumer
from servicekit.effects import Incoming
from servicekit.errors import PermanentError
from servicekit.ids import new_id
from servicekit.kafka import Received
from support.databases import ServiceDatabase

AT_ONCE = 3


@pytest.fixture
def consumer(shop: Shop) -> EventConsumer:
    """Reads when the test has written everything, so that it is one batch."""
    return EventConsumer(
        "analytics",
        shop.name,
        shop.db,
        shop.kafka,
        topics=[TOPIC],
        handlers={TenantChanged: shop.handle},
        at_once=AT_ONCE,
    )


def publish(shop: Shop, tenant_id: UUID, names: Sequence[str]) -> list[str]:
    """Answers the ids of the events."""
    return [shop.topics.publish(named(name, tenant_id, number)) for number, name in enumerate(names, start=1)]


def transactions(database: ServiceDatabase, shop: Shop) -> list[set[str]]:
    """The ids of the events that took effect together, in that order."""
    rows = database.rows(
        "SELECT event_id, xmin::text AS by FROM inbox WHERE consumer = %s ORDER BY xmin::text::bigint",
        shop.group,
    )
    together: dict[str, set[str]] = {}
    for row in rows:
        together.setdefault(row["by"], set()).add(row["event_id"])
    return list(together.values())


async def test_events_of_a_tenant_share_transactions_and_keep_their_order(
    shop: Shop, consumer: EventConsumer, database: ServiceDatabase
) -> None:
    ids = publish(shop, new_id(), "abcdefgh")
    async with shop.running(consumer):
        await shop.until(lambda: shop.counted("handled") == 8, "eight events")
    assert shop.handled == list("abcdefgh")
    found = await asyncio.to_thread(transactions, database, shop)
    assert found == [set(ids[:3]), set(ids[3:6]), set(ids[6:])]


async def test_tenants_share_none(shop: Shop, consumer: EventConsumer, database: ServiceDatabase) -> None:
    """Each is in the scope of its own."""
    first, second = new_id(), new_id()
    ids = [
        shop.topics.publish(named(str(each), each, number)) for number in (1, 2) for each in (first, second)
    ]
    async with shop.running(consumer):
        await shop.until(lambda: shop.counted("handled") == 4, "four events")
    found = await asyncio.to_thread(transactions, database, shop)
    assert sorted(map(sorted, found)) == sorted(map(sorted, (ids[0::2], ids[1::2])))


@pytest.mark.parametrize(
    ("error", "times", "retries"),
    [(PermanentError("no such plan"), 2, 0), (OSError("no route"), 2, 1)],
    ids=["for good", "for a while"],
)
async def test_one_that_fails_leaves_the_others_of_its_group_their_effect(
    shop: Shop,
    consumer: EventConsumer,
    database: ServiceDatabase,
    error: Exception,
    times: int,
    retries: int,
) -> None:
    """What is permanent is put away, what is not is tried again; each of the group by itself."""
    failures = iter([error] * times)
    shop.fails = lambda event: next(failures, None) if event.display_name == "b" else None
    ids = publish(shop, new_id(), "abcde")
    async with shop.running(consumer):
        await shop.until(lambda: shop.handled[-1:] == ["e"], "the last one")
    assert shop.handled == ["a", "a", *(["b"] if retries else []), "c", "d", "e"]
    dead = 0 if retries else 1
    assert (shop.counted("handled"), shop.counted("dead"), shop.retried() or 0) == (5 - dead, dead, retries)
    alone = [{event_id} for event_id in ids[:3] if retries or event_id != ids[1]]
    assert await asyncio.to_thread(transactions, database, shop) == [*alone, set(ids[3:])]


async def test_one_that_comes_twice_in_a_group_has_one_effect(shop: Shop, consumer: EventConsumer) -> None:
    tenant_id = new_id()
    twice = named("twice", tenant_id, 1)
    event_id = shop.topics.publish(twice)
    shop.topics.publish(twice, event_id=event_id)
    shop.topics.publish(named("behind", tenant_id, 2))
    async with shop.running(consumer):
        await shop.until(lambda: shop.handled, "the events")
    assert shop.handled == ["twice", "behind"]
    assert (shop.counted("handled"), shop.counted("duplicate")) == (2, 1)


async def test_of_a_tenant_that_is_gone_none_has_an_effect(
    shop: Shop, consumer: EventConsumer, database: ServiceDatabase
) -> None:
    tenant_id = new_id()
    values = tenant_id, str(tenant_id), "deleting"
    known = "INSERT INTO tenants (tenant_id, slug, state, generation, record) VALUES (%s, %s, %s, 1, '{}')"
    await asyncio.to_thread(database.rows, known, *values)
    publish(shop, tenant_id, "ab")
    async with shop.running(consumer):
        await shop.until(lambda: shop.counted("gone") == 2, "both are passed over")
    assert shop.handled == []


async def test_one_that_stops_commits_nothing_behind_what_it_has_left(
    shop: Shop, consumer: EventConsumer
) -> None:
    """Of two tenants of one partition: what is left of the second lies before what is done of the first."""
    first, second = await asyncio.to_thread(of_one_partition, shop)
    broken = True
    shop.fails = lambda event: OSError("no route") if broken and event.display_name == "2" else None
    for number, tenant_id in ((1, first), (2, second), (3, first)):
        shop.topics.publish(named(str(number), tenant_id, number))
    async with shop.running(consumer) as stop:
        await shop.until(shop.retried, "it fails")
        stop.set()
    assert shop.handled == ["1", "3"]
    broken = False
    async with shop.running():
        await shop.until(lambda: "2" in shop.handled, "what was left is read again")
    assert shop.handled == ["1", "3", "2"]


def of_one_partition(shop: Shop) -> tuple[UUID, UUID]:
    """Two tenants, of whom there are events already, which the consumers of the test do not read."""
    tenants = {str(tenant_id).encode(): tenant_id for tenant_id in (new_id() for _ in range(4))}
    for tenant_id in tenants.values():
        shop.topics.publish(named("before", tenant_id, 1))
    there: dict[int, UUID] = {}
    for item in shop.topics.messages(TOPIC):
        found = tenants.get(item.key or b"")
        if found is not None and there.setdefault(item.partition, found) != found:
            shop.topics.pass_over(shop.group, TOPIC)
            return there[item.partition], found
    raise AssertionError("of four in three partitions, two are in one")


def _message(tenant_id: UUID | None, offset: int, **changed: bytes | None) -> Received:
    headers = {
        "ce_id": str(offset).encode(),
        "ce_source": b"/x",
        "ce_specversion": b"1.0",
        "ce_type": TenantChanged.TYPE.encode(),
        **({"ce_tenantid": str(tenant_id).encode()} if tenant_id else {}),
    }
    return Received(TOPIC, 0, offset, b"key", changed.get("value", b"{}"), list(headers.items()))


@pytest.mark.parametrize(
    "unusual",
    [
        lambda tenant_id: _message(tenant_id, 9, value=None),
        lambda _tenant_id: _message(None, 9),
        lambda _tenant_id: Received(TOPIC, 0, 9, b"key", b"{", []),
    ],
    ids=["a tombstone", "of no tenant", "malformed"],
)
def test_beside_anything_unusual_each_is_by_itself(
    consumer: EventConsumer, unusual: Callable[[UUID], Received]
) -> None:
    """A tombstone must not be passed by what comes behind it."""
    tenant_id = new_id()
    messages = [_message(tenant_id, 1), _message(tenant_id, 2), unusual(tenant_id), _message(tenant_id, 10)]
    effects = consumer._effects
    groups: list[list[Incoming]] = list(effects.groups([effects.read(message) for message in messages]))
    assert [[item.message for item in group] for group in groups] == [[message] for message in messages]


def test_without_it_tenants_are_grouped_by_their_first_event(consumer: EventConsumer) -> None:
    first, second = new_id(), new_id()
    owners = [first, second, first, first, first, second]
    effects = consumer._effects
    read = [effects.read(_message(tenant_id, number)) for number, tenant_id in enumerate(owners)]
    groups = [[item.message.offset for item in group] for group in effects.groups(read)]
    assert groups == [[0, 2, 3], [4], [1, 5]]
