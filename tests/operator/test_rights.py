"""What the operator may do with Secrets, and how those of an older release come to where it may (docs/adr/0022).

The operator of these tests has the rights of operator/rbac.yaml and no more, which are the chart's (tests/charts).
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devstack.kubernetes import OPERATOR
from devstack.processes import script
from support.api_server import MERGE, ROOT, Body
from support.operator_world import OperatorWorld, condition, eventually, fresh, tenant

PLATFORM = "/api/v1/namespaces/slotwright/secrets"
TENANTS = "/api/v1/namespaces/slotwright-tenants/secrets"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/slotwright/leases"
_RBAC = "rbac.authorization.k8s.io"
_BINDING = f"/apis/{_RBAC}/v1/namespaces/slotwright-tenants/rolebindings/slotwright-operator-tenants"
_EVENTS_BINDING = f"/apis/{_RBAC}/v1/namespaces/default/rolebindings/slotwright-operator-events"


@pytest.fixture
def stripe_key(still_world: OperatorWorld) -> Iterator[str]:
    """A Secret of the platform, by its path."""
    body = {"metadata": {"name": "slotwright-stripe"}, "stringData": {"api-key": "sk_live_1"}}
    with still_world.api.admin() as admin:
        admin.post(PLATFORM, json=body).raise_for_status()
    path = f"{PLATFORM}/slotwright-stripe"
    yield path
    still_world.api.remove(path)


def test_it_is_refused_the_platforms_secrets(still_world: OperatorWorld, stripe_key: str) -> None:
    change = {"stringData": {"api-key": "sk_live_2"}}
    new = {"metadata": {"name": "slotwright-new"}}
    with still_world.api.operator() as operator:
        asked = {
            "get": operator.get(stripe_key),
            "list": operator.get(PLATFORM),
            "list all": operator.get("/api/v1/secrets"),
            "watch": operator.get(PLATFORM, params={"watch": "true"}),
            "create": operator.post(PLATFORM, json=new),
            "update": operator.put(stripe_key, json=change | {"metadata": {"name": "slotwright-stripe"}}),
            "patch": operator.patch(stripe_key, json=change, headers=MERGE),
            "delete": operator.delete(stripe_key),
            "delete all": operator.delete(PLATFORM),
        }
        assert {what: answer.status_code for what, answer in asked.items()} == dict.fromkeys(asked, 403)
        assert operator.get(TENANTS).status_code == 200
        assert operator.get(f"{_LEASES}/{OPERATOR}").status_code in {200, 404}
        assert operator.get(f"{_LEASES}/another").status_code == 403


@pytest.mark.slow
def test_without_its_right_a_tenant_says_so_and_goes_on_once_it_is_back(still_world: OperatorWorld) -> None:
    """As when somebody has removed the namespace with all in it. Takes a start of the operator."""
    with still_world.operator(), still_world.api.admin() as admin:
        plan = still_world.new_plan()
        settled = still_world.provisioned(plan)
        binding = admin.get(_BINDING).raise_for_status().json()
        admin.delete(_BINDING).raise_for_status()
        eventually(lambda: _status(still_world, TENANTS) == httpx.codes.FORBIDDEN, "the loss of the right")
        try:
            name = still_world.new_tenant(plan)
            body = still_world.await_condition(name, "Ready", "False", "Refused")
            assert "slotwright-tenants" in condition(body, "Ready")[2]
            assert condition(still_world.api.get("Tenant", settled), "Ready")[0] == "True"
        finally:
            _give_back(admin, binding)
        still_world.answer_all(still_world.await_record(still_world.tenant_id(name)))
        still_world.await_condition(name, "Ready", "True", "Provisioned")


@pytest.mark.slow
def test_started_without_its_right_it_says_so_and_goes_on_once_it_is_back(
    still_world: OperatorWorld,
) -> None:
    """As after a restart of its pod. Takes a start of the operator."""
    plan, name = still_world.new_plan(), fresh("shop")
    with still_world.api.admin() as admin:
        binding = admin.get(_BINDING).raise_for_status().json()
        admin.delete(_BINDING).raise_for_status()
        eventually(lambda: _status(still_world, TENANTS) == httpx.codes.FORBIDDEN, "the loss of the right")
        try:
            with still_world.operator_that_is_not_ready():
                still_world.api.create(tenant(name, plan)).raise_for_status()
                body = still_world.await_condition(name, "Ready", "False", "Refused")
                assert "slotwright-tenants" in condition(body, "Ready")[2]
                assert condition(body, "Reconciling")[0] == "True"
                _give_back(admin, binding)
                still_world.answer_all(still_world.await_record(still_world.tenant_id(name)))
                still_world.await_condition(name, "Ready", "True", "Provisioned")
        finally:
            _give_back(admin, binding)


@pytest.mark.slow
def test_without_the_right_to_tell_events_a_business_is_ready_all_the_same(
    still_world: OperatorWorld,
) -> None:
    """Takes a start of the operator."""
    with still_world.api.admin() as admin:
        binding = admin.get(_EVENTS_BINDING).raise_for_status().json()
        admin.delete(_EVENTS_BINDING).raise_for_status()
        try:
            with still_world.operator() as running:
                still_world.provisioned(still_world.new_plan())
                log = running.log.read_text("utf-8")
                assert "reconcile interrupted" not in log
                assert "event could not be written" in log
        finally:
            _give_back(admin, binding)


@pytest.mark.slow
def test_a_namespace_that_there_is_not_is_told(still_world: OperatorWorld) -> None:
    """To an operator with every right, which is not refused before. Takes a start of the operator."""
    every_right = {
        "metadata": {"name": "every-right"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": OPERATOR}],
    }
    bindings = f"/apis/{_RBAC}/v1/clusterrolebindings"
    with still_world.api.admin() as admin:
        admin.post(bindings, json=every_right).raise_for_status()
    try:
        with still_world.operator(TENANTS_NAMESPACE="nowhere"):
            name = still_world.new_tenant(still_world.new_plan())
            body = still_world.await_condition(name, "Ready", "False", "Refused")
            assert 'namespaces "nowhere" not found' in condition(body, "Ready")[2]
    finally:
        still_world.api.remove(f"{bindings}/every-right")


@pytest.mark.slow
def test_an_upgrade_as_the_page_says_keeps_every_password(
    still_world: OperatorWorld, stripe_key: str
) -> None:
    """From a release whose operator had them among the platform's. Takes two starts of the operator."""
    copy, remove = _commands()
    with still_world.operator():
        name = still_world.provisioned(still_world.new_plan())
    before = _as_an_older_release_left_it(still_world, name)
    _run(still_world, copy)
    # What the next operator finds, and what older clients of the business go on with.
    assert still_world.secret(name) == before
    with still_world.api.admin() as admin:
        assert admin.get(f"{TENANTS}/slotwright-stripe").status_code == httpx.codes.NOT_FOUND
    with still_world.operator(), still_world.api.admin() as admin:
        other = still_world.provisioned(still_world.new_plan())
        assert still_world.secret(name) == before
        assert still_world.event(name, "DriftRepaired") is None
        group = f"{before['group.id.prefix']}readers"
        assert still_world.read_topic(before["topic"], still_world.client_of(before), group) == []
        # The new one's alone, as the older release knew nothing of it.
        assert admin.get(f"{PLATFORM}/tenant-{other}-kafka").status_code == 404
        assert admin.get(f"{PLATFORM}/tenant-{name}-kafka").status_code == 200
        _run(still_world, remove)
        left = [item["metadata"]["name"] for item in admin.get(PLATFORM).json()["items"]]
        assert left == ["slotwright-stripe"]
        assert still_world.secret(name) == before


