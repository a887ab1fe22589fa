"""The whole platform on this machine: which servers it has, in what order they come up, and what is made in them.

Run by `python -m devstack supervise`, under a Supervisor. The servers start at once; then databases, topics, users,
CRDs and rights are made where they are missing; then every process of ours starts.
"""

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from contracts.topics import PARTS
from devstack.errors import StackError
from devstack.kafka import Kafka, create_topics, create_user
from devstack.kubernetes import OPERATOR, Kubernetes
from devstack.mailpit import Mailpit
from devstack.postgres import Postgres, ensure_service
from devstack.processes import script
from devstack.services import DATABASE_SERVICES, HTTP_SERVICES, Backing, Command, Wiring
from devstack.state import PartState, StackFolder
from devstack.supervisor import Supervisor
from servicekit.migrate import migrate
from servicekit.settings import DatabaseSettings

ROOT = Path(__file__).parents[3]
"""The checkout: CRDs and rights are applied from it."""


class Stack:
    """One stack in a folder; `start` is what a Supervisor runs."""

    def __init__(self, folder: StackFolder, gateway_port: int | None = None) -> None:
        self._folder = folder
        self._wiring = Wiring(folder, gateway_port)
        self._postgres = Postgres(folder.path / "postgres", port=folder.port("postgres"))
        self._kafka = Kafka(folder.path / "kafka", port=folder.port("kafka"))
        self._kubernetes = Kubernetes(folder.path / "kubernetes", port=folder.port("kubernetes", 6443))
        self._mailpit = Mailpit(folder.path / "mailpit", port=folder.port("mailpit", 8025))

    def start(self, supervisor: Supervisor) -> dict[str, str]:
        """Brings everything up; answers the variables that other programs need. Raises StackError."""
        servers: dict[str, Callable[[], None]] = {
            "kubernetes": lambda: self._start_kubernetes(supervisor),
            "kafka": lambda: self._start_kafka(supervisor),
            "postgres": lambda: self._start_postgres(supervisor),
            "mailpit": lambda: self._start_mailpit(supervisor),
        }
        for name in (*servers, "databases", "stripe", "gateway", *HTTP_SERVICES, "operator"):
            supervisor.tell(name, PartState.WAITING)
        supervisor.together(servers)
        standin = None if self._wiring.uses_stripe else self._wiring.stripe_standin()
        backing = Backing(
            postgres_port=self._postgres.port,
            kafka_port=self._kafka.port,
            smtp_port=self._mailpit.smtp_port,
            mail_url=self._mailpit.url,
            stripe_url=standin.url if standin else None,
            operator_kubeconfig=self._folder.path / "operator.kubeconfig",
        )
        supervisor.together({"databases": lambda: self._prepare(supervisor, backing)})
        commands = self._wiring.commands(backing)
        if standin:
            commands["stripe"] = standin
        supervisor.together(
            {name: partial(_run, supervisor, name, command) for name, command in commands.items()}
        )
        return {
            "KUBECONFIG": str(self._folder.admin_kubeconfig),
            "SLOTWRIGHT_URL": self._wiring.public_url,
            "SLOTWRIGHT_MAIL_URL": backing.mail_url,
            "SLOTWRIGHT_STRIPE_URL": backing.stripe_url or "",
        }

    def _start_postgres(self, supervisor: Supervisor) -> None:
        supervisor.at_end("postgres", self._postgres.stop)
        self._postgres.start()
        supervisor.watch_server("postgres", self._postgres.running(), self._postgres.log)

    def _start_kafka(self, supervisor: Supervisor) -> None:
        supervisor.at_end("kafka", self._kafka.stop)
        self._kafka.start(partial(supervisor.progress, "kafka"))
        supervisor.watch_server("kafka", self._kafka.running(), self._kafka.log)
        admin = AdminClient(dict(self._kafka.client_config()))
        create_topics(admin)
        for user in PARTS:
            create_user(admin, user, self._wiring.kafka_password(user))

    def _start_mailpit(self, supervisor: Supervisor) -> None:
        supervisor.at_end("mailpit", self._mailpit.stop)
        self._mailpit.start(partial(supervisor.progress, "mailpit"))
        assert self._mailpit.process is not None  # noqa: S101 - `start` has come back
        supervisor.watch_server("mailpit", self._mailpit.process, self._mailpit.log, self._mailpit.url)

    def _start_kubernetes(self, supervisor: Supervisor) -> None:
        supervisor.at_end("kubernetes", self._kubernetes.stop)
        self._kubernetes.start(partial(supervisor.progress, "kubernetes"))
        for name, process in self._kubernetes.processes.items():
            supervisor.watch_server(name, process, self._kubernetes.log(name))
            supervisor.tell(name, PartState.READY)
        admin = self._kubernetes.write_kubeconfig(self._folder.admin_kubeconfig)
        self._kubernetes.write_kubeconfig(self._folder.path / "operator.kubeconfig", OPERATOR)
        supervisor.tell("kubernetes", PartState.STARTING, "CRDs and rights", url=self._kubernetes.url)
        crds = ROOT / "crds"
        _kubectl(admin, "apply", "--server-side", "-f", str(crds), "-f", str(ROOT / "operator" / "rbac.yaml"))
        _kubectl(admin, "wait", "--for=condition=Established", "--timeout=30s", "-f", str(crds))

    def _prepare(self, supervisor: Supervisor, backing: Backing) -> None:
        """One after the other: Alembic's context is the process's, not a thread's."""
        for service in DATABASE_SERVICES:
            supervisor.progress("databases", service)
            ensure_service(self._postgres.url(), service, self._wiring.database_password(service))
            url = SecretStr(self._wiring.migration_url(service, backing))
            migrate(service, DatabaseSettings(migration_database_url=url))


def _run(supervisor: Supervisor, name: str, command: Command) -> None:
    supervisor.run_service(name, command.argv, command.env, command.url, command.ready)


def _kubectl(kubeconfig: Path, *arguments: str) -> None:
    done = subprocess.run(
        [script("kubectl"), "--kubeconfig", kubeconfig, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise StackError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
