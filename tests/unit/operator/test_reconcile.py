"""What the operator decides, by the protocol of docs/tenants.md."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.platform import BillingDetails, Component, ComponentState, TenantState
from tenant_operator.domain import PAUSED, StreamState, TopicState
from tenant_operator.reconcile import (
    Action,
    AddFinalizer,
    Announce,
    Publish,
    PutStream,
)
from tenant_operator.transitions import Haste, haste, transition
from unit.operator.settling import settled
from unit.operator.surroundings import NOW, SCHEMA, Surroundings, answer, plan, tenant


def test_a_new_tenant_gets_finalizer_stream_and_record_in_this_order() -> None:
    world = Surroundings()
    world.settle()
    assert [type(action) for action in world.done] == [AddFinalizer, PutStream, Publish]
    assert world.condition("Ready")[:2] == ("False", "Provisioning")
    assert world.condition("QuotaPublished")[0] == "True"
    assert world.condition("BusinessRegistered")[2] == (
        "Waiting for business, booking, scheduler, notification, analytics."
    )


def test_ready_needs_every_component_of_this_generation() -> None:
    for left_out in Component:
        world = Surroundings()
        world.settle()
        for component in set(Component) - {left_out}:
            world.answer(component)
        world.settle()
        assert world.condition("Ready")[0] == "False", left_out
        world.answer(left_out)
        world.settle()
        assert world.condition("Ready")[:2] == ("True", "Provisioned"), left_out


def test_a_settled_tenant_is_left_alone() -> None:
    world = settled()
    before = world.writes
    done = len(world.done)
    world.now += timedelta(hours=3)
    world.settle()
    assert (world.writes, len(world.done)) == (before, done)


def test_a_change_of_the_plan_reaches_the_tenant_under_the_next_generation() -> None:
    world = settled()
    world.plan = plan(limits={"bookingsPerMonth": 10})
    world.settle()
    assert world.published is not None
    assert (world.published.generation, world.published.limits.bookings_per_month) == (2, 10)
    assert world.condition("Ready")[:2] == ("False", "Provisioning")


def test_own_limits_come_before_the_plans() -> None:
    world = Surroundings(tenant(limits={"bookingsPerMonth": 5000}))
    status = world.settle()
    assert status["entitlements"]["limits"] == {"bookingsPerMonth": 5000, "staff": 25}
    assert status["bookings"] == "0/5000"


@pytest.mark.parametrize(("state", "limit"), [("past_due", 2000), ("canceled", 0), ("unpaid", 0)])
def test_a_subscription_that_has_ended_allows_no_new_bookings(state: str, limit: int) -> None:
    world = settled()
    world.answer(Component.BILLING, billing=BillingDetails(customer_id="cus_1", state=state))
    world.settle()
    world.answer_all()
    world.answer(Component.BILLING, billing=BillingDetails(customer_id="cus_1", state=state))
    world.settle()
    assert world.published is not None
    assert world.published.limits.bookings_per_month == limit
    assert world.condition("Ready")[:2] == ("True", "SubscriptionEnded" if limit == 0 else "Provisioned")
    assert limit or f"is {state}," in world.condition("Ready")[2]


def test_a_missing_plan_stalls_and_its_coming_mends() -> None:
    world = Surroundings()
    world.plan = None
    status = world.settle()
    assert world.condition("Stalled")[:2] == ("True", "PlanNotFound")
    assert world.condition("Ready")[2] == (
        "There is no Plan named pro; create it, or name another in spec.plan."
    )
    assert status["observedGeneration"] == 1
    assert world.published is None
    world.plan = plan()
    world.settle()
    world.answer_all()
    world.settle()
    assert world.condition("Ready")[0] == "True"
    assert world.condition("Stalled")[0] == "False"


@pytest.mark.parametrize("name", ["Europe/Lisbom", "localtime", "Factory"])
def test_a_zone_that_is_no_place_on_earth_stalls(name: str) -> None:
    world = Surroundings(tenant(timezone=name))
    world.settle()
    assert world.condition("Stalled")[:2] == ("True", "UnknownTimezone")


def test_a_component_that_failed_is_named_with_its_words() -> None:
    world = Surroundings()
    world.settle()
    world.answer_all()
    world.answer(Component.BILLING, ComponentState.FAILED)
    world.settle()
    assert world.condition("Ready") == ("False", "Broken", "billing: billing says so.")
    assert world.condition("Stalled")[0] == "True"
    assert world.condition("BillingLinked")[:2] == ("False", "Broken")


def test_a_component_that_goes_on_trying_is_no_reason_to_stall() -> None:
    world = Surroundings()
    world.settle()
    world.answer_all()
    away = answer(Component.AUTH, 1, ComponentState.FAILED).model_copy(update={"reason": "MailUnavailable"})
    world.answers[Component.AUTH] = away
    world.settle()
    assert world.condition("Ready") == ("False", "MailUnavailable", "auth: auth says so.")
    assert (world.condition("Reconciling")[0], world.condition("Stalled")[0]) == ("True", "False")
    world.answer(Component.BILLING, ComponentState.FAILED)
    world.settle()
    assert world.condition("Stalled")[:2] == ("True", "Broken")


def test_a_paused_tenant_is_not_touched_and_says_so() -> None:
    world = settled()
    done = len(world.done)
    world.tenant = replace(world.tenant, annotations={PAUSED: "true"}, generation=2)
    world.plan = plan(limits={"bookingsPerMonth": 1})
    world.settle()
    assert len(world.done) == done
    assert world.condition("Ready")[:2] == ("Unknown", "Paused")


def test_suspended_is_told_to_the_services_and_is_a_settled_state() -> None:
    world = Surroundings(tenant(suspended=True))
    world.settle()
    world.answer_all()
    world.settle()
    assert world.published is not None
    assert world.published.state is TenantState.SUSPENDED
    assert world.condition("Ready")[:2] == ("True", "Suspended")


def test_a_stream_goes_only_when_its_writers_know() -> None:
    world = settled()
    world.tenant = replace(world.tenant, spec=tenant(eventStream={"enabled": False}).spec, generation=2)
    world.settle()
    assert not world.stream.empty
    world.answer_all()
    world.answer(Component.BILLING, ComponentState.FAILED)
    world.settle()
    assert not world.stream.empty, "one could not put that into effect"
    world.answer(Component.BILLING)
    status = world.settle()
    assert world.stream.empty
    assert "eventStream" not in status
    assert world.condition("TopicsReady")[:2] == ("True", "Disabled")


def _with_topics(world: Surroundings, partitions: int, hours: int) -> None:
    """Somebody has changed the topics by hand."""
    topics = dict.fromkeys(world.stream.topics, TopicState(partitions, hours))
    world.stream = replace(world.stream, topics=topics)


def test_what_somebody_changed_in_kafka_is_mended_and_told() -> None:
    world = settled()
    world.done.clear()
    _with_topics(world, 1, 24)
    world.stream = replace(world.stream, access=False)
    before = world.writes
    world.settle()
    put, told = world.done
    assert isinstance(put, PutStream)
    assert isinstance(told, Announce)
    assert (told.kind, told.reason) == ("Warning", "DriftRepaired")
    assert told.message == (
        "Not as it should be, and mended: topic tenant.riverside.events.v1 kept 24 h, not 168 h; topic"
        " tenant.riverside.dlq.v1 kept 24 h, not 168 h; the Kafka user's rules were not those it should have."
    )
    assert world.writes == before


def test_a_topic_that_was_to_keep_its_events_for_ever_is_not_said_to_have_kept_them_less_than_nothing() -> (
    None
):
    world = settled()
    world.done.clear()
    _with_topics(world, 3, -1)
    world.settle()
    told = world.done[-1]
    assert isinstance(told, Announce)
    assert "topic tenant.riverside.events.v1 kept all events, not 168 h" in told.message


def test_a_secret_with_an_authority_of_the_brokers_that_is_no_more_is_mended_silently() -> None:
    world = settled()
    world.done.clear()
    world.stream = replace(world.stream, outdated=True)
    before = world.writes
    world.settle()
    (put,) = world.done
    assert isinstance(put, PutStream)
    assert world.writes == before


def _put(world: Surroundings) -> PutStream:
    world.done.clear()
    world.stream = replace(world.stream, secret=False)
    world.settle()
    return next(action for action in world.done if isinstance(action, PutStream))


def test_topics_are_its_own_once_services_were_told_of_them() -> None:
    """Before that, those of its name are another's: see test_deletion of tests/operator."""
    assert _put(Surroundings()).first
    world = settled()
    assert not _put(world).first
    world.published = None
    assert not _put(world).first
    without = Surroundings(tenant(eventStream={"enabled": False}))
    without.settle()
    without.answer_all()
    without.settle()
    without.tenant = replace(without.tenant, spec=tenant().spec)
    assert _put(without).first


