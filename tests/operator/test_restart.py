"""Restarts: over settled tenants nothing is written, what came meanwhile is caught up, a kill is mended."""

import re
from functools import partial

import pytest

from contracts.platform import TenantChanged, TenantStatusReported
from contracts.topics import tenant_topic
from devstack.local_http import LOCAL_HTTP
from support.operator_world import OperatorWorld, condition, eventually, tenant, write_unreadable

_A_WRITE = re.compile(
    r'apiserver_request_total{.*resource="(tenants|plans|secrets|events)".*'
    r'verb="(POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION)"'
)


def _versions(world: OperatorWorld) -> dict[str, str]:
    """Every object that the operator may write, the Lease apart, with its version."""
    paths = [
        "/apis/slotwright.io/v1alpha1/tenants",
        "/apis/slotwright.io/v1alpha1/plans",
        "/api/v1/namespaces/slotwright-tenants/secrets",
        "/apis/events.k8s.io/v1/namespaces/default/events",
    ]
    return {
        f"{path}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for path in paths
        for item in world.api.read(path)["items"]
    }


def _writes(world: OperatorWorld) -> dict[str, float]:
    """The requests to write that the API server has counted, those that changed nothing and those it refused too.

    Of the kinds that the operator may write, the Lease apart; nobody else writes those here.
    """
    with world.api.admin() as client:
        lines = client.get("/metrics").raise_for_status().text.splitlines()
    counted = [line.rpartition(" ") for line in lines if _A_WRITE.match(line)]
    return {labels: float(value) for labels, _, value in counted}


@pytest.mark.slow
def test_a_restart_over_settled_tenants_writes_nothing(still_world: OperatorWorld) -> None:
    """Takes two starts, and the time of two resyncs of 2 s."""
    world = still_world
    with world.operator():
        plan = world.new_plan()
        names = [world.provisioned(plan) for _ in range(3)]
        eventually(
            lambda: ((world.api.get("Plan", plan) or {}).get("status") or {}).get("tenants") == 3,
            "the plan's count",
        )
    versions, writes, ends = _versions(world), _writes(world), world.end_offsets()
    assert sum(writes.values()) >= len(names), "what was provisioned was counted"
    assert sum("/secrets/tenant-" in path for path in versions) >= len(names), "and is looked at, Secrets too"
    with world.operator() as running:
        # Ready means that everything was listed; two resyncs later every object has been looked at again.
        passes = _passes(running.url)
        eventually(lambda: _passes(running.url) >= passes + 2 * len(names), "two rounds of passes")
    assert _versions(world) == versions
    assert _writes(world) == writes
    assert world.end_offsets() == ends


@pytest.mark.slow
def test_answers_given_while_it_was_away_are_read(still_world: OperatorWorld) -> None:
    """Takes two starts. What nobody can read on the topics that are its memory does not keep it from starting."""
    world = still_world
    with world.operator():
        name = world.new_tenant(world.new_plan())
        record = world.await_record(world.tenant_id(name))
    for topic in (TenantChanged.TOPIC, TenantStatusReported.TOPIC):
        write_unreadable(world, topic, record.tenant_id)
    world.answer_all(record)
    with world.operator():
        world.await_condition(name, "Ready", "True", "Provisioned")


@pytest.mark.slow
def test_killed_in_the_midst_of_provisioning_it_goes_on(still_world: OperatorWorld) -> None:
    """Takes as long as the Lease lasts: a killed operator cannot give it back."""
    world = still_world
    with world.operator(LEASE_SECONDS="15") as running:
        names = [world.new_tenant(world.new_plan()) for _ in range(3)]
        running.kill()
    with world.operator():
        for name in names:
            world.answer_all(world.await_record(world.tenant_id(name)))
        for name in names:
            body = world.await_condition(name, "Ready", "True")
            assert condition(body, "TopicsReady")[0] == "True"


@pytest.mark.slow
def test_a_business_whose_object_was_lost_comes_back_with_its_id(still_world: OperatorWorld) -> None:
    """Takes two starts. The topics of its stream are its own still, as its Secret says."""
    world = still_world
    with world.operator():
        plan = world.new_plan()
        name = world.provisioned(plan)
    tenant_id = world.tenant_id(name)
    before, secret = world.record(tenant_id), world.secret(name)
    world.api.patch("Tenant", name, {"metadata": {"finalizers": None}})
    world.api.delete("Tenant", name)
    assert world.api.create(tenant(name, plan, tenantId=str(tenant_id))).status_code == 201
    assert world.tenant_id(name) != tenant_id, "the API server gives each object another uid"
    assert before is not None
    with world.operator():
        eventually(lambda: world.record(tenant_id) != before, "another record of the same business")
        record = world.await_record(tenant_id)
        assert record == before.model_copy(update={"generation": record.generation})
        assert record.generation > before.generation
        world.answer_all(record)
        body = world.await_condition(name, "Ready", "True")
    assert body["status"]["tenantId"] == str(tenant_id)
    assert world.secret(name) == secret


@pytest.mark.slow
def test_another_authority_of_the_brokers_comes_into_a_businesss_secret(still_world: OperatorWorld) -> None:
    """Takes two starts, the first without one, and a resync of 2 s. No Event: nobody changed the Secret."""
    world = still_world
    with world.operator():
        name = world.provisioned(world.new_plan())
    before = world.secret(name)
    assert "ssl.ca.pem" not in before
    file = world.folder / "ca.crt"
    file.write_text("the first")
    with world.operator(KAFKA_CA_LOCATION=str(file)):
        for authority in ("the first", "the second"):
            file.write_text(authority)
            eventually(partial(_has, world, name, before | {"ssl.ca.pem": authority}), authority)
        assert (
            world.read_topic(tenant_topic(name), world.client_of(before), f"{before['group.id.prefix']}x")
            == []
        )
    assert condition(world.api.get("Tenant", name), "Ready")[:2] == ("True", "Provisioned")
    assert world.event(name, "DriftRepaired") is None


def _has(world: OperatorWorld, name: str, secret: dict[str, str]) -> bool:
    return world.secret(name) == secret


def _passes(url: str) -> float:
    lines = LOCAL_HTTP.get(f"{url}/metrics").text.splitlines()
    wanted = 'slotwright_operator_reconciles_total{kind="Tenant",outcome="done"}'
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted)), 0.0)
