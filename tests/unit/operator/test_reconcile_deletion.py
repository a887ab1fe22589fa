"""How the operator lets a tenant go, by the protocol of docs/tenants.md."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.platform import Component, ComponentState, TenantState
from tenant_operator.domain import ABANDON, FINALIZER, Observed
from tenant_operator.reconcile import (
    Announce,
    Decision,
    DropStream,
    Forget,
    Publish,
    RemoveFinalizer,
    interrupted,
    reconcile,
    without_kafka,
)
from unit.operator.settling import deleting, settled
from unit.operator.surroundings import NOW, Surroundings, tenant


def test_deletion_waits_for_each_component_then_removes_all() -> None:
    world = settled()
    world.done.clear()
    deleting(world)
    world.settle()
    assert world.published is not None
    assert world.published.state is TenantState.DELETING
    for component in set(Component) - {Component.BILLING}:
        world.answer(component, ComponentState.DELETED)
    world.settle()
    assert world.condition("Ready") == ("False", "Deleting", "Deletion waits for billing.")
    assert FINALIZER in world.tenant.finalizers
    world.answer(Component.BILLING, ComponentState.DELETED)
    world.settle()
    assert [type(action) for action in world.done] == [Publish, DropStream, Announce, Forget, RemoveFinalizer]


def test_deletion_that_is_late_names_who_is_missing() -> None:
    world = settled()
    deleting(world)
    world.settle()
    for component in set(Component) - {Component.SCHEDULER}:
        world.answer(component, ComponentState.DELETED)
    world.now += timedelta(minutes=11)
    world.settle()
    status, reason, message = world.condition("Stalled")
    assert (status, reason) == ("True", "DeletionOverdue")
    assert message.startswith("Deletion waits for scheduler.")
    assert "slotwright.io/abandon=true" in message


def test_abandon_lets_go_with_a_report_of_what_is_left() -> None:
    world = settled()
    deleting(world)
    world.settle()
    _assert_let_go_with_a_report(world)


def _assert_let_go_with_a_report(world: Surroundings) -> None:
    """Once it is abandoned: whose rows may be left is said."""
    world.tenant = replace(world.tenant, annotations={ABANDON: "true"})
    world.settle()
    report = next(action for action in world.done if isinstance(action, Announce))
    assert (report.kind, report.reason) == ("Warning", "Abandoned")
    assert "auth; business" in report.message
    assert world.tenant.finalizers == ()


def test_abandon_needs_no_kafka() -> None:
    world = settled()
    world.tenant = replace(world.tenant, annotations={ABANDON: "true"}, deleted_at=NOW)
    decision = reconcile(world.tenant, world.plan, world.observed())
    assert decision.tolerant
    assert [type(action) for action in decision.actions] == [
        Publish,
        Announce,
        DropStream,
        Forget,
        RemoveFinalizer,
    ]


def test_a_deletion_leaves_a_receipt_of_its_rows() -> None:
    world = settled()
    deleting(world)
    world.settle()
    world.done.clear()
    for component in Component:
        world.answer(component, ComponentState.DELETED, archived={"users": 2, "sessions": 1})
    world.settle()
    receipt = next(action for action in world.done if isinstance(action, Announce))
    assert (receipt.kind, receipt.reason) == ("Normal", "Archived")
    assert "auth 3, billing 3, booking 3" in receipt.message
    assert receipt.rows == {part.value: {"users": 2, "sessions": 1} for part in Component}


def test_a_deletion_that_was_cut_off_before_its_last_tombstones_writes_them() -> None:
    world = settled()
    deleting(world)
    world.settle()
    world.answer_all(ComponentState.DELETED)
    world.published, world.forgotten = None, True
    world.done.clear()
    world.settle()
    assert [type(action) for action in world.done] == [DropStream, Announce, Forget, RemoveFinalizer]


def test_a_deletion_that_was_cut_off_behind_its_tombstones_asks_nobody_again() -> None:
    world = settled()
    deleting(world)
    world.settle()
    world.apply(Forget())
    world.done.clear()
    world.settle()
    assert Forget() not in world.done
    assert world.done[-1] == RemoveFinalizer()
    assert not any(isinstance(action, Publish) for action in world.done)


@pytest.mark.parametrize("going", [False, True])
@pytest.mark.parametrize("planless", [False, True])
def test_a_deletion_whose_record_kafka_has_lost_is_told_again_under_the_next_number(
    *, going: bool, planless: bool
) -> None:
    """Else nothing of the business would be erased, and the receipt would say that there was nothing."""
    world = settled()
    assert world.published is not None
    last = world.published.generation
    if going:
        deleting(world)
        world.settle()
        last = world.published.generation
        world.answer_all(ComponentState.DELETED)
    world.published, world.answers = None, {}
    if planless:
        world.plan = None
    deleting(world)
    world.done.clear()
    world.settle()
    (told,) = world.done
    assert isinstance(told, Publish)
    assert (told.record.state, told.record.generation) == (TenantState.DELETING, last + 1)
    assert FINALIZER in world.tenant.finalizers
    world.answer_all(ComponentState.DELETED)
    world.settle()
    assert world.tenant.finalizers == ()


def test_a_tenant_that_is_stalled_when_kafka_loses_its_record_is_erased_all_the_same() -> None:
    world = settled()
    assert world.published is not None
    last = world.published.generation
    world.published, world.answers, world.plan = None, {}, None
    world.settle()
    assert world.condition("Stalled")[1] == "PlanNotFound"
    deleting(world)
    world.settle()
    assert world.published is not None
    assert (world.published.state, world.published.generation) == (TenantState.DELETING, last + 1)


def test_abandon_says_of_a_record_that_kafka_has_lost_whose_rows_may_be_left() -> None:
    world = settled()
    world.published, world.answers = None, {}
    deleting(world)
    _assert_let_go_with_a_report(world)


def test_a_failing_action_past_the_deadline_says_what_deletion_waits_for() -> None:
    world = settled()
    early = interrupted(world.tenant, world.observed(), "KafkaUnavailable", "Kafka is away.")
    assert early["conditions"][0]["message"] == "Kafka is away. Tried again shortly."
    deleting(world)
    world.now += timedelta(minutes=11)
    late = interrupted(world.tenant, world.observed(), "KafkaUnavailable", "Kafka is away.")
    ready, _, stuck = late["conditions"][:3]
    assert (stuck["status"], stuck["reason"]) == ("True", "DeletionOverdue")
    assert ready["message"].startswith("Deletion cannot go on: Kafka is away. Mend it, or")


def test_a_tenant_that_no_service_heard_of_goes_at_once() -> None:
    world = Surroundings(replace(tenant(), finalizers=(FINALIZER,), deleted_at=NOW))
    world.settle()
    receipt, last = world.done
    assert last == RemoveFinalizer()
    assert isinstance(receipt, Announce)
    assert receipt.reason == "Archived"
    assert receipt.message.endswith("archived: none.")


FAULT = "KafkaUnavailable", "Kafka is away."


def _unread(world: Surroundings) -> Observed:
    """Nothing is known yet of what Kafka has."""
    return Observed(world.now, "https://book.example", "slotwright-tenants")


def test_before_kafka_has_been_read_an_abandoned_one_goes_by_the_api_server_alone() -> None:
    world = settled()
    deleting(world)
    world.tenant = replace(world.tenant, annotations={ABANDON: "true"})
    report, last = without_kafka(world.tenant, _unread(world), *FAULT).actions
    assert last == RemoveFinalizer()
    assert isinstance(report, Announce)
    assert (report.kind, report.reason) == ("Warning", "Abandoned")
    assert str(world.tenant.uid) in report.message


@pytest.mark.parametrize("annotations", [{}, {ABANDON: "true"}])
def test_before_kafka_has_been_read_one_that_was_let_go_is_left_to_whoever_holds_it_still(
    annotations: dict[str, str],
) -> None:
    """Or it would be told again at each pass that it was let go."""
    world = settled()
    deleting(world)
    world.tenant = replace(world.tenant, annotations=annotations, finalizers=("example.org/hold",))
    assert without_kafka(world.tenant, _unread(world), *FAULT) == Decision((), world.tenant.status)


def test_before_kafka_has_been_read_a_deletion_waits_and_says_so() -> None:
    world = settled()
    deleting(world)
    decision = without_kafka(world.tenant, _unread(world), *FAULT)
    assert decision.actions == ()
    assert decision.status["conditions"][0]["reason"] == "KafkaUnavailable"
    assert decision.status["recordGeneration"] == 1
    assert decision.again is not None
    world.now += decision.again
    decision = without_kafka(world.tenant, _unread(world), *FAULT)
    assert decision.status["conditions"][0]["reason"] == "DeletionOverdue"


def test_before_kafka_has_been_read_what_is_settled_stays_and_what_is_asked_for_says_so() -> None:
    world = settled()
    assert without_kafka(world.tenant, _unread(world), *FAULT) == Decision((), world.tenant.status)
    asked = replace(world.tenant, generation=2)
    for subject in (asked, tenant()):
        decision = without_kafka(subject, _unread(world), *FAULT)
        assert decision.actions == ()
        assert decision.status["conditions"][0]["reason"] == "KafkaUnavailable"
