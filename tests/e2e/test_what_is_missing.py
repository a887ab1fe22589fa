"""What a person sees when something is missing, that it heals when it appears, and what an uninstall leaves.

Slow: the platform is rolled out, and waits for what is missing.
"""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from devstack.cluster import BACKING, PLATFORM, ROOT, TENANTS_NAMESPACE, ClusterError
from e2e.world import World
from support.events import until

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(empty_world: World) -> World:
    """CRDs, backing and Secrets are there; the platform is not."""
    empty_world.furnish()
    return empty_world


def test_what_is_missing_is_named_and_heals_and_an_uninstall_leaves_what_is_kept(
    bare: World, tmp_path: Path
) -> None:
    kubectl = bare.cluster.kubectl
    links = kubectl("get", "secret", "slotwright-links", "-o", "json")
    kubectl("delete", "secret", "slotwright-links")
    for server in ("postgres", "kafka"):
        kubectl("scale", f"statefulset/{BACKING}-{server}", "--replicas=0")
    bare.cluster.helm(
        *("upgrade", "--install", PLATFORM, str(ROOT / "charts" / "slotwright")),
        *("--values", str(ROOT / "dev" / "cluster" / "platform.yaml"), "--values", str(bare.platform_values)),
        *("--set", f"global.slotwright.image.tag={bare.tag}"),
    )

    # The database.
    until(
        lambda: "waiting for the database" in log(bare, "analytics", "migrate"),
        "the wait for the database",
        seconds=180,
    )
    assert f"{BACKING}-postgres" in log(bare, "analytics", "migrate")
    kubectl("scale", f"statefulset/{BACKING}-postgres", "--replicas=1")

    # The brokers: the operator cannot get ready, and its log names them.
    until(lambda: f"{BACKING}-kafka:9092" in log(bare, "operator", "all"), "the brokers' name", seconds=180)
    assert not ready(bare, "operator")
    kubectl("scale", f"statefulset/{BACKING}-kafka", "--replicas=1")
    until(lambda: ready(bare, "operator"), "the operator being ready", seconds=180)

    # The Secret: kubectl describe names it.
    until(lambda: "slotwright-links" in waiting_for(bare, "booking"), "the missing Secret", seconds=180)
    assert not ready(bare, "booking")
    secret = json.loads(links)
    secret["metadata"] = {"name": secret["metadata"]["name"]}
    kubectl("create", "-f", "-", given=json.dumps(secret))
    for deployment in kubectl("get", "deployments", "-o", "name").split():
        kubectl("rollout", "status", deployment, "--timeout=5m")

    # A CRD of an older release is upgraded, and no object is lost.
    bare.cluster.seed()
    before = kubectl("get", "tenant", "riverside", "-o", "jsonpath={.metadata.uid}")
    bare.cluster.helm("upgrade", "crds", str(older_crds(tmp_path)), "--wait")
    assert "default" not in crd_of_tenants(bare)["deletionPolicy"]
    bare.cluster.crds()
    assert "default" in crd_of_tenants(bare)["deletionPolicy"]
    assert kubectl("get", "tenant", "riverside", "-o", "jsonpath={.metadata.uid}") == before

    # The documented way out: businesses, platform, CRDs, what it stood on.
    kubectl("delete", "tenants", "--all", "--wait", "--timeout=3m")
    kubectl("delete", "plans", "--all")
    bare.cluster.helm("uninstall", PLATFORM, "--wait")
    bare.cluster.helm("uninstall", "crds", "--wait")
    bare.cluster.helm("uninstall", BACKING, "--wait")
    kept = kubectl("get", "crd", "-o", "name").split()
    assert kept == [
        f"customresourcedefinition.apiextensions.k8s.io/{kind}.slotwright.io" for kind in ("plans", "tenants")
    ]
    kinds = "all,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,leases"
    others = {
        "configmap/kube-root-ca.crt",
        "serviceaccount/default",
        "lease.coordination.k8s.io/slotwright-operator",
    }
    # Helm does not wait for pods to end.
    until(lambda: set(kubectl("get", kinds, "-o", "name").split()) <= others, "nothing is left", seconds=120)
    assert kubectl("get", "secrets,roles,rolebindings", "--namespace", TENANTS_NAMESPACE, "-o", "name") == ""
    for kind in ("clusterroles", "clusterrolebindings"):
        assert PLATFORM not in kubectl("get", kind, "-o", "name")


def older_crds(folder: Path) -> Path:
    """The chart as an older release might have had it: a field of a Tenant without its default."""
    chart = shutil.copytree(ROOT / "charts" / "crds", folder / "crds")
    (file,) = chart.glob("files/*tenants.yaml")
    crd = yaml.safe_load(file.read_text("utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["deletionPolicy"]["default"]
    file.write_text(yaml.safe_dump(crd), "utf-8")
    return chart


def log(world: World, chart: str, component: str) -> str:
    selector = f"app.kubernetes.io/name={chart},app.kubernetes.io/component={component}"
    try:
        return world.cluster.kubectl("logs", "--selector", selector, "--tail=200")
    except ClusterError:  # its container has not begun
        return ""


def ready(world: World, chart: str) -> bool:
    pods = world.pods(f"app.kubernetes.io/name={chart},app.kubernetes.io/component=all")
    return any(status["ready"] for pod in pods for status in pod["status"].get("containerStatuses", ()))


def waiting_for(world: World, chart: str) -> str:
    """What the kubelet says a container waits for."""
    return " ".join(
        status["state"].get("waiting", {}).get("message", "")
        for pod in world.pods(f"app.kubernetes.io/name={chart}")
        for status in pod["status"].get("containerStatuses", ())
    )


def crd_of_tenants(world: World) -> dict[str, dict[str, str]]:
    body = yaml.safe_load(world.cluster.kubectl("get", "crd", "tenants.slotwright.io", "-o", "yaml"))
    found: dict[str, dict[str, str]] = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][
        "spec"
    ]["properties"]
    return found
