"""Deletions with something away: Kafka, the operator, patience. Each ends, or says what it waits for.

With a component away: test_operator. Past the deadline: unit tests. With Stripe away: tests/integration/billing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from confluent_kafka import KafkaException

from contracts.envelope import Envelope
from contracts.platform import ComponentState, DeletionPolicy, TenantChanged, TenantState
from contracts.topics import tenant_topic
from devstack.local_http import LOCAL_HTTP
from servicekit.ids import new_id
from support.api_server import ApiServer
from support.broker import Broker
from support.events import until
from support.operator_world import OperatorWorld, condition, eventually, tenant
from tenant_operator.domain import ABANDON, FINALIZER, PAUSED


@pytest.fixture(scope="module")
def apart(
    api_server: ApiServer, own_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> OperatorWorld:
    """With a Kafka of its own, as it is killed here, and without an operator."""
    return OperatorWorld(api_server, own_broker, tmp_path_factory.mktemp("deletion"))


@contextmanager
def _kafka_away(world: OperatorWorld) -> Iterator[None]:
    until(
        world.broker.has_snapshot, "Kafka's snapshot of its metadata, without which it may forget its users"
    )
    world.broker.kill()
    try:
        yield
    finally:
        world.broker.start()


def _gone(world: OperatorWorld, name: str) -> None:
    eventually(lambda: world.api.get("Tenant", name) is None, f"the end of {name}")


def _end(world: OperatorWorld, name: str, tenant_id: UUID) -> None:
    """The components answer, and the object goes."""
    record = world.await_record(tenant_id, TenantState.DELETING)
    world.answer_all(record, ComponentState.DELETED)
    _gone(world, name)


@pytest.mark.slow
def test_with_kafka_away_it_says_so_and_goes_on_when_it_is_back(apart: OperatorWorld) -> None:
    """Takes a start of Kafka and one of the operator."""
    with apart.operator():
        name = apart.provisioned(apart.new_plan())
        tenant_id = apart.tenant_id(name)
        with _kafka_away(apart):
            apart.api.delete("Tenant", name)
            body = apart.await_condition(name, "Ready", "False", "KafkaUnavailable")
            assert condition(body, "Reconciling")[0] == "True"
            assert body["metadata"]["finalizers"] == [FINALIZER]
        _end(apart, name, tenant_id)


@pytest.mark.slow
def test_abandoned_it_ends_without_kafka_and_tells_what_is_left(apart: OperatorWorld) -> None:
    """Takes a start of Kafka and one of the operator, and the time in which Kafka is given up."""
    with apart.operator():
        name = apart.provisioned(apart.new_plan())
        tenant_id = apart.tenant_id(name)
        with _kafka_away(apart):
            apart.api.delete("Tenant", name)
            apart.await_condition(name, "Ready", "False", "KafkaUnavailable")
            apart.api.patch("Tenant", name, {"metadata": {"annotations": {ABANDON: "true"}}})
            eventually(lambda: apart.api.get("Tenant", name) is None, "the end of it", seconds=240)
        told = [item["note"] for item in apart.events(name) if item["reason"] == "Abandoned"]
        assert any("auth" in note and str(tenant_id) in note for note in told), told
        assert any("DropStream" in note for note in told), told


@pytest.mark.slow
def test_an_operator_that_starts_without_kafka_says_so_and_lets_go(apart: OperatorWorld) -> None:
    """Takes two starts of the operator, one of Kafka, and the time in which Kafka is given up."""
    with apart.operator():
        plan = apart.new_plan()
        settled, going = apart.provisioned(plan), apart.provisioned(plan)
        tenant_id, before = apart.tenant_id(going), apart.api.get("Tenant", settled)
    with _kafka_away(apart):
        new = apart.new_tenant(plan)
        apart.api.delete("Tenant", going)
        with apart.operator_that_is_not_ready():
            for name in (new, going):
                apart.await_condition(name, "Ready", "False", "KafkaUnavailable")
            apart.api.patch("Tenant", going, {"metadata": {"annotations": {ABANDON: "true"}}})
            _gone(apart, going)
            # Plans need nothing of Kafka.
            spare = apart.new_plan()
            eventually(lambda: condition(apart.api.get("Plan", spare), "Ready")[1] == "Unused", "a new plan")
            apart.api.delete("Plan", spare)
            eventually(lambda: apart.api.get("Plan", spare) is None, "the end of a plan that nobody is on")
    (told,) = [item["note"] for item in apart.events(going) if item["reason"] == "Abandoned"]
    assert str(tenant_id) in told
    assert apart.api.get("Tenant", settled) == before
    with apart.operator():
        apart.answer_all(apart.await_record(apart.tenant_id(new)))
        apart.await_condition(new, "Ready", "True", "Provisioned")


@pytest.mark.slow
def test_another_policy_counts_as_long_as_the_components_can_be_told(apart: OperatorWorld) -> None:
    """Takes a start of the operator. Kafka stands still, so that the last actions take long enough to be met."""
    with apart.operator() as running:
        plan = apart.new_plan()
        name = apart.provisioned(plan)
        tenant_id = apart.tenant_id(name)
        apart.api.delete("Tenant", name)
        record = apart.await_record(tenant_id, TenantState.DELETING)
        _annotate(apart, name, PAUSED, "true")
        apart.await_condition(name, "Ready", "False", "Paused")
        apart.answer_all(record, ComponentState.DELETED)
        # What was answered before the next one's answers is read before them.
        apart.provisioned(plan)
        with apart.broker.silent():
            _annotate(apart, name, PAUSED, None)
            eventually(lambda: '"action": "DropStream"' in running.log.read_text("utf-8"), "the last actions")
            apart.api.patch("Tenant", name, {"spec": {"deletionPolicy": "Delete"}})
            # What the watch tells of later is known later.
            apart.await_condition(apart.new_tenant("no-such-plan"), "Stalled", "True", "PlanNotFound")
        last = eventually(lambda: _told_to_erase(apart, tenant_id), "the new policy to be told")
        apart.answer_all(last, ComponentState.DELETED)
        _gone(apart, name)
    assert apart.event(name, "Erased")


def _annotate(world: OperatorWorld, name: str, annotation: str, value: str | None) -> None:
    world.api.patch("Tenant", name, {"metadata": {"annotations": {annotation: value}}})


def _told_to_erase(world: OperatorWorld, tenant_id: UUID) -> TenantChanged | None:
    record = world.record(tenant_id)
    return record if record is not None and record.deletion_policy is DeletionPolicy.DELETE else None


@pytest.mark.slow
def test_with_the_operator_away_the_object_waits_for_it(apart: OperatorWorld) -> None:
    """Takes two starts of the operator."""
    with apart.operator():
        name = apart.provisioned(apart.new_plan())
        tenant_id = apart.tenant_id(name)
    apart.api.delete("Tenant", name)
    body = apart.api.get("Tenant", name)
    assert body is not None
    assert body["metadata"]["deletionTimestamp"]
    with apart.operator():
        _end(apart, name, tenant_id)


@pytest.mark.slow
def test_the_name_is_free_when_the_old_one_is_erased_and_not_before(apart: OperatorWorld) -> None:
    """Takes a start of the operator."""
    with apart.operator():
        plan = apart.new_plan()
        name = apart.provisioned(plan, deletionPolicy="Delete")
        tenant_id, before = apart.tenant_id(name), apart.secret(name)
        apart.api.delete("Tenant", name)
        record = apart.await_record(tenant_id, TenantState.DELETING)
        assert apart.api.create(tenant(name, plan)).status_code == 409
        apart.answer_all(record, ComponentState.DELETED)
        _gone(apart, name)
        assert apart.api.create(tenant(name, plan)).status_code == 201
        assert apart.tenant_id(name) != tenant_id
        apart.answer_all(apart.await_record(apart.tenant_id(name)))
        apart.await_condition(name, "Ready", "True", "Provisioned")
        _is_another(apart, name, before)


@pytest.mark.slow
@pytest.mark.parametrize("secret", ["is left", "is gone, as with its namespace"])
def test_what_a_business_left_whose_finalizer_was_taken_away_is_not_the_next_ones(
    apart: OperatorWorld, secret: str
) -> None:
    """Takes two starts of the operator."""
    with apart.operator():
        plan = apart.new_plan()
        name = apart.provisioned(plan)
        before, old = apart.secret(name), apart.tenant_id(name)
    event = Envelope(
        id=str(new_id()),
        source="/slotwright/booking",
        type="booking.appointment.booked.v1",
        time=datetime.now(UTC),
        subject="x",
        tenant_id=old,
        data=b"{}",
    )
    apart.send(tenant_topic(name), "x", event)
    apart.api.patch("Tenant", name, {"metadata": {"finalizers": None}})
    apart.api.delete("Tenant", name)
    if secret != "is left":
        apart.api.remove(f"/api/v1/namespaces/slotwright-tenants/secrets/tenant-{name}-kafka")
    assert apart.api.create(tenant(name, plan)).status_code == 201
    with apart.operator() as running:
        known = apart.await_record(apart.tenant_id(name))
        assert not known.event_stream.enabled, "the topic is still where the old one's events go"
        apart.answer_all(known)
        apart.answer_all(eventually(lambda: _told_of_its_stream(apart, name), "a stream of its own"))
        apart.await_condition(name, "Ready", "True", "Provisioned")
        _is_another(apart, name, before)
        metrics = LOCAL_HTTP.get(f"{running.url}/metrics").text
        assert "slotwright_operator_orphan_records 0.0" not in metrics


def _told_of_its_stream(world: OperatorWorld, name: str) -> TenantChanged | None:
    record = world.record(world.tenant_id(name))
    return record if record is not None and record.event_stream.enabled else None


def _is_another(world: OperatorWorld, name: str, before: dict[str, str]) -> None:
    """Its topics are new, and who had the old one's credentials has none of its."""
    after = world.secret(name)
    group = f"{after['group.id.prefix']}readers"
    assert world.read_topic(tenant_topic(name), world.client_of(after), group) == []
    assert after["sasl.password"] != before["sasl.password"]
    with pytest.raises(KafkaException):
        world.read_topic(tenant_topic(name), world.client_of(before), group)
