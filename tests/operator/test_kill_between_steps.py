"""A kill between any two steps, of provisioning and of deletion: the next operator ends it, once and whole.

Each operator meets what those before it left, too, so that a tenant is killed at several of the points.
"""

import httpx
import pytest

from contracts.platform import Component, ComponentState, TenantState
from contracts.topics import tenant_topic
from support.operator_world import OperatorWorld, condition, eventually

_PROVISIONING = (
    "operator.status-written",
    "operator.AddFinalizer",
    "operator.secret-made",
    "operator.topics-made",
    "operator.partitions-added",
    "operator.users-set",
    "operator.rules-set",
    "operator.PutStream",
    "operator.Publish",
)
_DELETION = (
    "operator.rules-removed",
    "operator.users-removed",
    "operator.topics-removed",
    "operator.DropStream",
    "operator.Announce",
    "operator.record-forgotten",
    "operator.Forget",
    "operator.RemoveFinalizer",
)


@pytest.mark.slow
def test_killed_between_any_two_steps_of_provisioning(still_world: OperatorWorld) -> None:
    """Takes a start of an operator for each point."""
    world, names = still_world, []
    plan = world.new_plan()
    for point in _PROVISIONING:
        names.append(world.new_tenant(plan))
        world.operator_dies_at(point)
    with world.operator():
        for name in names:
            world.answer_all(world.await_record(world.tenant_id(name)))
        for name in names:
            body = world.await_condition(name, "Ready", "True", "Provisioned")
            assert condition(body, "TopicsReady")[0] == "True"
            secret = world.secret(name)
            # The one password that stands in the Secret is the one that Kafka knows.
            assert (
                world.read_topic(
                    tenant_topic(name), world.client_of(secret), f"{secret['group.id.prefix']}readers"
                )
                == []
            )


@pytest.mark.slow
def test_killed_between_any_two_steps_of_deletion(still_world: OperatorWorld) -> None:
    """Takes a start of an operator for each point."""
    world = still_world
    with world.operator():
        plan = world.new_plan()
        names = [world.provisioned(plan) for _ in _DELETION]
    ids = {name: world.tenant_id(name) for name in names}
    for name in names:
        world.api.delete("Tenant", name)
    world.operator_dies_at("operator.Publish")
    with world.operator():
        records = [world.await_record(ids[name], TenantState.DELETING) for name in names]
    for record, point in zip(records, _DELETION, strict=True):
        for component in Component:
            world.answer(record, component, ComponentState.DELETED, archived={"rows": 1})
        world.operator_dies_at(point)
    with world.operator():
        eventually(lambda: not any(world.api.get("Tenant", name) for name in names), "the end of all")
        topics = world.topics()
    for name in names:
        assert world.record(ids[name]) is None
        assert not {topic for topic in topics if topic.startswith(f"tenant.{name}.")}
        with pytest.raises(httpx.HTTPStatusError):
            world.secret(name)
        receipt = world.event(name, "Archived")
        assert receipt is not None
        assert "booking 1" in receipt["note"]
