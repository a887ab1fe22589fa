"""The whole platform on this machine: which servers it has, in what order they come up, and what is made in them.

Run by `python -m devstack supervise`, under a Supervisor. The servers start at once; then databases, topics, users,
CRDs and rights are made where they are missing; then every process of ours starts.
"""

from collections.abc import Callable
from functools import partial

from pydantic import SecretStr

from devstack.cluster import ROOT
from devstack.kubernetes import OPERATOR, Kubernetes, kubectl
from devstack.postgres import ensure_service
from devstack.servers import Servers, chosen, make_topics
from devstack.services import DATABASE_SERVICES, HTTP_SERVICES, Backing, Command, Wiring
from devstack.state import PartState, StackFolder
from devstack.supervisor import Supervisor
from servicekit.migrate import migrate
from servicekit.settings import DatabaseSettings


class Stack:
    """One stack in a folder; `start` is what a Supervisor runs."""

    def __init__(self, folder: StackFolder, gateway_port: int | None = None) -> None:
        self._folder = folder
        self._wiring = Wiring(folder, gateway_port)
        self._kubernetes = Kubernetes(folder.path / "kubernetes", port=folder.port("kubernetes", 6443))

    def start(self, supervisor: Supervisor) -> dict[str, str]:
        """Brings everything up; answers the variables that other programs need. Raises StackError."""
        servers = chosen(self._folder, self._wiring)
        standin = servers.standin()
        steps: dict[str, Callable[[], None]] = {
            "kubernetes": lambda: self._start_kubernetes(supervisor),
            **servers.steps(supervisor),
        }
        stripe = ("stripe",) if standin else ()
        for name in (*steps, "databases", "topics", *stripe, "gateway", *HTTP_SERVICES, "operator"):
            supervisor.tell(name, PartState.WAITING)
        supervisor.together(steps)
        backing = servers.reached(self._folder.path / "operator.kubeconfig")
        supervisor.together(
            {
                "databases": lambda: self._prepare(supervisor, servers, backing),
                "topics": lambda: make_topics(servers, self._wiring),
            }
        )
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
            **servers.environment(),
        }

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
        kubectl(admin, "apply", "--server-side", "-f", str(crds), "-f", str(ROOT / "operator" / "rbac.yaml"))
        kubectl(admin, "wait", "--for=condition=Established", "--timeout=30s", "-f", str(crds))

    def _prepare(self, supervisor: Supervisor, servers: Servers, backing: Backing) -> None:
        """One after the other: Alembic's context is the process's, not a thread's."""
        for service in DATABASE_SERVICES:
            supervisor.progress("databases", service)
            ensure_service(servers.database_url(), service, self._wiring.database_password(service))
            url = SecretStr(self._wiring.migration_url(service, backing))
            migrate(service, DatabaseSettings(migration_database_url=url))


def _run(supervisor: Supervisor, name: str, command: Command) -> None:
    supervisor.run_service(name, command.argv, command.env, command.url, command.ready)
