"""`kubectl slotwright` as it is installed, run by kubectl, on a real API server with the real operator behind it.

The test answers as the components. What the plugin says when the operator does nothing: tests/unit/cli.
"""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.platform import Component, ComponentState, DeletionPolicy, TenantState
from devstack.processes import script
from servicekit.clock import utc_now
from support.operator_world import OperatorWorld, eventually
from tenant_operator.domain import ABANDON, PAUSED

_SECONDS = 90
_ROWS = {"booking": {"appointment": 12, "hold": 1}, "auth": {"membership": 2}}

Done = subprocess.CompletedProcess[str]


@dataclass
class Plugin:
    """Runs the installed plugin through kubectl, with a kubeconfig."""

    kubeconfig: Path

    @property
    def env(self) -> dict[str, str]:
        folder = str(Path(script("kubectl-slotwright")).parent)
        path = os.pathsep.join((folder, os.environ["PATH"]))
        return os.environ | {"PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def command(self, *arguments: str) -> list[str]:
        return [script("kubectl"), "slotwright", *arguments]

    def run(self, *arguments: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    def form(self, *arguments: str) -> dict[str, Any]:
        """What a command that succeeds says as JSON."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def fails(self, *arguments: str) -> str:
        """The one sentence, or two, of a command that fails."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        return done.stderr.strip()

    @contextmanager
    def running(self, *arguments: str, folder: Path) -> Iterator["Under"]:
        """A command under way; what it prints goes to files."""
        out, err = folder / "stdout", folder / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                self.command(*arguments), env=self.env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        try:
            yield Under(process, out, err)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


@dataclass
class Under:
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def says(self, text: str) -> None:
        eventually(lambda: text in self.err.read_text("utf-8"), f"the words {text!r}")

    def ends(self) -> tuple[int, str]:
        """The exit code and what it printed on stdout."""
        return self.process.wait(_SECONDS), self.out.read_text("utf-8")


@pytest.fixture(scope="module")
def plugin(world: OperatorWorld) -> Plugin:
    return Plugin(world.api.admin_kubeconfig(world.folder))


def test_status_shows_what_was_provisioned_and_what_happened(world: OperatorWorld, plugin: Plugin) -> None:
    name = world.provisioned(world.new_plan())

    def told() -> dict[str, Any] | None:
        found = plugin.form("status", name)
        return found if any(item["reason"] == "Provisioned" for item in found["events"]) else None

    found = eventually(told, "the Event of its being ready")
    assert (found["ready"], found["current"], found["tenantId"]) == ("True", True, str(world.tenant_id(name)))
    details = {item["type"]: item["details"] for item in found["conditions"]}
    assert details["BusinessRegistered"]["url"] == f"https://book.example/b/{name}"
    assert (
        details["TopicsReady"].items()
        >= {
            "topic": f"tenant.{name}.events.v1",
            "deadLetterTopic": f"tenant.{name}.dlq.v1",
            "credentialsSecret": f"tenant-{name}-kafka",
            "credentialsNamespace": "slotwright-tenants",
        }.items()
    )
    assert details["BillingLinked"] == {"customerId": "cus_1", "state": "trialing"}
    assert details["QuotaPublished"]["limits"] == {"bookingsPerMonth": 2000}
    lines = plugin.run("status", name).stdout.splitlines()
    assert lines[0].startswith(f"Tenant {name}: Riverside Barbers, plan ")
    assert any("dead-letter topic" in line and f"tenant.{name}.dlq.v1" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert plugin.run("status", name, "--exit-code").returncode == 0


def test_status_of_all_and_of_one_that_waits(world: OperatorWorld, plugin: Plugin) -> None:
    name = world.new_tenant(world.new_plan())
    world.await_condition(name, "Ready", "False", "Provisioning")
    (mine,) = [item for item in plugin.form("status")["tenants"] if item["name"] == name]
    assert (mine["ready"], mine["reason"], mine["billing"]) == ("False", "Provisioning", None)
    waits = plugin.run("status", name, "--exit-code")
    assert waits.returncode == 1
    assert "Waiting for business" in waits.stdout
    assert plugin.run("status", "--exit-code").returncode == 1


def test_whoever_may_not_read_events_sees_the_rest(world: OperatorWorld) -> None:
    """The operator itself is such a user: it may write Events, and no more."""
    name = world.provisioned(world.new_plan())
    limited = Plugin(world.api.kubeconfig(world.folder))
    done = limited.run("status", name, "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ready"] == "True"
    assert "You may not do that" in done.stderr


def test_names_that_do_not_exist(plugin: Plugin) -> None:
    missing = "There is no tenant named nobody; `kubectl slotwright status` lists them."
    for command in (["status"], ["usage"], ["pause"], ["resume"], ["erase", "--yes"]):
        assert plugin.fails(*command, "nobody") == missing
    assert "There is no such context" in plugin.fails("status", "--context", "nowhere")


def test_usage(world: OperatorWorld, plugin: Plugin) -> None:
    name = world.new_tenant(world.new_plan(limits={"bookingsPerMonth": 20, "staff": 4}))
    record = world.await_record(world.tenant_id(name))
    for component in set(Component) - {Component.BOOKING, Component.BUSINESS}:
        world.answer(record, component)
    now = utc_now()
    world.answer(record, Component.BOOKING, usage={"bookings_per_month": 19}, usage_observed_at=now)
    world.answer(record, Component.BUSINESS, usage={"staff": 1, "services": 3}, usage_observed_at=now)
    world.await_condition(name, "Ready", "True")
    (found,) = plugin.form("usage", name)["tenants"]
    assert found["observedAt"]
    assert found["metrics"] == [
        {"metric": "bookingsThisMonth", "used": 19, "limit": 20, "share": 0.95},
        {"metric": "staff", "used": 1, "limit": 4, "share": 0.25},
        {"metric": "services", "used": 3, "limit": None, "share": None},
    ]
    (over,) = [item for item in plugin.form("usage", "--over", "90")["tenants"] if item["name"] == name]
    assert [item["metric"] for item in over["metrics"]] == ["bookingsThisMonth"]
    assert name in plugin.run("usage").stdout
    assert name not in plugin.run("usage", "--over", "95").stdout


def test_plan_diff_changes_nothing(world: OperatorWorld, plugin: Plugin) -> None:
    small = world.new_plan(
        price={"amount": 900, "currency": "EUR", "interval": "month"},
        limits={"bookingsPerMonth": 20, "staff": 1},
        features={"sms": False},
    )
    large = world.new_plan(features={"sms": True}, eventStream={"partitions": 3})
    name = world.provisioned(large, limits={"staff": 7})
    before = world.api.get("Tenant", name)
    found = plugin.form("plan", "diff", name, small)
    assert found["plan"] == {"old": large, "new": small}
    assert (found["price"]["old"]["amount"], found["price"]["new"]["amount"]) == (2900, 900)
    limits = {item["limit"]: (item["old"], item["new"], item["overridden"]) for item in found["limits"]}
    assert limits["bookingsPerMonth"] == (2000, 20, False)
    assert limits["staff"] == (7, 7, True)
    assert found["features"] == [{"feature": "sms", "old": True, "new": False}]
    assert found["eventStream"]["new"]["partitions"] == 3
    assert "29.00 EUR a month" in plugin.run("plan", "diff", name, small).stdout
    assert world.api.get("Tenant", name) == before
    unknown = plugin.fails("plan", "diff", name, "gold")
    assert unknown.startswith("There is no plan named gold; there are: ")
    assert small in unknown


def test_pause_and_resume_wait_for_the_operator(world: OperatorWorld, plugin: Plugin) -> None:
    name = world.provisioned(world.new_plan())
    paused = plugin.form("pause", name)
    assert (paused["paused"], paused["confirmed"], paused["reason"]) == (True, True, "Paused")
    body = world.api.get("Tenant", name)
    assert body is not None
    assert body["metadata"]["annotations"] == {PAUSED: "true"}
    assert plugin.form("pause", name)["confirmed"] is True
    assert plugin.form("status", name)["paused"] is True
    assert "resume" in plugin.fails("erase", name, "--yes")
    resumed = plugin.form("resume", name)
    assert (resumed["paused"], resumed["confirmed"], resumed["reason"]) == (False, True, "Provisioned")
    assert plugin.run("resume", name, "--no-wait").stdout == f"{name} is resumed.\n"


def test_erase_says_whom_it_waits_for_and_ends_with_the_receipt(
    world: OperatorWorld, plugin: Plugin, tmp_path: Path
) -> None:
    name = world.provisioned(world.new_plan())
    tenant_id = world.tenant_id(name)
    with plugin.running("erase", name, "--yes", "-o", "json", folder=tmp_path) as under:
        record = world.await_record(tenant_id, TenantState.DELETING)
        assert record.deletion_policy is DeletionPolicy.DELETE
        for component in set(Component) - {Component.SCHEDULER}:
            erased = _ROWS.get(component.value, {})
            world.answer(record, component, ComponentState.DELETED, erased=erased)
        under.says("Deletion waits for scheduler.")
        world.answer(record, Component.SCHEDULER, ComponentState.DELETED, erased={})
        code, out = under.ends()
    assert code == 0, under.err.read_text("utf-8")
    found = json.loads(out)
    assert (found["tenant"], found["tenantId"], found["outcome"]) == (name, str(tenant_id), "Erased")
    assert (found["rows"], found["total"]) == (_ROWS, 15)
    assert found["time"]
    assert world.api.get("Tenant", name) is None


def test_erase_of_what_was_abandoned_is_no_success(
    world: OperatorWorld, plugin: Plugin, tmp_path: Path
) -> None:
    name = world.provisioned(world.new_plan())
    with plugin.running("erase", name, "--yes", folder=tmp_path) as under:
        under.says("Deletion waits for")
        world.api.patch("Tenant", name, {"metadata": {"annotations": {ABANDON: "true"}}})
        code, out = under.ends()
    assert code == 1
    assert out.startswith("Abandoned at ")
    assert "was let go before every component had confirmed" in under.err.read_text("utf-8")


def test_erase_asks_at_a_terminal_and_refuses_without_one(world: OperatorWorld, plugin: Plugin) -> None:
    name = world.provisioned(world.new_plan())
    without = plugin.run("erase", name)
    assert (without.returncode, without.stdout) == (2, "")
    assert "give --yes" in without.stderr
    terminal, stdin = pty.openpty()
    process = subprocess.Popen(
        plugin.command("erase", name),
        env=plugin.env,
        stdin=stdin,
        stdout=stdin,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        os.write(terminal, b"riverside\n")
        _out, err = process.communicate(timeout=_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        os.close(stdin)
        os.close(terminal)
    assert process.returncode == 1
    assert f"This erases {name} (Riverside Barbers, tenant id {world.tenant_id(name)})" in err
    assert "nothing has been done" in err
    body = world.api.get("Tenant", name)
    assert body is not None
    assert "deletionTimestamp" not in body["metadata"]
    assert body["spec"]["deletionPolicy"] == "Retain"


def test_kubectl_completes_names(world: OperatorWorld, plugin: Plugin) -> None:
    """As the shell asks it: kubectl calls kubectl_complete-slotwright."""
    name = world.provisioned(world.new_plan())
    done = subprocess.run(
        [script("kubectl"), "__complete", "slotwright", "status", name[:-2]],
        env=plugin.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    )
    assert name in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == ":4"


def test_an_api_server_that_is_away_or_does_not_know_the_user(world: OperatorWorld, tmp_path: Path) -> None:
    given = json.loads(world.api.admin_kubeconfig(tmp_path).read_text("utf-8"))
    strange = tmp_path / "strange.json"
    strange.write_text(
        json.dumps(given | {"users": [{"name": given["users"][0]["name"], "user": {"token": "x"}}]}), "utf-8"
    )
    assert "does not accept your credentials" in Plugin(strange).fails("status")
    given["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    strange.write_text(json.dumps(given), "utf-8")
    assert "The API server cannot be reached" in Plugin(strange).fails("status")
