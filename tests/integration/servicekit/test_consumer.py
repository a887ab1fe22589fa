"""The consumer loop on a real Kafka and Postgres: order through failures, dead letters, hand-over, lag."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.platform import TenantChanged, TenantStatusReported
from integration.servicekit.shop import TOPIC, Shop, named
from servicekit.errors import PermanentError
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.logging import configure_logging
from servicekit.tracing import configure_tracing

NOW = datetime(2026, 12, 1, tzinfo=UTC)


async def test_a_failing_event_holds_back_those_behind_it_until_it_succeeds(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("shop", "info", "json")
    configure_tracing("shop", None)
    tenant_id, failures = new_id(), iter([OSError("no route"), OSError("no route")])
    shop.fails = lambda event: next(failures, None) if event.display_name == "2" else None
    for generation in range(1, 6):  # one tenant, one key, one partition
        shop.topics.publish(named(str(generation), tenant_id, generation))
    async with shop.running():
        await shop.until(lambda: len(shop.handled) >= 5, "five events")
    assert shop.handled == ["1", "2", "3", "4", "5"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    retries = [line for line in lines if line["event"] == "event failed, trying again"]
    assert [line["attempt"] for line in retries] == [1, 2]
    assert {line["tenant_id"] for line in retries} == {str(tenant_id)}
    assert all(line["trace_id"] for line in retries)


async def test_an_event_that_comes_again_has_no_second_effect(shop: Shop) -> None:
    """As after a crash of its relay, or of this consumer before it committed the offset."""
    tenant_id = new_id()
    twice = named("twice", tenant_id, 1)
    event_id = shop.topics.publish(twice)
    shop.topics.publish(twice, event_id=event_id)
    shop.topics.publish(named("behind", tenant_id, 2))
    async with shop.running():
        await shop.until(lambda: "behind" in shop.handled, "what came behind it")
    assert shop.handled == ["twice", "behind"]
    assert (shop.counted("handled"), shop.counted("duplicate")) == (2, 1)


async def test_what_can_never_succeed_goes_to_the_dead_letters_and_the_next_goes_on(shop: Shop) -> None:
    tenant_id = new_id()
    shop.fails = lambda event: PermanentError("no such plan") if event.display_name == "bad" else None
    dead = shop.topics.publish(named("bad", tenant_id, 1))
    shop.topics.put(TOPIC, str(tenant_id), b"{", {"ce_type": b"nonsense"})
    shop.topics.publish(named("good", tenant_id, 2))
    async with shop.running():
        await shop.until(lambda: shop.handled, "the good one")
    assert shop.counted("dead") == 2
    letters = [
        dict(letter.headers) | {"value": letter.value or b""}
        for letter in await asyncio.to_thread(shop.topics.messages, "analytics.dlq.v1")
        if dict(letter.headers)["dl_consumer"] == shop.group.encode()
    ]
    assert [letter["dl_error"].split(b":")[0] for letter in letters] == [
        b"PermanentError",
        b"MalformedEventError",
    ]
    assert letters[0]["ce_id"] == dead.encode()
    # The topic is a compacted one: it keeps the bytes for as long as no tombstone erases them, and no letter does.
    assert [(letter["value"], letter["dl_size"]) for letter in letters][1] == (b"", b"1")
    assert shop.handled == ["good"]


async def test_a_type_of_a_later_release_is_kept_for_it_and_one_for_others_is_passed_over(shop: Shop) -> None:
    """In an upgrade this release still reads what the next one writes. Passed over, it would be lost."""
    tenant_id = new_id()
    event = named("eaten", tenant_id, 1)
    for later in ("platform.tenant.eaten.v1", TenantStatusReported.TYPE):
        headers = Envelope(
            id=str(new_id()),
            source="/slotwright/operator",
            type=later,
            time=NOW,
            subject=event.key,
            tenant_id=tenant_id,
            data=b"{}",
            traceparent=None,
        ).headers()
        shop.topics.put(TOPIC, event.key, b"{}", {name: value.encode() for name, value in headers.items()})
    shop.topics.publish(named("good", tenant_id, 2))
    async with shop.running():
        await shop.until(lambda: shop.handled, "the good one")
    assert (shop.counted("dead"), shop.counted("skipped"), shop.handled) == (1, 1, ["good"])
    (letter,) = [
        dict(letter.headers)
        for letter in await asyncio.to_thread(shop.topics.messages, "analytics.dlq.v1")
        if dict(letter.headers)["dl_consumer"] == shop.group.encode()
    ]
    assert letter["ce_type"] == b"platform.tenant.eaten.v1"
    assert b"no event of this release has the type 'platform.tenant.eaten.v1'" in letter["dl_error"]


async def test_dead_letters_are_counted_from_nought(shop: Shop) -> None:
    """The first one is an increase only to a Prometheus that has seen what was there before it."""
    async with shop.running():
        await shop.until(lambda: shop.lag() is not None, "it has its partitions")
        assert shop.counted("dead") == 0


@pytest.mark.slow
async def test_one_that_the_brokers_do_not_let_in_says_that_it_reads_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no lag that anybody could see, and its service serves on. Takes some attempts of a second each."""
    configure_logging("shop", "info", "json")
    logged: list[str] = []

    def looks() -> int:
        """How often it has found that out."""
        logged.append(capsys.readouterr().out)
        return "".join(logged).count("the brokers keep it from reading")

    async with shop.running():
        await shop.until(lambda: shop.reads() == 1, "it reads")
    assert shop.reads() == 0
    monkeypatch.setattr("servicekit.consumer._LOOK_SECONDS", 0.1)
    monkeypatch.setattr("servicekit.consumer.BROKER_SECONDS", 1.0)
    async with shop.running(shop.consumer(password=SecretStr("another"))):
        await shop.until(lambda: looks() >= 2, "two looks")
        assert shop.reads() == 0
    async with shop.running():
        await shop.until(lambda: shop.lag() is not None, "it has looked")
        assert shop.reads() == 1


