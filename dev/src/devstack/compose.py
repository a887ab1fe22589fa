"""The servers of dev/compose.yaml in containers, for `make up BACKING=compose`; started and stopped with the stack.

One `docker compose up` in the foreground is the process that the supervisor watches: it ends when a container does.
Ports and passwords are the stack's, so that two stacks run beside each other. Used by `servers`.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from devstack import processes
from devstack.errors import StackError
from devstack.services import Backing, Command, Wiring
from devstack.state import StackFolder
from devstack.supervisor import Supervisor, last_lines

FILE = Path(__file__).parents[2] / "compose.yaml"
_PART = "containers"
_PORTS = {
    "postgres": 0,
    "kafka": 0,
    "smtp": 0,
    "mail": 8025,
    "valkey": 0,
    "stripe": 12111,
    "prometheus": 9090,
    "grafana": 3000,
}
"""What our processes or a person reach, with the port that is taken where it is free."""
_PASSWORD = "backing"  # noqa: S105 - a secret's name
_PULL_SECONDS = 1800.0
_STOP_SECONDS = 60
_TICK_SECONDS = 0.5


class Compose:
    """The containers of one stack."""

    def __init__(self, folder: StackFolder, wiring: Wiring) -> None:
        self._folder = folder
        self._wiring = wiring
        self._ports = {name: folder.port(name, preferred) for name, preferred in _PORTS.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def steps(self, supervisor: Supervisor) -> Mapping[str, Callable[[], None]]:
        return {_PART: lambda: self._start(supervisor)}

    def reached(self, operator_kubeconfig: Path) -> Backing:
        return Backing(
            postgres_port=self._ports["postgres"],
            kafka_port=self._ports["kafka"],
            smtp_port=self._ports["smtp"],
            mail_url=self._url("mail"),
            stripe_url=None if self._wiring.uses_stripe else self._url("stripe"),
            operator_kubeconfig=operator_kubeconfig,
        )

    def database_url(self) -> str:
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._ports['postgres']}/postgres"

    def kafka_config(self) -> Mapping[str, str]:
        return {
            "bootstrap.servers": f"127.0.0.1:{self._ports['kafka']}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "admin",
            "sasl.password": self._password,
        }

    def standin(self) -> Command | None:
        return None

    def environment(self) -> Mapping[str, str]:
        return {
            "SLOTWRIGHT_PROMETHEUS_URL": self._url("prometheus"),
            "SLOTWRIGHT_GRAFANA_URL": self._url("grafana"),
        }

    @classmethod
    def remove(cls, folder: StackFolder) -> None:
        """Removes the containers' data. Raises StackError."""
        _docker(folder, {}, "down", "--volumes")

    @property
    def _password(self) -> str:
        return self._folder.secret(_PASSWORD)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def variables(self) -> dict[str, str]:
        """The variables of compose.yaml."""
        ports = {f"SLOTWRIGHT_{name.upper()}_PORT": str(port) for name, port in self._ports.items()}
        return {
            **ports,
            "SLOTWRIGHT_BACKING_PASSWORD": self._password,
            "SLOTWRIGHT_STRIPE_KEY": self._wiring.stripe_key,
            "SLOTWRIGHT_STRIPE_WEBHOOK_SECRET": self._wiring.webhook_secret,
            "SLOTWRIGHT_URL": self._wiring.public_url,
            "SLOTWRIGHT_TARGETS": str(self._targets),
        }

    @property
    def _targets(self) -> Path:
        return self._folder.path / "targets"

    def _start(self, supervisor: Supervisor) -> None:
        self._write_targets()
        env = self.variables()
        services = _docker(self._folder, env, "config", "--services").split()
        if self._wiring.uses_stripe:
            services.remove("stripe")
        supervisor.at_end(_PART, self._stop)
        path, out = self._folder.open_log(_PART)
        with out:
            command = [*_command(self._folder), "up", "--abort-on-container-exit", "--no-color", *services]
            self._process = processes.start(command, out, os.environ | env)
        supervisor.watch_server(_PART, self._process, path, self._url("grafana"))
        deadline = time.monotonic() + _PULL_SECONDS
        while not self._healthy(env, services):
            supervisor.go_on()
            if time.monotonic() > deadline:
                raise StackError(f"The containers were not healthy in time. From {path}:\n{last_lines(path)}")
            supervisor.progress(_PART, "pulls, builds and starts them")
            time.sleep(_TICK_SECONDS)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_STOP_SECONDS)
            self._process = None
            try:
                _docker(self._folder, self.variables(), "down")
            except StackError as error:
                raise OSError(str(error)) from error  # which does not keep the rest from being stopped

    def _healthy(self, env: Mapping[str, str], services: list[str]) -> bool:
        rows = _docker(self._folder, env, "ps", "--format", "json").splitlines()
        found = {row["Service"]: row["Health"] for row in map(json.loads, rows)}
        return all(found.get(service) == "healthy" for service in services)

    def _write_targets(self) -> None:
        """Where Prometheus finds our processes."""
        commands = self._wiring.commands(self.reached(self._folder.path))
        found = [
            {"targets": [urlsplit(command.url).netloc], "labels": {"service": name}}
            for name, command in commands.items()
        ]
        self._targets.mkdir(exist_ok=True)
        (self._targets / "services.json").write_text(json.dumps(found, indent=1), "utf-8")


def _command(folder: StackFolder) -> list[str]:
    """The project's name is the folder's: another folder is another stack."""
    digest = hashlib.sha256(str(folder.path).encode()).hexdigest()[:8]
    return ["docker", "compose", "--file", str(FILE), "--project-name", f"slotwright-{digest}"]


def _docker(folder: StackFolder, env: Mapping[str, str], *arguments: str) -> str:
    if shutil.which("docker") is None:
        raise StackError("BACKING=compose needs docker on PATH, with its compose plugin.")
    done = subprocess.run(
        [*_command(folder), *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise StackError(f"docker compose {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
