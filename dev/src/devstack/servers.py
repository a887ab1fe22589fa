"""What the platform stands on beside the API server, in one of two ways: processes of ours, or containers.

Used by `stack`, to which the two look the same. A stack keeps to the way it was first started in.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from confluent_kafka.admin import AdminClient

from contracts.topics import PARTS
from devstack import postgres
from devstack.compose import Compose
from devstack.errors import StackError
from devstack.kafka import Kafka, create_topics, create_user
from devstack.mailpit import Mailpit
from devstack.postgres import Postgres
from devstack.services import Backing, Command, Wiring
from devstack.state import StackFolder
from devstack.supervisor import Supervisor

EMBEDDED, COMPOSE = "embedded", "compose"
_VARIABLE = "SLOTWRIGHT_BACKING"
_KEPT = "backing"


class Servers(Protocol):
    """PostgreSQL, Kafka, the mailbox and Stripe's stand-in; reached once they have started."""

    def steps(self, supervisor: Supervisor) -> Mapping[str, Callable[[], None]]:
        """How they are started, by name; each may run beside the others."""

    def reached(self, operator_kubeconfig: Path) -> Backing:
        """How our processes reach them."""

    def database_url(self) -> str:
        """PostgreSQL's, as its superuser."""

    def kafka_config(self) -> Mapping[str, str]:
        """librdkafka's configuration of Kafka's super user."""

    def standin(self) -> Command | None:
        """The stand-in for Stripe, where it is a process of ours."""

    def environment(self) -> Mapping[str, str]:
        """What a person may want to know beside the rest."""


def chosen(folder: StackFolder, wiring: Wiring) -> Servers:
    """Those that SLOTWRIGHT_BACKING names (`make up BACKING=…`), or that the folder has. Raises StackError."""
    kept = folder.path / _KEPT
    before = kept.read_text("utf-8") if kept.exists() else ""
    wanted = os.environ.get(_VARIABLE) or before or EMBEDDED
    if wanted not in {EMBEDDED, COMPOSE}:
        raise StackError(f"{_VARIABLE} is {wanted!r}: it can be {EMBEDDED} or {COMPOSE}.")
    if before and before != wanted:
        raise StackError(
            f"What is in {folder.path} was made with BACKING={before}. Set SLOTWRIGHT_STATE to another folder, or"
            " remove what is there: `python -m devstack clean`."
        )
    kept.write_text(wanted, "utf-8")
    return Compose(folder, wiring) if wanted == COMPOSE else Embedded(folder, wiring)


def remove(folder: StackFolder) -> None:
    """Removes what they keep outside the folder. Raises StackError."""
    kept = folder.path / _KEPT
    if kept.exists() and kept.read_text("utf-8") == COMPOSE:
        Compose.remove(folder)
    postgres.remove(folder.path / "postgres")


def make_topics(servers: Servers, wiring: Wiring) -> None:
    """The topics and users that are missing."""
    admin = AdminClient(dict(servers.kafka_config()))
    create_topics(admin)
    for user in PARTS:
        create_user(admin, user, wiring.kafka_password(user))


class Embedded:
    """Each a process of ours; the stand-in for Stripe is one like the services."""

    def __init__(self, folder: StackFolder, wiring: Wiring) -> None:
        self._wiring = wiring
        self._postgres = Postgres(folder.path / "postgres", port=folder.port("postgres"))
        self._kafka = Kafka(folder.path / "kafka", port=folder.port("kafka"))
        self._mailpit = Mailpit(folder.path / "mailpit", port=folder.port("mailpit", 8025))

    def steps(self, supervisor: Supervisor) -> Mapping[str, Callable[[], None]]:
        return {
            "kafka": lambda: self._start_kafka(supervisor),
            "postgres": lambda: self._start_postgres(supervisor),
            "mailpit": lambda: self._start_mailpit(supervisor),
        }

    def reached(self, operator_kubeconfig: Path) -> Backing:
        standin = self.standin()
        return Backing(
            postgres_port=self._postgres.port,
            kafka_port=self._kafka.port,
            smtp_port=self._mailpit.smtp_port,
            mail_url=self._mailpit.url,
            stripe_url=standin.url if standin else None,
            operator_kubeconfig=operator_kubeconfig,
        )

    def database_url(self) -> str:
        return self._postgres.url()

    def kafka_config(self) -> Mapping[str, str]:
        return self._kafka.client_config()

    def standin(self) -> Command | None:
        return None if self._wiring.uses_stripe else self._wiring.stripe_standin()

    def environment(self) -> Mapping[str, str]:
        return {}

    def _start_postgres(self, supervisor: Supervisor) -> None:
        supervisor.at_end("postgres", self._postgres.stop)
        self._postgres.start()
        supervisor.watch_server("postgres", self._postgres.running(), self._postgres.log)

    def _start_kafka(self, supervisor: Supervisor) -> None:
        supervisor.at_end("kafka", self._kafka.stop)
        self._kafka.start(partial(supervisor.progress, "kafka"))
        supervisor.watch_server("kafka", self._kafka.running(), self._kafka.log)

    def _start_mailpit(self, supervisor: Supervisor) -> None:
        supervisor.at_end("mailpit", self._mailpit.stop)
        self._mailpit.start(partial(supervisor.progress, "mailpit"))
        assert self._mailpit.process is not None  # noqa: S101 - `start` has come back
        supervisor.watch_server("mailpit", self._mailpit.process, self._mailpit.log, self._mailpit.url)
