"""How soon a status is written, and the Event that it deserves."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from contracts.platform import Component
from tenant_operator.transitions import Haste, haste, transition
from unit.operator.surroundings import Surroundings


def _statuses() -> list[dict[str, Any]]:
    """Of a tenant from first sight to Ready, with one component after the other."""
    world = Surroundings()
    found = [dict(world.tenant.status), dict(world.settle())]
    for component in Component:
        world.now += timedelta(seconds=1)
        world.answer(component)
        found.append(dict(world.settle()))
    return found


def test_what_is_under_way_can_wait_and_its_end_cannot() -> None:
    statuses = _statuses()
    steps = [haste(before, after) for before, after in pairwise(statuses)]
    assert set(steps[:-1]) == {Haste.PROGRESS}
    assert steps[-1] is Haste.NOW
    assert haste(statuses[-1], statuses[-1]) is Haste.NONE


def test_a_new_generation_is_told_at_once() -> None:
    statuses = _statuses()
    assert haste(statuses[1], statuses[1] | {"observedGeneration": 2}) is Haste.NOW
    assert haste(statuses[-1], statuses[1] | {"observedGeneration": 2}) is Haste.NOW


def test_what_a_changed_plan_begins_may_be_over_before_it_has_to_be_told() -> None:
    """A plan has many tenants: one write for each, instead of two and two Events."""
    world = Surroundings()
    world.settle()
    for component in Component:
        world.answer(component)
    settled = dict(world.settle())
    assert world.plan is not None
    limits = world.plan.spec.limits.model_copy(update={"bookings_per_month": 1})
    world.plan = replace(world.plan, spec=world.plan.spec.model_copy(update={"limits": limits}))
    under_way = dict(world.settle())
    assert haste(settled, under_way) is Haste.ROLLOUT
    for component in Component:
        world.answer(component)
    after = dict(world.settle())
    assert haste(settled, after) is Haste.NOW
    assert transition(settled, after) is None


def test_an_event_tells_every_condition_that_turned() -> None:
    statuses = _statuses()
    whole = transition(statuses[0], statuses[-1])
    assert whole is not None
    assert (whole.kind, whole.reason) == ("Normal", "Provisioned")
    assert whole.message == (
        "Every component serves this business. BusinessRegistered is True (Registered). OwnerInvited is True"
        " (Invited). TopicsReady is True (Created). BillingLinked is True (Linked). QuotaPublished is True"
        " (Published)."
    )


def test_no_event_for_what_holds_as_before() -> None:
    statuses = _statuses()
    # After auth and before business has answered: OwnerInvited has turned, then nothing.
    assert transition(statuses[2], statuses[2]) is None
    assert transition(statuses[2], statuses[3]) is None
    turned = transition(statuses[1], statuses[2])
    assert turned is not None
    assert "OwnerInvited is True (Invited)." in turned.message


def test_a_failure_is_a_warning() -> None:
    world = Surroundings()
    before = dict(world.settle())
    world.plan = None
    told = transition(before, world.settle())
    assert told is not None
    assert (told.kind, told.reason) == ("Warning", "PlanNotFound")
