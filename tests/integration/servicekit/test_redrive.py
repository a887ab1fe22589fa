"""Dead letters by the operator's command, as a process on a real Kafka: listed, shown, put back once.

Consumers run in the test, on analytics' database and as its user, and fail until they are mended. Slow, since each
command is a process that has to import Kafka's client, and each consumer a group that has to form.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from contracts.booking import AppointmentBooked
from contracts.platform import TenantChanged
from integration.servicekit.desk import APPOINTMENTS, TENANTS, Command, Desk, failed
from servicekit.db import Database
from servicekit.dead_letters import DeadLetters
from servicekit.errors import PermanentError
from servicekit.ids import new_id
from servicekit.redrive import DeadLetterBox, RedriveError
from support.broker import Broker
from support.databases import Databases
from support.events import Topics
from support.samples import event_of
from support.tenants import new_tenant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """Dead letters of its own: the tests look at all of them."""
    return own_broker


@pytest.fixture
async def desk(databases: Databases, broker: Broker) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        db = Database(databases.for_service("analytics").settings, application="test")
        await db.open()
        stack.push_async_callback(db.close)
        yield Desk(db, broker.settings("analytics"), Topics(broker.super_user()))


async def test_what_is_put_back_takes_effect_once_and_for_its_consumer_alone(
    desk: Desk, command: Command
) -> None:
    one, other = desk.name(), desk.name()
    booked = event_of(AppointmentBooked, tenant_id=new_id())
    event_id = await failed(desk, booked, one, other)
    (letter,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{one}")
    assert (letter["eventId"], letter["topic"], letter["error"]) == (
        str(event_id),
        APPOINTMENTS,
        "PermanentError",
    )
    # The other one, which has handled it, has forgotten that.
    async with desk.db.worker() as conn:
        await conn.execute(b"DELETE FROM inbox WHERE consumer = %s", (f"analytics.{other}",))
    before = await asyncio.to_thread(desk.topics.messages, APPOINTMENTS)
    async with desk.open(AppointmentBooked, one, other):
        dry = await asyncio.to_thread(command.redrive, letter["id"], "--dry-run")
        assert dry == {letter["id"]: "would"}
        assert await asyncio.to_thread(command.redrive, letter["id"]) == {letter["id"]: "redriven"}
        await desk.until(lambda: desk.handled[one] == [event_id], "the effect")
        assert await asyncio.to_thread(command.redrive, letter["id"]) == {letter["id"]: "already"}
        assert await asyncio.to_thread(command.redrive, "--consumer", f"analytics.{one}") == {}
        last = UUID(await asyncio.to_thread(desk.topics.publish, booked))
        await desk.until(
            lambda: all(last in desk.handled[name] for name in (one, other)), "what came behind it"
        )
    assert desk.handled == {one: [event_id, last], other: [event_id, last]}
    after = await asyncio.to_thread(desk.topics.messages, APPOINTMENTS)
    assert len(after) == len(before) + 2
    first, again, _last = [message for message in after if message.key == booked.key.encode()]
    assert (again.key, again.value, again.partition) == (first.key, first.value, first.partition)
    assert again.headers == [*first.headers, ("dl_for", f"analytics.{one}".encode())]
    assert await asyncio.to_thread(command.letters, "--consumer", f"analytics.{one}") == []
    (kept,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{one}", "--all")
    assert kept["redriven"]


async def test_a_crash_before_the_mark_puts_it_back_twice_and_does_no_harm(
    desk: Desk, command: Command, box: DeadLetterBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = desk.name()
    event_id = await failed(desk, event_of(AppointmentBooked, tenant_id=new_id()), name)
    (row,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")

    def killed(_letter: object) -> None:
        raise RedriveError("killed")

    monkeypatch.setattr(box, "_mark", killed)
    with pytest.raises(RedriveError):
        await asyncio.to_thread(lambda: box.redrive(box.named([row["id"]])[0].place))
    assert await asyncio.to_thread(command.redrive, row["id"]) == {row["id"]: "redriven"}
    copies = await asyncio.to_thread(desk.topics.messages, APPOINTMENTS)
    assert sum(dict(copy.headers)["ce_id"] == str(event_id).encode() for copy in copies) == 3
    async with desk.open(AppointmentBooked, name):
        last = UUID(
            await asyncio.to_thread(desk.topics.publish, event_of(AppointmentBooked, tenant_id=new_id()))
        )
        await desk.until(lambda: {event_id, last} <= set(desk.handled[name]), "both")
    assert desk.handled[name].count(event_id) == 1


async def test_one_that_fails_again_is_a_letter_again_with_its_own_headers_alone(
    desk: Desk, command: Command
) -> None:
    name = desk.name()
    event_id = await failed(desk, event_of(AppointmentBooked, tenant_id=new_id()), name)
    (first,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    desk.failing.add(name)
    await asyncio.to_thread(command.redrive, first["id"])
    async with desk.open(AppointmentBooked, name):
        await desk.until(lambda: desk.dead(name) == 2, "a second letter")
    desk.failing.discard(name)
    (second,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    assert second["id"] != first["id"]
    headers = (await asyncio.to_thread(command.form, "show", second["id"]))["headers"]
    assert not [header for header in headers if header.startswith("dl_")]
    assert headers == (await asyncio.to_thread(command.form, "show", first["id"]))["headers"]
    async with desk.open(AppointmentBooked, name):
        assert await asyncio.to_thread(command.redrive, second["id"]) == {second["id"]: "redriven"}
        await desk.until(lambda: desk.handled[name] == [event_id], "the effect")


async def test_a_record_of_a_compacted_topic_is_put_back_only_while_it_is_the_last_of_its_key(
    desk: Desk, command: Command
) -> None:
    name, other = desk.name(), desk.name()
    lasting, renewed, gone = new_tenant(), new_tenant(), new_tenant()
    ids = [await failed(desk, tenant, name, other) for tenant in (lasting, renewed, gone)]
    desk.topics.publish(renewed.model_copy(update={"generation": 2, "display_name": "Riverside"}))
    desk.topics.put(TENANTS, str(gone.tenant_id), None, {})
    rows = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    assert [row["eventId"] for row in rows] == [str(each) for each in ids]
    assert [row["tenant"] for row in rows] == [lasting.slug, renewed.slug, None]
    dry = await asyncio.to_thread(command.redrive, "--consumer", f"analytics.{name}", "--dry-run")
    assert list(dry.values()) == ["would", "superseded", "superseded"]
    results = await asyncio.to_thread(command.redrive, "--consumer", f"analytics.{name}")
    assert list(results.values()) == ["redriven", "superseded", "superseded"]
    async with desk.open(TenantChanged, name, other):
        await desk.until(lambda: ids[0] in desk.handled[name], "the record")
    records = await asyncio.to_thread(desk.topics.messages, TENANTS)
    assert [record.value is None for record in records if record.key == str(gone.tenant_id).encode()] == [
        False,
        True,
    ]
    # A reader that begins later finds it under its key, and takes it: it is for everybody.
    (first, again) = [record for record in records if record.key == str(lasting.tenant_id).encode()]
    assert (again.value, again.headers) == (first.value, first.headers)
    assert "dl_for" not in dict(again.headers)


async def test_what_is_erased_is_in_no_dead_letter(desk: Desk, command: Command) -> None:
    """A letter of a compacted topic has no bytes: they are where the tombstone erases them."""
    name = desk.name()
    tenant = new_tenant(display_name="Ada's own words")
    await failed(desk, tenant, name)
    letters = await asyncio.to_thread(desk.topics.messages, "analytics.dlq.v1")
    (letter,) = [
        each for each in letters if dict(each.headers)["dl_consumer"] == f"analytics.{name}".encode()
    ]
    assert letter.value is None
    assert not any(b"Ada" in value for _header, value in letter.headers)
    (row,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    shown = await asyncio.to_thread(command.form, "show", row["id"], "--data")
    assert json.loads(base64.b64decode(shown["data"]))["display_name"] == "Ada's own words"
    desk.topics.put(TENANTS, str(tenant.tenant_id), None, {})
    shown = await asyncio.to_thread(command.form, "show", row["id"], "--data")
    assert shown["data"] is None
    assert shown["size"] > 0


async def test_the_same_record_is_put_back_for_each_consumer_that_could_not_read_it(
    desk: Desk, command: Command
) -> None:
    one, other = desk.name(), desk.name()
    desk.failing.add(other)
    event_id = await failed(desk, new_tenant(), one)
    async with desk.open(TenantChanged, other):
        await desk.until(lambda: desk.dead(other), "the other's letter")
    desk.failing.clear()
    for name in (one, other):
        results = await asyncio.to_thread(command.redrive, "--consumer", f"analytics.{name}")
        assert list(results.values()) == ["redriven"]
    async with desk.open(TenantChanged, one, other):
        await desk.until(lambda: desk.handled == {one: [event_id], other: [event_id]}, "the record")


def test_a_letter_of_the_release_before_puts_back_and_shows_what_the_topic_still_has(
    broker: Broker, command: Command
) -> None:
    """It has its bytes; what they say may have been erased since."""
    topics = Topics(broker.super_user())
    tenant = new_tenant()
    event_id = topics.publish(tenant)
    key = str(tenant.tenant_id)
    record = next(each for each in topics.messages(TENANTS) if each.key == key.encode())
    origin = {"consumer": "analytics.before", "topic": TENANTS, "partition": record.partition}
    origin |= {"offset": record.offset, "error": "X: y"}
    marks = {f"dl_{header}": str(value).encode() for header, value in origin.items()}
    old = b'{"display_name": "as it was"}'
    topics.put("analytics.dlq.v1", key, old, dict(record.headers) | marks)
    assert event_id == dict(record.headers)["ce_id"].decode()
    (row,) = command.letters("--consumer", "analytics.before")
    shown = command.form("show", row["id"], "--data")
    assert base64.b64decode(shown["data"]) == record.value
    topics.put(TENANTS, key, None, {})
    assert command.form("show", row["id"], "--data")["data"] is None
    assert command.redrive(row["id"]) == {row["id"]: "superseded"}


def test_the_release_before_takes_no_letter_without_bytes_for_a_tombstone(broker: Broker) -> None:
    """It puts back what `dl_topic` names, and nothing where that is not said."""
    topics = Topics(broker.super_user())
    sent = DeadLetters("analytics", "analytics.new", broker.settings("analytics"))
    tenant = new_tenant()
    topics.publish(tenant)
    record = next(each for each in topics.messages(TENANTS) if each.key == str(tenant.tenant_id).encode())
    asyncio.run(sent.put(record, PermanentError("no such plan")))
    letter = topics.messages("analytics.dlq.v1")[-1]
    assert letter.value is None
    assert "dl_topic" not in dict(letter.headers)


async def test_one_that_is_named_twice_is_put_back_once(desk: Desk, command: Command) -> None:
    name = desk.name()
    booked = event_of(AppointmentBooked, tenant_id=new_id())
    await failed(desk, booked, name)
    (row,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    assert await asyncio.to_thread(command.redrive, row["id"], row["id"]) == {row["id"]: "redriven"}
    records = await asyncio.to_thread(desk.topics.messages, APPOINTMENTS)
    assert len([record for record in records if record.key == booked.key.encode()]) == 2


async def test_the_list_has_no_word_of_a_persons_and_show_has_only_when_asked(
    desk: Desk, command: Command
) -> None:
    name = desk.name()
    tenant = new_tenant(display_name="Ada's own words")
    await failed(desk, tenant, name)
    listed = await asyncio.to_thread(command.run, "list", "--all", "--output", "json")
    plain = await asyncio.to_thread(command.run, "list", "--all")
    assert not any(
        word in listed.stdout + plain.stdout for word in ("Ada", "no such plan", tenant.owner.email)
    )
    (row,) = await asyncio.to_thread(command.letters, "--consumer", f"analytics.{name}")
    shown = await asyncio.to_thread(command.form, "show", row["id"])
    assert shown["failure"].startswith("PermanentError: no such plan")
    assert shown["key"] == str(tenant.tenant_id)
    assert "Ada" not in json.dumps(shown)
    with_data = await asyncio.to_thread(command.form, "show", row["id"], "--data")
    assert json.loads(base64.b64decode(with_data["data"]))["display_name"] == "Ada's own words"
    assert len(base64.b64decode(with_data["data"])) == shown["size"]


async def test_filters_by_service_consumer_and_tenant(desk: Desk, command: Command) -> None:
    name, other = desk.name(), desk.name()
    tenant = new_tenant()
    await failed(desk, tenant, name)
    await failed(desk, event_of(AppointmentBooked, tenant_id=tenant.tenant_id), other)
    await failed(desk, event_of(AppointmentBooked, tenant_id=new_id()), other)

    def count(*arguments: str) -> int:
        return len(command.letters(*arguments))

    for given in (tenant.slug, str(tenant.tenant_id)):
        assert await asyncio.to_thread(count, "--tenant", given) == 2
        assert await asyncio.to_thread(count, "--tenant", given, "--consumer", f"analytics.{other}") == 1
    assert await asyncio.to_thread(count, "--consumer", f"analytics.{other}") == 2
    assert await asyncio.to_thread(count, "--consumer", "analytics") >= 3
    assert await asyncio.to_thread(count, "--consumer", "business") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("show", "analytics/0/999999"), 1, "There is no dead letter analytics/0/999999"),
        (("show", "nonsense"), 1, "There is no dead letter nonsense"),
        (("redrive", "kitchen/0/0"), 1, "There is no dead letter kitchen/0/0"),
        (("list", "--consumer", "kitchen.sink"), 1, "There is no consumer kitchen.sink"),
        (("list", "--tenant", "nobody"), 1, "There is no tenant named nobody"),
        (("redrive",), 2, "Give letters' ids"),
        (("redrive", "--all", "--tenant", "x"), 2, "Give letters' ids"),
    ],
)
def test_what_does_not_exist_or_was_not_said(
    command: Command, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = command.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr


def test_only_what_the_service_reads_is_written(broker: Broker, command: Command) -> None:
    """Whoever may write dead letters gains no right to write elsewhere."""
    topics = Topics(broker.super_user())
    marks = {"dl_consumer": b"analytics.forged", "dl_partition": b"0", "dl_offset": b"0", "dl_error": b"X: y"}
    for topic in (b"auth.signup.v1", b"platform.tenant-status.v1", b"nowhere", b""):
        topics.put("analytics.dlq.v1", "k", b"{}", marks | {"dl_topic": topic})
    topics.put("analytics.dlq.v1", "k", b"{}", {"dl_consumer": b"analytics.forged", "dl_offset": b"\xff"})
    for how in (["--dry-run"], []):
        results = command.redrive("--consumer", "analytics.forged", *how)
        assert set(results.values()) == {"refused"}
        assert len(results) == 5


def test_a_kafka_that_is_away_or_refuses_is_said(command: Command) -> None:
    away = command.run("list", SLOTWRIGHT_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (away.returncode, away.stdout) == (1, "")
    assert "cannot be read" in away.stderr.splitlines()[-1]
    wrong = command.run("list", SLOTWRIGHT_KAFKA_SECURITY_PROTOCOL="nonsense")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "SLOTWRIGHT_KAFKA_SECURITY_PROTOCOL" in wrong.stderr
