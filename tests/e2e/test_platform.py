"""The platform in a real cluster, from the charts.

Its own tests, the demo's story, restarts while people book, releases that follow each other under load. Slow: a
cluster, eleven images and rollouts of everything take minutes on two cores.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from devstack.cluster import (
    BACKING,
    NAMESPACE,
    PLATFORM,
    ROOT,
    TENANTS_NAMESPACE,
    ClusterError,
    image,
    run,
)
from devstack.services import HTTP_SERVICES
from devstack.story import SLUG
from e2e.business import Business
from e2e.load import Bookings, reading, under_load
from e2e.releases import column, next_release
from e2e.world import World
from support.events import until

pytestmark = pytest.mark.slow

_NEXT = {"booking_9001": "ALTER TABLE appointment ADD COLUMN e2e_note text;"}
_RATE = 30
"""Requests a second: a third of what two cores manage that also roll out and send them (bench/cluster.py)."""
SERVICES = "app.kubernetes.io/part-of=slotwright,app.kubernetes.io/component!=migrate"


@pytest.fixture(scope="module")
def world(empty_world: World) -> World:
    """With the platform installed."""
    empty_world.furnish()
    empty_world.install()
    return empty_world


@pytest.fixture(scope="module")
def business(world: World) -> Business:
    """The story is told to its end; what it leaves is a business that can be booked day and night."""
    with closing(world.story()) as story:
        proofs = {step.title: step.tell() for step in story.steps()}
    assert story.password is not None
    world.lift_limits(SLUG)
    found = httpx.get(f"{world.gateway}/v1/public/{SLUG}", timeout=30).raise_for_status().json()
    return Business(
        proofs, story.password, SLUG, found["staff"][0]["id"], found["services"][0]["id"], world.gateway
    )


def test_helm_test_passes(world: World) -> None:
    told = world.cluster.helm("test", PLATFORM)
    assert told.count("Phase:          Succeeded") == 10, told
    told = world.cluster.helm("test", BACKING)
    assert told.count("Phase:          Succeeded") == 1, told


def test_prometheus_reads_the_figures_of_every_part(world: World) -> None:
    url = f"http://127.0.0.1:{world.ports['prometheus']}/api/v1/query"

    def read() -> set[str]:
        found = httpx.get(url, params={"query": "up == 1"}, timeout=30).json()["data"]["result"]
        return {item["metric"]["service"] for item in found}

    until(lambda: read() >= {*HTTP_SERVICES, "gateway", "operator"}, "Prometheus has read all", seconds=120)


def test_the_story_is_told_to_its_end(business: Business) -> None:
    assert len(business.proofs) == 13
    assert all(business.proofs.values()), business.proofs


def test_pods_may_do_no_more_than_they_have_to(world: World) -> None:
    """Pod Security `restricted` is enforced, and nobody but the operator can speak to the API server."""
    for namespace in (NAMESPACE, TENANTS_NAMESPACE):
        found = json.loads(world.cluster.kubectl("get", "namespace", namespace, "-o", "json"))
        assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    with_token = {
        pod["metadata"]["labels"]["app.kubernetes.io/name"]
        for pod in world.pods(SERVICES)
        if any("projected" in volume for volume in pod["spec"]["volumes"])
    }
    assert with_token == {"operator"}


def test_kubectl_slotwright_reads_the_cluster_and_dead_letters_in_the_operators_pod(
    world: World, business: Business
) -> None:
    def plugin(*arguments: str) -> Any:
        command = [str(Path(sys.executable).with_name("kubectl-slotwright"))]
        cluster = ["--kubeconfig", str(world.kubeconfig), "--namespace", world.cluster.namespace]
        return json.loads(run(*command, *cluster, *arguments, "--output", "json"))

    # Its limits were lifted a moment ago, which every service has to answer for.
    until(lambda: plugin("status", business.slug)["ready"] == "True", "the business is ready again")
    assert plugin("dead-letters", "list", "--tenant", business.slug) == {"letters": [], "more": 0}


def test_nothing_is_lost_or_doubled_while_every_pod_is_restarted(
    world: World, business: Business, tmp_path: Path
) -> None:
    """Backing servers are killed and services are rolled; patient clients get each booking once, and one mail."""
    bookings = Bookings(business.slug, business.service_id, business.staff_id, minutes=30, patient=True)
    with under_load(world.gateway, 2, bookings.shot) as load:
        world.cluster.kubectl(
            "rollout", "restart", "deployment", "--selector", "app.kubernetes.io/part-of=slotwright"
        )
        for server in ("postgres", "kafka", "mailpit"):
            world.cluster.kubectl(
                "delete",
                "pod",
                "--grace-period=0",
                "--force",
                "--selector",
                f"app.kubernetes.io/name={server}",
            )
        names = world.cluster.kubectl("get", "deployments,statefulsets", "-o", "name").split()
        for name in names:
            world.cluster.kubectl("rollout", "status", name, "--timeout=5m")
    assert load.failures == {}
    assert len(bookings.booked) == load.outcomes["ok"] > 20
    with business.owner() as owner:
        assert {item["id"] for item in _pages(owner, "/v1/appointments")} >= set(bookings.booked)
        until(lambda: not _unconfirmed(owner, bookings), "every booking is confirmed", seconds=180)
    _a_business_comes_and_goes(world, tmp_path)


def _a_business_comes_and_goes(world: World, folder: Path) -> None:
    """Every service, and each consumer of it, has found its way back; Helm waits for a Tenant until it is Ready."""
    tenant = yaml.safe_load((ROOT / "dev" / "samples" / "tenant.yaml").read_text("utf-8"))
    tenant["metadata"]["name"] = name = "hillside"
    chart = folder / name
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"{{apiVersion: v2, name: {name}, version: 0.1.0}}", "utf-8")
    (chart / "templates" / "tenant.yaml").write_text(json.dumps(tenant), "utf-8")
    world.cluster.helm("install", name, str(chart), "--wait", "--timeout", "2m")
    ready = "-o=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    assert world.cluster.kubectl("get", "tenant", name, ready) == "True"
    world.cluster.helm("uninstall", name, "--wait", "--timeout", "2m")
    assert name not in world.cluster.kubectl("get", "tenants", "-o", "name")


def _pages(owner: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    """Every item of a list."""
    cursor: dict[str, str] = {}
    while True:
        page = owner.get(path, params={"limit": 100, **cursor}).raise_for_status().json()
        yield from page["items"]
        if not page.get("next_cursor"):
            return
        cursor = {"cursor": page["next_cursor"]}


def _unconfirmed(owner: httpx.Client, bookings: Bookings) -> list[str]:
    """By notification's own account: the mail server lost its mails when it was killed."""
    sent = Counter(
        item["appointment_id"]
        for item in _pages(owner, "/v1/messages")
        if item["kind"] == "booked" and item["status"] == "sent"
    )
    assert max(sent.values(), default=0) <= 1, sent.most_common(3)
    return [appointment for appointment in bookings.booked if not sent[appointment]]


