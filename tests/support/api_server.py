"""A real API server: etcd and kube-apiserver from PATH, with RBAC, the CRDs and the operator's rights applied.

Used by tests/operator. Users are told apart by tokens: the cluster's admin, and the operator, whose rights
are those of operator/rbac.yaml and no more.
"""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack.processes import end_with_parent, free_port

ROOT = Path(__file__).parents[2]
PROGRAMS = ("etcd", "kube-apiserver")
_START_SECONDS = 60.0
_PATHS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Tenant": "/apis/slotwright.io/v1alpha1/tenants",
    "Plan": "/apis/slotwright.io/v1alpha1/plans",
}
_MERGE = {"Content-Type": "application/merge-patch+json"}

Body = dict[str, Any]


class ApiServer:
    """One control plane without nodes; `close` ends it and removes its files."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tokens = {name: secrets.token_urlsafe(24) for name in ("admin", "slotwright-operator")}
        self._port = free_port()
        try:
            self._start(free_port(), free_port())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(20)
        shutil.rmtree(self._home)

    def kubeconfig(self, folder: Path) -> Path:
        """The operator's way to the API server."""
        path = folder / "kubeconfig.json"
        name = "slotwright-operator"
        authority = str(self._home / "certs" / "apiserver.crt")
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {"server": self._url(), "certificate-authority": authority},
                        }
                    ],
                    "users": [{"name": name, "user": {"token": self._tokens[name]}}],
                }
            ),
            "utf-8",
        )
        return path

    def admin(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._url(),
            headers={"Authorization": f"Bearer {self._tokens['admin']}"},
            verify=False,  # noqa: S501 - a certificate that the server has just made itself
        )

    def create(self, body: Body) -> httpx.Response:
        """The API server's answer; a namespace that exists already is no matter."""
        path = _PATHS[body["kind"]].format(namespace=body["metadata"].get("namespace", ""))
        with self.admin() as client:
            return client.post(path, json=body)

    def patch(self, kind: str, name: str, change: Body) -> httpx.Response:
        with self.admin() as client:
            return client.patch(f"{_PATHS[kind]}/{name}", json=change, headers=_MERGE)

    def get(self, kind: str, name: str) -> Body | None:
        with self.admin() as client:
            answer = client.get(f"{_PATHS[kind]}/{name}")
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def delete(self, kind: str, name: str) -> None:
        with self.admin() as client:
            client.delete(f"{_PATHS[kind]}/{name}")

    def read(self, path: str) -> Body:
        with self.admin() as client:
            body: Body = client.get(path).raise_for_status().json()
            return body

    def _url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def _start(self, client_port: int, peer_port: int) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        account_key = self._home / "accounts.key"
        account_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        tokens = self._home / "tokens.csv"
        tokens.write_text(
            f'{self._tokens["admin"]},admin,admin,"system:masters"\n'
            f"{self._tokens['slotwright-operator']},slotwright-operator,slotwright-operator\n",
            "utf-8",
        )
        etcd = f"http://127.0.0.1:{client_port}"
        peer = f"http://127.0.0.1:{peer_port}"
        self._run(
            "etcd",
            f"--data-dir={self._home / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self._home / 'certs'}",
            f"--service-account-key-file={account_key}",
            f"--service-account-signing-key-file={account_key}",
            "--service-account-issuer=https://slotwright.test",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.96.0.0/24",
        )
        self._wait()
        for path in [*sorted((ROOT / "crds").glob("*.yaml")), ROOT / "operator" / "rbac.yaml"]:
            for body in yaml.safe_load_all(path.read_text("utf-8")):
                answer = self.create(body)
                assert answer.status_code == 201, f"{path.name}: {answer.text}"
        self._until(lambda client: all(client.get(_PATHS[kind]).is_success for kind in ("Tenant", "Plan")))

    def _run(self, program: str, *arguments: str) -> None:
        found = shutil.which(program)
        assert found is not None, f"{program} is not on PATH"
        with (self._home / f"{program}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [found, *arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"HOME": str(self._home)},
                    preexec_fn=end_with_parent,  # noqa: PLW1509 - a single prctl call
                )
            )

    def _wait(self) -> None:
        self._until(lambda client: client.get("/readyz").is_success)
        # `default` is made by the server itself, a moment after it is ready.
        self._until(lambda client: client.get("/api/v1/namespaces/default").is_success)

    def _until(self, holds: Any) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with self.admin() as client:
            while True:
                try:
                    if holds(client):
                        return
                except httpx.TransportError:
                    pass
                dead = [process for process in self._processes if process.poll() is not None]
                if dead or time.monotonic() > deadline:
                    raise AssertionError(f"the API server did not start\n{self._last_lines()}")
                time.sleep(0.05)

    def _last_lines(self) -> str:
        return "\n".join(log.read_text("utf-8", "replace")[-2000:] for log in self._home.glob("*.log"))