def test_a_name_that_another_had_gets_its_stream_once_the_services_that_write_there_know_whose_it_is() -> (
    None
):
    world = Surroundings()
    world.namesake = True
    world.settle()
    assert [type(action) for action in world.done] == [AddFinalizer, Publish]
    assert world.published is not None
    assert not world.published.event_stream.enabled
    assert world.condition("TopicsReady")[:2] == ("False", "Creating")
    assert "eventStream" not in world.tenant.status
    world.done.clear()
    for component in (Component.BOOKING, Component.NOTIFICATION):
        world.answer(component)
        world.settle()
        assert world.done == []
    world.answer(Component.BILLING, ComponentState.FAILED)
    world.settle()
    put, publish = world.done
    assert isinstance(put, PutStream)
    assert put.first
    assert isinstance(publish, Publish)
    assert publish.record.event_stream.enabled
    world.answer_all()
    world.settle()
    assert world.condition("Ready")[:2] == ("True", "Provisioned")
    world.stream = StreamState()
    assert [type(action) for action in _doing(world)] == [PutStream, Announce]


def _doing(world: Surroundings) -> list[Action]:
    world.done.clear()
    world.settle()
    return world.done


def test_a_stream_that_is_to_be_another_is_no_drift() -> None:
    world = settled()
    world.done.clear()
    world.plan = plan(eventStream={"retentionHours": 24, "partitions": 2})
    world.settle()
    assert [type(action) for action in world.done] == [PutStream]
    assert world.condition("Ready")[:2] == ("True", "Provisioned")


