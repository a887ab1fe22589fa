"""The platform in a real cluster, from the charts: its own tests, the demo's story, and restarts while people book.

Slow: a cluster, eleven images and a rollout of everything take minutes on two cores.
"""

import json
import time

import pytest

from devstack.cluster import PLATFORM
from e2e.conftest import Business
from e2e.load import Bookings, under_load
from e2e.world import World

pytestmark = pytest.mark.slow

SERVICES = "app.kubernetes.io/part-of=slotwright,app.kubernetes.io/component!=migrate"


def test_helm_test_passes(world: World) -> None:
    told = world.cluster.helm("test", PLATFORM)
    assert told.count("Phase:          Succeeded") == 10, told


def test_the_story_is_told_to_its_end(business: Business) -> None:
    assert len(business.proofs) == 13
    assert all(business.proofs.values()), business.proofs


def test_pods_may_do_no_more_than_they_have_to(world: World) -> None:
    """Pod Security `restricted` is enforced, and nobody but the operator can speak to the API server."""
    labels = json.loads(world.cluster.kubectl("get", "namespace", "slotwright", "-o", "json"))["metadata"][
        "labels"
    ]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    with_token = {
        pod["metadata"]["labels"]["app.kubernetes.io/name"]
        for pod in world.pods(SERVICES)
        if any("projected" in volume for volume in pod["spec"]["volumes"])
    }
    assert with_token == {"operator"}


def test_nothing_is_lost_or_doubled_while_every_pod_is_restarted(world: World, business: Business) -> None:
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
    assert _appointments(business) >= set(bookings.booked)
    _await_one_confirmation_each(business, bookings)


def _appointments(business: Business) -> set[str]:
    found: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = business.as_owner("/v1/appointments", limit=100, **cursor)
        found |= {item["id"] for item in page["items"]}
        if not page.get("next_cursor"):
            return found
        cursor = {"cursor": page["next_cursor"]}


def _await_one_confirmation_each(business: Business, bookings: Bookings) -> None:
    """By notification's own account: the mail server lost its mails when it was killed."""
    deadline = time.monotonic() + 120
    for appointment in bookings.booked:
        while True:
            sent = [
                item
                for item in business.as_owner("/v1/messages", appointment_id=appointment)["items"]
                if item["kind"] == "booked" and item["status"] == "sent"
            ]
            if sent or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert len(sent) == 1, (appointment, sent)