def test_an_upgrade_with_a_migration_and_the_way_back_fail_no_request(
    world: World, business: Business, tmp_path: Path
) -> None:
    tag = next_release(world, tmp_path, _NEXT)
    with under_load(world.gateway, _RATE, reading(f"/v1/public/{business.slug}")) as load:
        world.install("--set", f"booking.image.tag={tag}")
        assert column(world, "e2e_note")
        world.cluster.helm("rollback", PLATFORM, "--wait", "--timeout", "5m")
    assert load.failures == {}
    assert load.outcomes["ok"] > _RATE
    (pod,) = world.pods("app.kubernetes.io/name=booking,app.kubernetes.io/component=all")
    assert pod["spec"]["containers"][0]["image"] == image("booking", world.tag)


def test_a_migration_that_fails_stops_the_rollout_and_names_itself(
    world: World, business: Business, tmp_path: Path
) -> None:
    tag = next_release(
        world, tmp_path, _NEXT | {"booking_9002": "ALTER TABLE no_such_table ADD COLUMN x text;"}
    )
    # Helm waits for the rest as long as it may, and then says what is not there.
    broken = (
        "--set",
        f"booking.image.tag={tag}",
        "--set",
        "booking.migrations.backoffLimit=0",
        "--timeout",
        "1m",
    )
    with under_load(world.gateway, 5, reading(f"/v1/public/{business.slug}")) as load:
        with pytest.raises(ClusterError, match="booking-migrate"):
            world.install(*broken)
        failed = world.pods("app.kubernetes.io/name=booking,app.kubernetes.io/component=migrate")
        said = [
            state["terminated"].get("message", "")
            for pod in failed
            for status in pod["status"].get("containerStatuses", ())
            if (state := status["state"]).get("terminated") and state["terminated"]["exitCode"]
        ]
        assert any("booking_9002" in message for message in said), said
        world.cluster.helm("rollback", PLATFORM, "--wait", "--timeout", "5m")
    assert load.failures == {}