def test_partitions_are_never_taken_away() -> None:
    world = settled()
    _with_topics(world, 4, 168)
    world.done.clear()
    world.settle()
    assert world.done == []
    assert world.condition("Stalled")[:2] == ("True", "PartitionsCannotShrink")
    assert world.condition("Ready")[0] == "False"
    assert world.condition("TopicsReady") == (
        "False",
        "PartitionsCannotShrink",
        "Kafka cannot take partitions away: tenant.riverside.events.v1 and tenant.riverside.dlq.v1 should have 1"
        " and have 4. Set spec.eventStream.partitions to 4.",
    )
    world.tenant = replace(world.tenant, spec=tenant(eventStream={"partitions": 4}).spec, generation=2)
    world.settle()
    assert world.condition("Ready")[0] == "True"


def test_who_has_more_partitions_than_can_be_asked_for_is_told_the_other_way_out() -> None:
    most = SCHEMA["spec"]["properties"]["eventStream"]["properties"]["partitions"]["maximum"]
    for present, remedy in {
        most: f"Set spec.eventStream.partitions to {most}.",
        most
        + 1: f"A stream has {most} at most: turn it off (spec.eventStream.enabled), wait for Ready, and on again,"
        " which loses what is in it.",
    }.items():
        world = settled()
        _with_topics(world, present, 168)
        world.settle()
        assert world.condition("TopicsReady")[2].endswith(f" and have {present}. {remedy}")


def test_a_plan_that_is_going_takes_no_new_tenant_and_keeps_its_own() -> None:
    going = replace(plan(), deleted_at=NOW)
    world = Surroundings(of=going)
    world.settle()
    assert world.condition("Stalled")[:2] == ("True", "PlanGoing")
    assert world.published is None
    world = settled()
    world.plan = going
    world.settle()
    assert world.condition("Ready")[0] == "True"


def test_numbers_go_on_rising_when_kafka_has_lost_everything() -> None:
    world = settled()
    world.plan = plan(limits={"staff": 3})
    world.settle()
    world.published = None
    world.answers = {}
    world.settle()
    assert world.published is not None
    assert world.published.generation == 3


