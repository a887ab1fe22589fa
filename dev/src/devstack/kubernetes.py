"""A real API server on a port of its own: etcd and kube-apiserver, with RBAC on, no nodes and no controllers.

Used by the stack and by the tests of the operator. It has two users: the cluster's admin, and the operator, whose
rights are those of operator/rbac.yaml and no more. Data stays in the folder between starts.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack import processes
from devstack.archives import no_news
from devstack.binaries import ETCD, KUBE_APISERVER, program
from devstack.errors import StackError
from devstack.processes import free_port

ADMIN = "admin"
OPERATOR = "slotwright-operator"
_START_SECONDS = 180.0
_PROCESSES = 2


class KubernetesError(StackError):
    """The API server could not be made or started, or kubectl failed; the message says what was printed."""


class Kubernetes:
    """One control plane without nodes. `folder` holds what an earlier `start` made, or nothing."""

    def __init__(self, folder: Path, *, port: int = 0, durable: bool = True) -> None:
        self._folder = folder
        self._port = port
        self._durable = durable
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """etcd and kube-apiserver, once started."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def start(self, on_progress: Callable[[str], None] = no_news) -> None:
        """Builds what is missing, starts both and waits. Raises KubernetesError, BinaryError."""
        etcd = program(ETCD, lambda text: on_progress(f"etcd: {text}"))
        apiserver = program(KUBE_APISERVER, lambda text: on_progress(f"kube-apiserver: {text}"))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._port = free_port(self._port)
        on_progress("starts")
        store = self._start_etcd(etcd)
        self._start_apiserver(apiserver, store)
        self._wait()

    def stop(self) -> None:
        """The API server first, so that etcd has no client when it ends. A `start` under way then fails."""
        for name in reversed(tuple(self.processes)):
            processes.end(self.processes.pop(name), signal.SIGTERM)

    def token(self, user: str) -> str:
        """The user's bearer token."""
        return self._tokens()[user]

    def client(self, user: str = ADMIN) -> httpx.Client:
        """A client with the user's rights. The certificate is one that the server made itself."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token(user)}"},
            verify=False,  # noqa: S501 - on the loopback interface, checked by kubeconfigs
        )

    def write_kubeconfig(self, path: Path, user: str = ADMIN) -> Path:
        """A kubeconfig of the user, readable by nobody else."""
        cluster = {
            "server": self.url,
            "certificate-authority": str(self._folder / "certs" / "apiserver.crt"),
        }
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "slotwright",
            "contexts": [{"name": "slotwright", "context": {"cluster": "slotwright", "user": user}}],
            "clusters": [{"name": "slotwright", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(body, indent=1), "utf-8")
        return path

    def _tokens(self) -> dict[str, str]:
        rows = (self._folder / "tokens.csv").read_text("utf-8").splitlines()
        return {user: token for token, user, *_ in (row.split(",") for row in rows)}

    def _start_etcd(self, binary: Path) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._run(
            "etcd",
            binary,
            {
                "data-dir": str(self._folder / "etcd"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"default={peer}",
                "force-new-cluster": "true",
                **({} if self._durable else {"unsafe-no-fsync": "true"}),
            },
        )
        return client

    def _start_apiserver(self, binary: Path, store: str) -> None:
        key, tokens = self._folder / "accounts.key", self._folder / "tokens.csv"
        if not key.exists():
            _private(key, _new_key())
        if not tokens.exists():
            rows = [
                f'{secrets.token_urlsafe(24)},{ADMIN},{ADMIN},"system:masters"',
                f"{secrets.token_urlsafe(24)},{OPERATOR},{OPERATOR}",
            ]
            _private(tokens, "\n".join(rows).encode() + b"\n")
        self._run(
            "kube-apiserver",
            binary,
            {
                "etcd-servers": store,
                "secure-port": str(self._port),
                "bind-address": "127.0.0.1",
                "cert-dir": str(self._folder / "certs"),
                "service-account-key-file": str(key),
                "service-account-signing-key-file": str(key),
                "service-account-issuer": "https://kubernetes.slotwright.local",
                "authorization-mode": "RBAC",
                "token-auth-file": str(tokens),
                # No controller makes the account that it would ask for.
                "disable-admission-plugins": "ServiceAccount",
                "service-cluster-ip-range": "10.96.0.0/24",
            },
        )

    def _run(self, name: str, binary: Path, flags: Mapping[str, str]) -> None:
        with self.log(name).open("wb") as log:
            self.processes[name] = processes.start(
                [binary, *(f"--{flag}={value}" for flag, value in flags.items())],
                log,
                os.environ | {"HOME": str(self._folder)},
                # The API server keeps nothing itself, and asked to end it waits long for an etcd that has ended.
                orphaned=signal.SIGINT if name == "etcd" else signal.SIGKILL,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with self.client() as client:
            # `default` is made by the server itself, a moment after it is ready.
            for path in ("/readyz", "/api/v1/namespaces/default"):
                while not _answers(client, path):
                    if len(self.processes) < _PROCESSES:
                        raise KubernetesError("It was stopped while it started.")
                    for name, process in tuple(self.processes.items()):
                        if process.poll() is not None or time.monotonic() > deadline:
                            log = self.log(name).read_text("utf-8", "replace")
                            raise KubernetesError(
                                f"{name} did not start. From {self.log(name)}:\n{log[-2000:]}"
                            )
                    time.sleep(0.05)


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    """What kubectl prints. Raises KubernetesError with what it says on a failure."""
    done = subprocess.run(
        [processes.script("kubectl"), "--kubeconfig", kubeconfig, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise KubernetesError(f"kubectl {' '.join(arguments)}: {said}")
    return done.stdout


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.TransportError:
        return False


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
