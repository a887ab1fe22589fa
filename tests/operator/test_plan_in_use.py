"""A plan that tenants are on is not deleted; one that nobody is on goes.

The operator of these tests compares nothing anew by itself: what happens, it does on seeing it.
"""

from collections.abc import Iterator

import pytest

from support.operator_world import OperatorWorld, condition, eventually
from support.processes import Running
from tenant_operator.domain import IN_USE


@pytest.fixture(scope="module")
def operator_process(still_world: OperatorWorld) -> Iterator[Running]:
    with still_world.operator(RESYNC_SECONDS="3600") as running:
        yield running


def _is_held(world: OperatorWorld, plan: str) -> bool:
    body = world.api.get("Plan", plan)
    return body is not None and body["metadata"].get("finalizers") == [IN_USE]


def _waits_for(world: OperatorWorld, plan: str, *names: str) -> bool:
    _, reason, message = condition(world.api.get("Plan", plan), "Ready")
    return reason == "InUse" and f"while tenants are on it: {', '.join(sorted(names))}." in message


def test_a_plan_goes_when_its_last_tenant_has_left(world: OperatorWorld) -> None:
    plan, other = world.new_plan(), world.new_plan()
    eventually(lambda: _is_held(world, plan), "the plan's finalizer")
    name = world.provisioned(plan)
    world.api.delete("Plan", plan)
    eventually(lambda: _waits_for(world, plan, name), "a refusal that names the tenant")
    event = eventually(lambda: world.event(plan, "InUse"), "an Event of the refusal")
    assert event["regarding"]["kind"] == "Plan"
    assert event["type"] == "Warning"
    late = world.new_tenant(plan)
    world.await_condition(late, "Stalled", "True", "PlanGoing")
    assert condition(world.api.get("Tenant", name), "Ready")[0] == "True"
    eventually(lambda: _waits_for(world, plan, name, late), "a refusal that names both")
    # The one that was never on it leaves last, so that no other's change has the plan looked at.
    _leave(world, name, other)
    eventually(lambda: _waits_for(world, plan, late), "a refusal that names the last")
    _leave(world, late, other)
    eventually(lambda: world.api.get("Plan", plan) is None, "the end of the plan")


def _leave(world: OperatorWorld, name: str, other: str) -> None:
    """For another plan, on which the tenant is Ready."""
    world.api.patch("Tenant", name, {"spec": {"plan": other}})
    world.answer_all(world.await_record_of_plan(world.tenant_id(name), other))
    world.await_condition(name, "Ready", "True", "Provisioned")


def test_a_plan_that_nobody_is_on_goes_at_once(world: OperatorWorld) -> None:
    plan = world.new_plan()
    eventually(lambda: _is_held(world, plan), "the plan's finalizer")
    world.api.delete("Plan", plan)
    eventually(lambda: world.api.get("Plan", plan) is None, "the end of the plan")
