"""What tests of dead letters stand on: consumers that fail on demand, and the operator's command as a process.

The command has just the rights that the list of topics gives the operator: its user is no super user here. Used by
test_redrive and test_very_many_letters.
"""

import asyncio
import json
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.events import Topics
from support.programs import Program

APPOINTMENTS, TENANTS = AppointmentBooked.TOPIC, TenantChanged.TOPIC
Environment = dict[str, str]


def steward_of(broker: Broker) -> Environment:
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
            async with asyncio.timeout(60):
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
