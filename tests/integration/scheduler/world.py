"""The scheduler as a process on real Postgres and Kafka; how a test asks for reminders and sees what came due."""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from pydantic import SecretStr

from contracts.booking import Channel, ReminderRequested, ReminderWithdrawn
from contracts.model import Event
from contracts.platform import TenantChanged
from contracts.scheduler import ReminderDue
from devstack.processes import free_port
from servicekit.clock import utc_now
from servicekit.ids import new_id
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics, until
from support.processes import SOON_GONE, Running, run_service
from support.programs import Program
from support.tenants import new_tenant


def requested(tenant_id: UUID, due_at: datetime, **fields: Any) -> ReminderRequested:
    """A reminder an hour before its appointment, unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "tenant_id": tenant_id,
        "reminder_id": new_id(),
        "appointment_id": new_id(),
        "appointment_version": 1,
        "rule_id": new_id(),
        "channel": Channel.EMAIL,
        "service_id": new_id(),
        "staff_ids": [new_id()],
        "customer_id": new_id(),
        "due_at": due_at,
        "starts_at": due_at + timedelta(hours=1),
        "timezone": "Europe/Lisbon",
    }
    return ReminderRequested(**given | fields)


def withdrawn(request: ReminderRequested) -> ReminderWithdrawn:
    return ReminderWithdrawn(
        tenant_id=request.tenant_id,
        reminder_id=request.reminder_id,
        appointment_id=request.appointment_id,
        reason="cancelled",
    )


class World:
    """One database; `run` starts a process of the scheduler on it."""

    def __init__(self, database: ServiceDatabase, broker: Broker, folder: Path) -> None:
        self._database = database
        self._broker = broker
        self._folder = folder
        self.group = f"{new_id()}."
        self.topics = Topics(broker.super_user())
        self.settings = database.settings
        self.app_url = database.settings.database_url.get_secret_value()
        self.admin_url = database.admin_url
        self._published: set[str] = set()

    def run(self, **env: str) -> AbstractContextManager[Running]:
        """A ready process in its role `all`, ended by SIGTERM."""
        return run_service("scheduler", "all", self._folder, **(self._env() | env))

    def run_until_killed(self, fault: str) -> int:
        """Runs a process that kills itself at the named point, ready or not; its exit code."""
        settings = {f"SLOTWRIGHT_{name.upper()}": value for name, value in (self._env() | SOON_GONE).items()}
        own = {"SLOTWRIGHT_PORT": str(free_port()), "SLOTWRIGHT_FAULT": fault}
        return Program(["scheduler", "all"], settings | own, self._folder / "killed.log").wait(90)

    def _env(self) -> dict[str, str]:
        return {
            "database_url": self.app_url,
            "kafka_group_prefix": self.group,
            **self._broker.service_env("scheduler"),
        }

    def kafka(self) -> KafkaSettings:
        """For a consumer that runs in the test."""
        env = self._broker.service_env("scheduler")
        return KafkaSettings(
            bootstrap=env["KAFKA_BOOTSTRAP"],
            security_protocol="SASL_PLAINTEXT",
            username=env["KAFKA_USERNAME"],
            password=SecretStr(env["KAFKA_PASSWORD"]),
            group_prefix=self.group,
        )

    def publish(self, event: Event, *, event_id: str | None = None) -> str:
        """Writes the event, and remembers it for `settle`; answers its id."""
        told = self.topics.publish(event, event_id=event_id)
        self._published.add(told)
        return told

    def tenant(self, **fields: Any) -> TenantChanged:
        """A tenant as the operator announces it."""
        tenant = new_tenant(**fields)
        self.publish(tenant)
        return tenant

    def rows(self, statement: str, *values: object) -> list[DictRow]:
        """What is in the database, past row level security."""
        return self._database.rows(statement, *values)

    def change(self, statement: str, *values: object) -> None:
        """Alters the database, past row level security."""
        self._database.rows(statement, *values)

    def due(self, tenant_id: UUID) -> list[ReminderDue]:
        """What has come due for the tenant, each message counted."""
        return [
            event
            for event in self.topics.events(ReminderDue.TOPIC, tenant_id)
            if isinstance(event, ReminderDue)
        ]

    def await_due(self, tenant_id: UUID, count: int = 1) -> list[ReminderDue]:
        found: list[ReminderDue] = []

        def enough() -> bool:
            found[:] = self.due(tenant_id)
            return len(found) >= count

        until(enough, f"{count} reminders due")
        return found

    def await_timers(self, tenant_id: UUID, count: int) -> None:
        """Until that many timers are set."""
        statement = "SELECT 1 FROM timer WHERE tenant_id = %s AND due_at IS NOT NULL"
        until(lambda: len(self.rows(statement, tenant_id)) == count, f"{count} timers")

    def settle(self, tenant_id: UUID) -> None:
        """Until everything that was sent before is in effect, and what of it was due has fired.

        A last reminder alone would not tell: it may be in another partition than what came before.
        """
        found = "SELECT 1 FROM inbox WHERE event_id = ANY(%s)"
        until(
            lambda: len(self.rows(found, list(self._published))) == len(self._published),
            f"{len(self._published)} events in the inbox",
        )
        last = requested(tenant_id, utc_now())
        self.publish(last)
        until(
            lambda: any(event.reminder_id == last.reminder_id for event in self.due(tenant_id)),
            "the last reminder",
        )
