"""A plan that tenants are on is not deleted; one that nobody is on goes."""

from support.operator_world import OperatorWorld, condition, eventually
from tenant_operator.domain import IN_USE


def _is_held(world: OperatorWorld, plan: str) -> bool:
    body = world.api.get("Plan", plan)
    return body is not None and body["metadata"].get("finalizers") == [IN_USE]


def test_a_plan_goes_when_its_last_tenant_has_left(world: OperatorWorld) -> None:
    plan, other = world.new_plan(), world.new_plan()
    eventually(lambda: _is_held(world, plan), "the plan's finalizer")
    name = world.provisioned(plan)
    world.api.delete("Plan", plan)

    def refused() -> bool:
        _, reason, message = condition(world.api.get("Plan", plan), "Ready")
        return reason == "InUse" and f"while tenants are on it: {name}." in message

    eventually(refused, "a refusal that names the tenant")
    event = eventually(lambda: world.event(plan, "InUse"), "an Event of the refusal")
    assert event["regarding"]["kind"] == "Plan"
    assert event["type"] == "Warning"
    late = world.new_tenant(plan)
    world.await_condition(late, "Stalled", "True", "PlanGoing")
    assert condition(world.api.get("Tenant", name), "Ready")[0] == "True"
    for tenant in (name, late):
        world.api.patch("Tenant", tenant, {"spec": {"plan": other}})
        world.answer_all(world.await_record_of_plan(world.tenant_id(tenant), other))
    eventually(lambda: world.api.get("Plan", plan) is None, "the end of the plan")
    for tenant in (name, late):
        world.await_condition(tenant, "Ready", "True", "Provisioned")


def test_a_plan_that_nobody_is_on_goes_at_once(world: OperatorWorld) -> None:
    plan = world.new_plan()
    eventually(lambda: _is_held(world, plan), "the plan's finalizer")
    world.api.delete("Plan", plan)
    eventually(lambda: world.api.get("Plan", plan) is None, "the end of the plan")
