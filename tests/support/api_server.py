"""A real API server with RBAC, the CRDs and the operator's rights applied; built where it is missing.

Used by tests/operator and tests/charts. Users are told apart by tokens: the cluster's admin, and the operator,
whose rights are those of operator/rbac.yaml and no more.
"""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from devstack.kubernetes import ADMIN, OPERATOR, Kubernetes

ROOT = Path(__file__).parents[2]
_ESTABLISH_SECONDS = 30.0
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
MERGE = {"Content-Type": "application/merge-patch+json"}

Body = dict[str, Any]


class ApiServer:
    """One control plane without nodes; `close` ends it and removes its files."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
        self._server = Kubernetes(self._home / "kubernetes", durable=False)
        try:
            self._server.start()
            self._apply()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._server.stop()
        shutil.rmtree(self._home)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Meanwhile it takes connections and answers nothing."""
        process = self._server.processes["kube-apiserver"]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def kubeconfig(self, folder: Path) -> Path:
        """The operator's way to the API server."""
        return self._server.write_kubeconfig(folder / "kubeconfig.json", OPERATOR)

    def admin_kubeconfig(self, folder: Path) -> Path:
        """For programs that act as the cluster's admin."""
        return self._server.write_kubeconfig(folder / "admin.json", ADMIN)

    def admin(self) -> httpx.Client:
        return self._server.client()

    def operator(self) -> httpx.Client:
        """With the operator's rights."""
        return self._server.client(OPERATOR)

    def create(self, body: Body) -> httpx.Response:
        """The API server's answer, asked as kubectl does: a field that it does not know is an error.

        A namespace that exists already is no matter.
        """
        path = _PATHS[body["kind"]].format(namespace=body["metadata"].get("namespace", ""))
        with self.admin() as client:
            return client.post(path, json=body, params={"fieldValidation": "Strict"})

    def patch(self, kind: str, name: str, change: Body) -> httpx.Response:
        with self.admin() as client:
            return client.patch(f"{_PATHS[kind]}/{name}", json=change, headers=MERGE)

    def get(self, kind: str, name: str) -> Body | None:
        with self.admin() as client:
            answer = client.get(f"{_PATHS[kind]}/{name}")
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def delete(self, kind: str, name: str) -> None:
        with self.admin() as client:
            client.delete(f"{_PATHS[kind]}/{name}")

    def remove(self, path: str) -> None:
        """Deletes what stands under a path; nothing may stand there."""
        with self.admin() as client:
            assert client.delete(path).status_code in {200, 404}

    def read(self, path: str) -> Body:
        with self.admin() as client:
            body: Body = client.get(path).raise_for_status().json()
            return body

    def _apply(self) -> None:
        for path in [*sorted((ROOT / "crds").glob("*.yaml")), ROOT / "operator" / "rbac.yaml"]:
            for body in yaml.safe_load_all(path.read_text("utf-8")):
                answer = self.create(body)
                assert answer.status_code == 201, f"{path.name}: {answer.text}"
        deadline = time.monotonic() + _ESTABLISH_SECONDS
        with self.admin() as client:
            while not all(client.get(_PATHS[kind]).is_success for kind in ("Tenant", "Plan")):
                assert time.monotonic() < deadline, "the CRDs are not served"
                time.sleep(0.05)
