"""The API server takes every render, without a warning, into a namespace that enforces Pod Security `restricted`.

The CRDs of kinds that are not Kubernetes' own stand in vendored/.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from devstack.cluster import NAMESPACE, TENANTS_NAMESPACE, ClusterError, run
from support.api_server import ApiServer
from support.charts import CASES, HERE, SERVICES, needed, objects, render

_PRIORITY = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": "business"},
    "value": 1000,
}
"""That of production.yaml."""
_LEVELS = ("enforce", "warn", "audit")


@dataclass(frozen=True)
class Server:
    kubeconfig: Path

    def dry_run(self, text: str) -> str:
        """What kubectl says of each object. Raises ClusterError with what the server complains or warns of."""
        how = ("--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")
        return run(
            "kubectl",
            f"--kubeconfig={self.kubeconfig}",
            "--warnings-as-errors",
            "apply",
            *how,
            "-f",
            "-",
            given=text,
        )

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, given=given)


@pytest.fixture(scope="module")
def server(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the CRDs that renders may need, and the namespace as `make kind-up` makes it, with warnings beside."""
    kubeconfig = api_server.admin_kubeconfig(tmp_path_factory.mktemp("admin"))
    kubectl = ("kubectl", f"--kubeconfig={kubeconfig}")
    vendored = sorted((HERE / "vendored").glob("*.yaml"))
    run(*kubectl, "apply", "--server-side", *(f"--filename={path}" for path in vendored))
    names = [yaml.safe_load(path.read_text("utf-8"))["metadata"]["name"] for path in vendored]
    run(*kubectl, "wait", "--for=condition=Established", "--timeout=30s", "crd", *names)
    run(*kubectl, "apply", "--server-side", "-f", "-", given=json.dumps(_PRIORITY))
    levels = [f"pod-security.kubernetes.io/{level}=restricted" for level in _LEVELS]
    run(*kubectl, "label", "namespace", NAMESPACE, *levels)
    yield Server(kubeconfig)
    run(
        *kubectl,
        "label",
        "namespace",
        NAMESPACE,
        *(f"pod-security.kubernetes.io/{level}-" for level in _LEVELS),
    )


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_a_render(server: Server, case: str) -> None:
    assert server.dry_run(render(*CASES[case]))


def test_the_api_server_takes_all_that_values_can_ask_for(server: Server) -> None:
    said = server.dry_run(render("slotwright", HERE / "values" / "everything.yaml"))
    for kind in ("servicemonitor", "prometheusrule", "httproute", "horizontalpodautoscaler", "ingress"):
        assert f"{kind}." in said


@pytest.mark.parametrize("service", SERVICES)
def test_the_api_server_takes_a_service_alone(server: Server, service: str) -> None:
    assert server.dry_run(render(service, needed(service)))


def test_the_charts_operator_has_a_right_to_businesses_secrets_and_to_no_others(server: Server) -> None:
    """By its ServiceAccount's token, beside the one that operator/rbac.yaml has made."""
    kinds = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    bodies = objects(render("operator", needed("operator"), {"fullnameOverride": "rendered"}))
    rights = yaml.safe_dump_all([body for body in bodies if body["kind"] in kinds])
    server.kubectl("apply", "--server-side", "-f", "-", given=rights)
    try:
        token = server.kubectl("create", "token", "rendered", "--namespace", NAMESPACE).strip()

        def asked(*arguments: str) -> str:
            return server.kubectl("--token", token, *arguments)

        def refused(*arguments: str) -> bool:
            with pytest.raises(ClusterError) as error:
                asked(*arguments)
            return "is forbidden: User" in str(error.value)

        theirs, ours = ("--namespace", TENANTS_NAMESPACE), ("--namespace", NAMESPACE)
        assert "created" in asked("create", "secret", "generic", "tenant-a-kafka", *theirs)
        assert "tenant-a-kafka" in asked("get", "secrets", *theirs)
        assert "deleted" in asked("delete", "secret", "tenant-a-kafka", *theirs)
        assert refused("create", "secret", "generic", "slotwright-stripe", *ours)
        assert refused("get", "secrets", *ours)
        assert refused("get", "secret", "slotwright-stripe", *ours)
        assert refused("delete", "secret", "slotwright-stripe", *ours)
        assert refused("get", "secrets", "--all-namespaces")
    finally:
        server.kubectl("delete", "-f", "-", given=rights)


@pytest.mark.parametrize(
    ("was", "bad", "words"),
    [
        ("runAsNonRoot: true", "runAsNonRoot: false", "violate PodSecurity"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true", "field not declared in schema"),
        ("progressDeadlineSeconds: 600", "progressDeadlineSeconds: soon", "progressDeadlineSeconds"),
        ("interval: 30s", "interval: soon", "spec.endpoints"),
        ("port: 8000", "port: 80000", "spec.rules[0].backendRefs[0].port"),
    ],
)
def test_a_render_that_is_wrong_is_refused(server: Server, was: str, bad: str, words: str) -> None:
    """What the tests above would say if it were so."""
    text = render("slotwright", HERE / "values" / "production.yaml")
    assert was in text
    with pytest.raises(ClusterError) as refused:
        server.dry_run(text.replace(was, bad))
    assert words in str(refused.value)