def _give_back(admin: httpx.Client, binding: Body) -> None:
    """The RoleBinding that was taken away, if it has not been given back already."""
    metadata = {key: binding["metadata"][key] for key in ("name", "namespace")}
    path = f"/apis/{_RBAC}/v1/namespaces/{metadata['namespace']}/rolebindings"
    answer = admin.post(path, json={**binding, "metadata": metadata})
    assert answer.status_code in {httpx.codes.CREATED, httpx.codes.CONFLICT}, answer.text


def _status(world: OperatorWorld, path: str) -> int:
    with world.api.operator() as operator:
        return operator.get(path).status_code


def _as_an_older_release_left_it(world: OperatorWorld, name: str) -> dict[str, str]:
    """Moves a business's Secret to the platform's namespace; answers what is in it."""
    before = world.secret(name)
    with world.api.admin() as admin:
        found = admin.get(f"{TENANTS}/tenant-{name}-kafka").raise_for_status().json()
        kept = {key: found["metadata"][key] for key in ("name", "labels", "annotations")}
        admin.post(PLATFORM, json={**found, "metadata": kept}).raise_for_status()
        admin.delete(f"{TENANTS}/tenant-{name}-kafka").raise_for_status()
        assert admin.get(f"{TENANTS}/tenant-{name}-kafka").status_code == httpx.codes.NOT_FOUND
    return before


def _commands() -> tuple[str, str]:
    """How docs/install.md copies the Secrets, and how it removes the old ones."""
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    chapter = page.partition("### Businesses' Secrets of an older release")[2].partition("\n## ")[0]
    copy, remove = (
        block for block in re.findall(r"(?:^    .*\n)+", chapter, re.MULTILINE) if "secrets" in block
    )
    return copy, remove


def _run(world: OperatorWorld, commands: str) -> None:
    """In a shell, as the cluster's admin."""
    kubeconfig = world.api.admin_kubeconfig(world.folder)
    path = os.pathsep.join([str(Path(script("kubectl")).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