async def test_one_that_stops_leaves_its_group_at_once_and_has_committed(shop: Shop) -> None:
    """Another gets the partitions well before the session of the first would have ended (10 s)."""
    shop.topics.publish(named("first", new_id(), 1))
    async with shop.running():
        await shop.until(lambda: shop.handled, "the first event")
    second = shop.consumer()
    async with asyncio.timeout(8), shop.running(second):
        await shop.until(lambda: second._assigned, "an assignment")
        shop.topics.publish(named("second", new_id(), 1))
        await shop.until(lambda: "second" in shop.handled, "the second event")
    assert shop.handled == ["first", "second"]


async def test_a_partition_that_went_to_another_while_one_was_tried_again_is_read_when_it_comes_back(
    shop: Shop,
) -> None:
    """It was paused when it went."""
    first, second, broken, tenants = shop.consumer(), shop.consumer(), True, [new_id() for _ in range(30)]
    shop.fails = lambda event: OSError("no route") if broken and event.display_name == "failing" else None
    async with shop.running(first):
        await shop.until(lambda: first._assigned, "an assignment")
        shop.topics.publish(named("failing", new_id(), 1))
        await shop.until(shop.retried, "it fails")
        for tenant_id in tenants:
            shop.topics.publish(named(f"before {tenant_id}", tenant_id, 1))
        async with shop.running(second):
            await shop.until(lambda: shop.handled, "the second has some of the partitions")
            broken = False
            await shop.until(lambda: len(shop.handled) >= 31, "all are handled, by either")
        for tenant_id in tenants:
            shop.topics.publish(named(f"behind {tenant_id}", tenant_id, 2))
        await shop.until(lambda: len(set(shop.handled)) == 61, "the first handles all by itself")


async def test_one_that_fails_holds_up_nobody_but_who_has_its_partition(shop: Shop) -> None:
    """Who gives the partition away leaves the event to its new owner, and goes on with what it keeps."""
    first, second, tenants = shop.consumer(), shop.consumer(), [new_id() for _ in range(30)]
    shop.fails = lambda event: OSError("no route") if event.display_name == "failing" else None
    for tenant_id in tenants:
        shop.topics.publish(named(f"before {tenant_id}", tenant_id, 1))
    keys = {item.key: item.partition for item in await asyncio.to_thread(shop.topics.messages, TOPIC)}
    partition = {tenant_id: keys[str(tenant_id).encode()] for tenant_id in tenants}
    async with shop.running(first):
        await shop.until(lambda: len(shop.handled) == 30, "the first has all partitions")
        shop.topics.publish(named("failing", next(each for each in tenants if not partition[each]), 2))
        await shop.until(shop.retried, "it fails")
        async with shop.running(second):
            await shop.until(
                lambda: (TOPIC, 0) in second._done, "the failing one's partition is the second's"
            )
            others = [tenant_id for tenant_id in tenants if partition[tenant_id]]
            for tenant_id in others:
                shop.topics.publish(named(f"behind {tenant_id}", tenant_id, 2))
            behind = {f"behind {tenant_id}" for tenant_id in others}
            await shop.until(lambda: behind <= set(shop.handled), "the first goes on with the other two")


async def test_lag_counts_what_is_not_done_while_one_is_tried_again(shop: Shop) -> None:
    tenant_id, refused = new_id(), True
    shop.fails = lambda event: OSError("no route") if refused and event.display_name == "2" else None
    shop.topics.publish(named("1", tenant_id, 1))
    async with shop.running():
        await shop.until(lambda: shop.handled == ["1"] and shop.lag() == 0, "no lag")
        for generation in range(2, 5):
            shop.topics.publish(named(str(generation), tenant_id, generation))
        await shop.until(lambda: shop.lag() == 3, "a lag of 3")
        refused = False
        await shop.until(lambda: shop.lag() == 0, "no lag any more")
    assert shop.handled == ["1", "2", "3", "4"]
    assert shop.lag() is None, "partitions that are not ours are not measured"


async def test_the_beat_goes_on_through_a_long_batch_and_stops_when_a_handler_hangs(shop: Shop) -> None:
    """Each event counts as a turn, so that a batch may take as long as it takes."""
    release, now = asyncio.Event(), 0.0
    beat = Heartbeat(shop.group, limit=60, monotonic=lambda: now)
    tenant_id, last = new_id(), new_id()

    async def slow(event: TenantChanged) -> None:
        nonlocal now
        now += 40
        if event.tenant_id == last:
            await release.wait()

    shop.meanwhile = slow
    consumer = shop.consumer()
    for generation in range(1, 4):
        shop.topics.publish(named(str(generation), tenant_id, generation))
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer.run(stop, beat))
        await shop.until(lambda: len(shop.handled) == 3, "three slow events")
        assert beat.fault() is None
        shop.topics.publish(named("last", last, 1))
        await shop.until(lambda: "last" in shop.handled, "the last one")
        now += 100
        assert "has not turned for" in (beat.fault() or "")
        release.set()
        stop.set()
