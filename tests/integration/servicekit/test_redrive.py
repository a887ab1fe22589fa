"""Dead letters by the operator's command, as a process on a real Kafka: listed, shown, put back once.

Consumers run in the test, on analytics' database and as its user, and fail until they are mended. The command
has just the rights that the list of topics gives the operator: its user is no super user here. Slow, since each
command is a process that has to import Kafka's client, and each consumer a group that has to form.
"""

import asyncio
import base64
import json
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from contracts.booking import AppointmentBooked
from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import TenantChanged
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.errors import PermanentError
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.kafka_access import part_rules
from servicekit.redrive import DeadLetterBox, RedriveError
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.databases import Databases
from support.events import Topics
from support.programs import Program
from support.samples import event_of
from support.tenants import new_tenant

pytestmark = pytest.mark.slow

APPOINTMENTS, TENANTS = AppointmentBooked.TOPIC, TenantChanged.TOPIC
Environment = dict[str, str]


@pytest.fixture(scope="module")
def broker(own_broker: Broker) -> Broker:
    """Dead letters of its own: the tests look at all of them."""
    return own_broker


@pytest.fixture(scope="module")
def steward(broker: Broker) -> Environment:
    """The environment of a user with the operator's rights, as part_rules has them, and no more."""
    name, password = "steward", secrets.token_urlsafe(16)
    admin = AdminClient(dict(broker.super_user()))
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    made = [
        *admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(name, credential, password.encode())]
        ).values(),
        *admin.create_acls([_of(name, rule) for rule in part_rules("operator")]).values(),
    ]
    for future in made:
        future.result(30)
    settings = broker.service_env("operator") | {"KAFKA_USERNAME": name, "KAFKA_PASSWORD": password}
    return {f"SLOTWRIGHT_{key}": value for key, value in settings.items()}


def _of(user: str, rule: AclBinding) -> AclBinding:
    """The rule, given to another user."""
    return AclBinding(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        f"User:{user}",
        rule.host,
        rule.operation,
        rule.permission_type,
    )


@dataclass
class Command:
    """`python -m tenant_operator dead-letters`."""

    env: Environment

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = ["tenant_operator", "dead-letters", *arguments]
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            code = Program(command, self.env | env, out, err).wait(90)
            done = subprocess.CompletedProcess(command, code, out.read_text("utf-8"), err.read_text("utf-8"))
        assert "Traceback" not in done.stderr
        return done

    def form(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def letters(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.form("list", *arguments)["letters"]
        return found

    def redrive(self, *arguments: str) -> dict[str, str]:
        """Id to result."""
        return {item["id"]: item["result"] for item in self.form("redrive", *arguments)["letters"]}


@dataclass
class Desk:
    """Some consumers of analytics': which of them fail, and what they have handled, by consumer."""

    db: Database
    kafka: KafkaSettings
    topics: Topics
    failing: set[str] = field(default_factory=set)
    handled: dict[str, list[UUID]] = field(default_factory=dict)

    def name(self) -> str:
        made = f"t{new_id().hex[-8:]}"
        self.handled[made] = []
        for topic in (APPOINTMENTS, TENANTS):
            self.topics.pass_over(f"analytics.{made}", topic)
        return made

    def consumer(self, name: str, model: type[Event]) -> EventConsumer:
        async def handle(_conn: Connection, event: Event, envelope: Envelope) -> None:
            if name in self.failing:
                raise PermanentError(f"no such plan; asked for by {envelope.subject}")
            self.handled[name].append(UUID(envelope.id))

        return EventConsumer(
            "analytics",
            name,
            self.db,
            self.kafka,
            topics=[model.TOPIC],
            handlers={model: handle},
            across_tenants=True,
        )

    @asynccontextmanager
    async def open(self, model: type[Event], *names: str) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
            for consumer in [self.consumer(name, model) for name in names]:
                tasks.create_task(consumer.run(stop, Heartbeat(consumer.name, limit=60)))
            try:
                yield
            finally:
                stop.set()

    async def until(self, holds: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(45):
                while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - of several kinds
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"not seen: {what}; handled {self.handled}")

    def dead(self, name: str) -> int:
        """How many letters a consumer has written."""
        own = ("dl_consumer", f"analytics.{name}".encode())
        return sum(
            own in letter.headers and "dl_error" in dict(letter.headers)
            for letter in self.topics.messages("analytics.dlq.v1")
        )


@pytest.fixture
async def desk(databases: Databases, broker: Broker) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        db = Database(databases.for_service("analytics").settings, application="test")
        await db.open()
        stack.push_async_callback(db.close)
        env = broker.service_env("analytics")
        kafka = KafkaSettings(
            bootstrap=env["KAFKA_BOOTSTRAP"],
            security_protocol="SASL_PLAINTEXT",
            username=env["KAFKA_USERNAME"],
            password=SecretStr(env["KAFKA_PASSWORD"]),
        )
        yield Desk(db, kafka, Topics(broker.super_user()))


@pytest.fixture
def command(steward: Environment) -> Command:
    return Command(steward)


@pytest.fixture
def box(steward: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeadLetterBox]:
    for name, value in steward.items():
        monkeypatch.setenv(name, value)
    with closing(DeadLetterBox(KafkaSettings())) as made:
        yield made


async def failed(desk: Desk, event: Event, name: str, *others: str) -> UUID:
    """Publishes an event that consumer `name` cannot take, and the others can; answers its id."""
    desk.failing.add(name)
    before = desk.dead(name)
    async with desk.open(type(event), name, *others):
        event_id = UUID(await asyncio.to_thread(desk.topics.publish, event))
        await desk.until(
            lambda: desk.dead(name) > before and all(event_id in desk.handled[other] for other in others),
            "the dead letter",
        )
    desk.failing.discard(name)
    return event_id


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
        await asyncio.to_thread(lambda: box.redrive(box.letter(row["id"])))
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
    (_first, again) = [record for record in records if record.key == str(lasting.tenant_id).encode()]
    assert "dl_for" not in dict(again.headers)


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
    assert await asyncio.to_thread(count, "--consumer", "billing") == 0


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
    results = command.redrive("--consumer", "analytics.forged")
    assert set(results.values()) == {"refused"}
    assert len(results) == 5


def test_a_kafka_that_is_away_or_refuses_is_said(command: Command) -> None:
    away = command.run("list", SLOTWRIGHT_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (away.returncode, away.stdout) == (1, "")
    assert "cannot be read" in away.stderr.splitlines()[-1]
    wrong = command.run("list", SLOTWRIGHT_KAFKA_SECURITY_PROTOCOL="nonsense")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "SLOTWRIGHT_KAFKA_SECURITY_PROTOCOL" in wrong.stderr