@pytest.mark.parametrize("lost", [set(Component), {Component.AUTH}, {Component.BILLING}, {Component.BOOKING}])
def test_answers_that_kafka_has_lost_are_asked_for_once_under_the_next_number(lost: set[Component]) -> None:
    """A component answers for a number once: the tenant would wait for it until somebody changed something."""
    world = settled()
    before, done = world.published, len(world.done)
    assert before is not None
    world.answers = {part: told for part, told in world.answers.items() if part not in lost}
    world.settle()
    world.settle()
    assert world.done[done:] == [Publish(before.model_copy(update={"generation": before.generation + 1}))]
    world.answer_all()
    world.settle()
    assert world.condition("Ready")[:2] == ("True", "Provisioned")
    assert len(world.done) == done + 1


def test_a_count_of_last_month_is_none_of_this_month() -> None:
    world = settled()
    used = {"bookings_per_month": 7, "staff": 3}
    world.answer(Component.BOOKING, usage=used, usage_observed_at=NOW)
    assert world.settle()["usage"] == {
        "bookingsThisMonth": 7,
        "staff": 3,
        "observedAt": "2026-03-09T10:00:00Z",
    }
    world.now += timedelta(days=31)
    status = world.settle()
    assert (status["usage"]["bookingsThisMonth"], status["usage"]["staff"]) == (0, 3)


def test_the_same_use_observed_again_changes_nothing() -> None:
    world = settled()
    used = {"bookings_per_month": 7}
    world.answer(Component.BOOKING, usage=used, usage_observed_at=NOW)
    before = world.settle()
    world.answer(Component.BOOKING, usage=used, usage_observed_at=NOW + timedelta(minutes=5))
    assert world.settle() == before
    world.answer(Component.BOOKING, usage={"bookings_per_month": 8}, usage_observed_at=NOW)
    after = world.settle()
    assert haste(before, after) is Haste.USE
    assert transition(before, after) is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["answer", "fail", "old"]), st.sampled_from(Component)),
        st.tuples(st.deferred(lambda: st.sampled_from(sorted(_CHANGES))), st.none()),
    ),
    max_size=30,
)


def _happens(world: Surroundings, what: str, part: Component | None) -> None:
    if part is None:
        _CHANGES[what](world)
    elif what == "old" and part in world.answers:
        told = world.answers[part]
        world.answers[part] = told.model_copy(update={"generation": max(0, told.generation - 1)})
    elif what in {"answer", "fail"} and world.published is not None:
        world.answer(part, ComponentState.READY if what == "answer" else ComponentState.FAILED)


def _lose_kafka(world: Surroundings) -> None:
    world.published, world.answers = None, {}


_CHANGES: dict[str, Callable[[Surroundings], object]] = {
    "plan gone": lambda world: setattr(world, "plan", None),
    "plan going": lambda world: setattr(world, "plan", replace(plan(), deleted_at=world.now)),
    "plan back": lambda world: setattr(world, "plan", plan()),
    "later": lambda world: setattr(world, "now", world.now + timedelta(minutes=7)),
    "kafka lost": _lose_kafka,
    "stream lost": lambda world: setattr(world, "stream", StreamState()),
    "stream changed": lambda world: _with_topics(world, 1, 5),
    "secret lost": lambda world: setattr(world, "stream", replace(world.stream, secret=False)),
    "seen again": lambda world: None,
}


@settings(deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32))
def test_any_order_and_repetition_of_observations_ends_in_the_same_state(
    steps: list[tuple[str, Component | None]], seed: int
) -> None:
    world = Surroundings()
    world.settle()
    for what, part in steps:
        _happens(world, what, part)
        world.settle()
    world.plan = plan()
    world.settle()
    order = list(Component)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, no secret
    for part in order:
        world.answer(part)
        world.settle()
    end = {kind: item["status"] for kind, item in world.tenant.conditions.items()}
    fresh = settled()
    assert end == {kind: item["status"] for kind, item in fresh.tenant.conditions.items()}
    assert world.published is not None
    assert fresh.published is not None
    same = {"generation": 0}
    assert world.published.model_copy(update=same) == fresh.published.model_copy(update=same)
    writes = world.writes
    world.settle()
    assert world.writes == writes
