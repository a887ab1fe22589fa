"""What a platform engineer's kubectl makes of a Tenant: waiting for it, its columns, its explanation."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.platform import ComponentState, TenantState
from devstack.processes import script
from support.operator_world import OperatorWorld

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def kubectl(world: OperatorWorld) -> Kubectl:
    kubeconfig: Path = world.api.admin_kubeconfig(world.folder)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [script("kubectl"), "--kubeconfig", kubeconfig, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return run


def test_wait_ends_when_the_business_is_ready_and_when_it_is_gone(
    world: OperatorWorld, kubectl: Kubectl
) -> None:
    name = world.new_tenant(world.new_plan())
    record = world.await_record(world.tenant_id(name))
    early = kubectl("wait", "--for=condition=Ready", f"tenant/{name}", "--timeout=0")
    assert early.returncode == 1
    assert f"condition not met for tenants/{name}" in early.stderr
    assert kubectl("wait", "--for=condition=Reconciling", f"tenant/{name}", "--timeout=30s").returncode == 0
    world.answer_all(record)
    for condition in ("Ready", "Reconciling=False", "Stalled=False"):
        done = kubectl("wait", f"--for=condition={condition}", f"tenant/{name}", "--timeout=30s")
        assert done.returncode == 0, done.stderr
    world.api.delete("Tenant", name)
    world.answer_all(world.await_record(record.tenant_id, TenantState.DELETING), ComponentState.DELETED)
    assert kubectl("wait", "--for=delete", f"tenant/{name}", "--timeout=30s").returncode == 0


def test_a_wait_after_a_change_is_about_the_change(world: OperatorWorld, kubectl: Kubectl) -> None:
    """The generation that a status is about goes with every condition, so nobody takes an old Ready for the new."""
    name = world.provisioned(world.new_plan())
    changed = world.api.patch("Tenant", name, {"spec": {"displayName": "Riverside Two"}}).json()
    generation = changed["metadata"]["generation"]
    path = "{.status.observedGeneration}"
    done = kubectl("wait", f"--for=jsonpath={path}={generation}", f"tenant/{name}", "--timeout=30s")
    assert done.returncode == 0, done.stderr
    told = kubectl("get", "tenant", name, "-o", "jsonpath={.status.conditions[*].observedGeneration}")
    assert set(told.stdout.split()) == {str(generation)}


def test_columns_tell_how_a_business_is_doing(world: OperatorWorld, kubectl: Kubectl) -> None:
    plan = world.new_plan()
    name = world.provisioned(plan)
    head, row = kubectl("get", "tenant", name).stdout.splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "PLAN", "BILLING", "BOOKINGS", "AGE"]
    assert row.split()[:-1] == [name, "True", "Provisioned", plan, "trialing", "0/2000"]
    wide = kubectl("get", "tenant", name, "-o", "wide").stdout
    assert "MESSAGE" in wide
    assert f"https://book.example/b/{name}" in wide


def test_explain_tells_what_a_field_is_for(kubectl: Kubectl) -> None:
    told = kubectl("explain", "tenant.spec.deletionPolicy")
    assert told.returncode == 0, told.stderr
    assert "ENUM" in told.stdout
    assert "Retain" in told.stdout
    assert "DESCRIPTION:" in told.stdout
