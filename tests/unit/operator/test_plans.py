"""What the operator decides about a Plan."""

from dataclasses import replace
from datetime import timedelta

from contracts.platform import BillingDetails, Component, ComponentState
from tenant_operator.domain import IN_USE, PlanObject
from tenant_operator.plans import Told, reconcile_plan
from unit.operator.surroundings import NOW, Surroundings, answer, plan


def test_a_plan_is_held_from_first_sight() -> None:
    decision = reconcile_plan(plan(), {}, (), NOW)
    assert decision.finalizers == (IN_USE,)
    assert decision.status["tenants"] == 0
    assert decision.status["conditions"][0]["reason"] == "Unused"


def test_a_plan_in_use_is_not_deleted_and_names_its_tenants() -> None:
    going = replace(plan(), finalizers=("other/one", IN_USE), deleted_at=NOW)
    names = [f"shop-{number:02}" for number in range(12)]
    decision = reconcile_plan(going, names, (), NOW)
    assert decision.finalizers == ("other/one", IN_USE)
    (condition,) = decision.status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InUse")
    assert condition["message"] == (
        "It is not deleted while tenants are on it: shop-00, shop-01, shop-02, shop-03, shop-04, shop-05, shop-06,"
        " shop-07, shop-08, shop-09 and 2 more. Give them another spec.plan."
    )


def test_a_plan_that_goes_and_is_not_held_cannot_be_held_any_more() -> None:
    """The API server would refuse the finalizer, at each pass: as when another's alone has kept the plan."""
    going = replace(plan(), finalizers=("other/one",), deleted_at=NOW)
    assert reconcile_plan(going, {"riverside"}, (), NOW).finalizers == ("other/one",)


def test_a_plan_that_nobody_is_on_goes() -> None:
    going = replace(plan(), finalizers=("other/one", IN_USE), deleted_at=NOW)
    assert reconcile_plan(going, {}, (), NOW).finalizers == ("other/one",)


def test_a_plan_that_nobody_is_on_says_whose_finalizers_hold_it_and_names_no_tenants() -> None:
    """As after a deletion in the foreground, which is Argo CD's way."""
    going = replace(plan(), finalizers=("foregroundDeletion", IN_USE), deleted_at=NOW)
    held = reconcile_plan(going, {"riverside"}, (), NOW)
    left = reconcile_plan(replace(going, status=held.status), {}, (), NOW)
    (condition,) = left.status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "Deleting")
    assert condition["message"] == (
        "The operator has let it go. What holds it are others' finalizers: foregroundDeletion."
    )


def _told(of: PlanObject, generation: int, price: str, state: ComponentState = ComponentState.READY) -> Told:
    """A tenant that was told of that plan, and what billing said to it."""
    world = Surroundings(of=of)
    world.settle()
    assert world.published is not None
    linked = BillingDetails(product_id=f"of_{price}", price_id=price)
    said = answer(Component.BILLING, generation, state, billing=linked)
    return world.published.model_copy(update={"generation": generation}), {Component.BILLING: said}


def test_the_ids_at_stripe_are_those_of_the_plan_as_it_is() -> None:
    """Whatever the numbers of the records of a tenant that is paused, or of one that comes from another plan."""
    dearer = plan(price={"amount": 3900, "currency": "EUR", "interval": "month"})
    paused = _told(plan(), 9, "price_before")
    moved = _told(dearer, 8, "price_of_another", ComponentState.FAILED)
    late = _told(dearer, 7, "price_before")
    late = (late[0].model_copy(update={"generation": 8}) if late[0] else None, late[1])
    linked = _told(dearer, 2, "price_now")
    ids = {"productId": "of_price_now", "priceId": "price_now"}
    for others in ([], [paused], [moved], [late], [paused, moved, late, (None, linked[1])]):
        assert reconcile_plan(dearer, {"riverside"}, [*others, linked], NOW).status["stripe"] == ids
        assert "stripe" not in reconcile_plan(dearer, {"riverside"}, others, NOW).status


def test_a_status_is_equal_when_nothing_has_changed() -> None:
    first = reconcile_plan(plan(), {"riverside"}, (), NOW)
    again = reconcile_plan(replace(plan(), status=first.status), {"riverside"}, (), NOW + timedelta(hours=1))
    assert again.status == first.status
