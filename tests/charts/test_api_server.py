"""The API server takes every render, without a warning, into a namespace that enforces Pod Security `restricted`.

The CRDs of kinds that are not Kubernetes' own stand in vendored/.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from devstack.cluster import NAMESPACE, TENANTS_NAMESPACE, ClusterError, run
from support.api_server import ApiServer
from support.charts import (
    CASES,
    CHARTS,
    HERE,
    ROOT,
    SERVICES,
    SHARED,
    Values,
    merged,
    needed,
    objects,
    render,
)

_PRIORITY = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": "business"},
    "value": 1000,
}
"""That of production.yaml."""
_LEVELS = ("enforce", "warn", "audit")
_OURS = ("--namespace", NAMESPACE)


@dataclass(frozen=True)
class Server:
    kubeconfig: Path

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, given=given)

    def helm(self, *arguments: str, given: str | None = None) -> str:
        where = f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}"
        return run("helm", *where, *arguments, given=given)

    def shell(self, commands: str) -> None:
        """Runs commands of the documentation."""
        run(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            re.sub(r"\b(kubectl|helm) ", rf"\1 --kubeconfig={self.kubeconfig} ", commands),
        )

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


def _by_kubectl(server: Server, values: Values) -> None:
    """The Deployments alone, as kustomize's are."""
    bodies = [body for body in objects(render("slotwright", values)) if body["kind"] == "Deployment"]
    server.kubectl("apply", "--server-side", "-f", "-", *_OURS, given=yaml.safe_dump_all(bodies))


def _by_helm(server: Server, values: Values) -> None:
    """All but the operator, whose account and rights stand there already."""
    values = merged(values, {"operator": {"enabled": False}})
    chart = str(CHARTS / "slotwright")
    server.helm("upgrade", "--install", "slotwright", chart, "--values=-", given=json.dumps(values))


@pytest.mark.slow
@pytest.mark.parametrize("apply", [_by_kubectl, _by_helm])
@pytest.mark.parametrize(("handed_over", "pods"), [(True, 5), (False, 1)])
def test_autoscaling_takes_over_the_pods_that_there_are(
    server: Server, apply: Callable[[Server, Values], None], handed_over: bool, pods: int
) -> None:
    """By docs/install.md's command, without which all but one would end. Slow: Helm installs everything."""
    five = merged(SHARED, {"global": {"slotwright": {"replicas": 5, "roles": {"mode": "apart"}}}})
    try:
        apply(server, five)
        if handed_over:
            server.shell(_commands("## Autoscaling"))
        apply(server, merged(five, {"global": {"slotwright": {"autoscaling": {"enabled": True}}}}))
        found = json.loads(server.kubectl("get", "deployments", "-o", "json", *_OURS))["items"]
        replicas = {body["metadata"]["name"]: body["spec"]["replicas"] for body in found}
        relays = {name for name in replicas if name.endswith("-relay")}
        assert {replicas.pop(name) for name in relays} == {5}
        assert replicas.pop("slotwright-operator", 1) == 1
        assert set(replicas.values()) == {pods}
    finally:
        server.helm("uninstall", "slotwright", "--ignore-not-found")
        server.kubectl("delete", "deployments", "--all", *_OURS)


def test_a_rollback_finds_the_release_that_ran_and_another_upgrade_leaves_no_job_of_one_that_failed(
    server: Server,
) -> None:
    """By docs/install.md's commands. Nothing gets ready here, so that an upgrade that waits fails."""
    waits = ("--wait", "--timeout=1s")

    def upgraded(tag: str, *more: str) -> None:
        values = json.dumps(merged(needed("booking"), {"image": {"tag": tag}}))
        chart = str(CHARTS / "booking")
        server.helm("upgrade", "--install", "slotwright", chart, "--values=-", *more, given=values)

    def images() -> list[str]:
        found = json.loads(server.kubectl("get", "jobs", "-o", "json", *_OURS))["items"]
        return [body["spec"]["template"]["spec"]["containers"][0]["image"] for body in found]

    try:
        upgraded("ran")
        for tag in ("failed", "failed-too"):
            with pytest.raises(ClusterError, match="not ready"):
                upgraded(tag, *waits)
        history = json.loads(server.helm("history", "slotwright", "--output=json"))
        (ran,) = [str(each["revision"]) for each in history if each["status"] == "deployed"]
        back = _commands("**Rollback**, to the revision that `history` says ran before:\n").splitlines()[-1]
        server.shell(back.replace(" 3 --wait --timeout 10m", f" {ran}"))
        assert "slotwright/booking:ran" in server.helm("get", "manifest", "slotwright")

        with pytest.raises(ClusterError, match="not ready"):
            upgraded("failed", *waits)
        server.shell(_commands("Remove the failed one's Jobs before:\n"))
        upgraded("mended")
        assert images() == ["slotwright/booking:mended"]
    finally:
        server.helm("uninstall", "slotwright", "--ignore-not-found")
        server.kubectl("delete", "jobs", "--all", *_OURS)


def _commands(heading: str) -> str:
    """The first block of commands below a heading of docs/install.md."""
    page = (ROOT / "docs" / "install.md").read_text("utf-8").partition(f"{heading}\n")[2]
    block = re.search(r"(?:^    .*\n)+", page, re.MULTILINE)
    assert block is not None
    return block.group().replace("\n    ", "\n").strip()


def test_the_charts_operator_has_a_right_to_businesses_secrets_and_to_no_others(server: Server) -> None:
    """By its ServiceAccount's token, beside the one that operator/rbac.yaml has made."""
    kinds = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    text = render("operator", needed("operator"), {"fullnameOverride": "rendered"})
    # What is the cluster's has that name already.
    bodies = objects(text.replace("name: slotwright-operator\n", "name: rendered\n"))
    rights = yaml.safe_dump_all([body for body in bodies if body["kind"] in kinds])
    server.kubectl("apply", "--server-side", "-f", "-", given=rights)
    try:
        token = server.kubectl("create", "token", "rendered", *_OURS).strip()

        def asked(*arguments: str) -> str:
            return server.kubectl("--token", token, *arguments)

        def refused(*arguments: str) -> bool:
            with pytest.raises(ClusterError) as error:
                asked(*arguments)
            return "is forbidden: User" in str(error.value)

        theirs = ("--namespace", TENANTS_NAMESPACE)
        assert "created" in asked("create", "secret", "generic", "tenant-a-kafka", *theirs)
        assert "tenant-a-kafka" in asked("get", "secrets", *theirs)
        assert "deleted" in asked("delete", "secret", "tenant-a-kafka", *theirs)
        assert refused("create", "secret", "generic", "slotwright-stripe", *_OURS)
        assert refused("get", "secrets", *_OURS)
        assert refused("get", "secret", "slotwright-stripe", *_OURS)
        assert refused("delete", "secret", "slotwright-stripe", *_OURS)
        assert refused("get", "secrets", "--all-namespaces")
    finally:
        server.kubectl("delete", "-f", "-", given=rights)


def test_a_second_platform_is_refused(server: Server) -> None:
    """Whatever its release is called, by the first one's rights, which operator/rbac.yaml has made here."""
    values = json.dumps(needed("operator"))
    how = ("--dry-run=server", "--values=-")
    with pytest.raises(ClusterError) as refused:
        server.helm("install", "staging", str(CHARTS / "operator"), *how, given=values)
    assert 'ClusterRole "slotwright-operator" in namespace "" exists' in str(refused.value)


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
