"""The operator between a real API server and a real Kafka; the test answers as the components."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    ResourceType,
)

from contracts.auth import SignupRequested
from contracts.envelope import Envelope
from contracts.platform import Component, ComponentState, TenantChanged, TenantState, TenantStatusReported
from contracts.topics import PARTS, tenant_topic
from devstack.local_http import LOCAL_HTTP
from servicekit.ids import new_id
from servicekit.kafka_access import part_rules
from support.api_server import MERGE
from support.operator_world import OperatorWorld, condition, eventually, fresh, plan, write_unreadable
from support.processes import Running
from tenant_operator.domain import ABANDON, FINALIZER, PAUSED, SIGNUP
from tenant_operator.kafka_admin import every_rule


def test_a_tenant_is_ready_when_every_component_has_answered(world: OperatorWorld) -> None:
    name = world.new_tenant(world.new_plan())
    world.await_condition(name, "Ready", "False", "Provisioning")
    record = world.await_record(world.tenant_id(name))
    assert (record.slug, record.limits.bookings_per_month) == (name, 2000)
    for component in set(Component) - {Component.BILLING}:
        world.answer(record, component)
    world.await_condition(name, "BusinessRegistered", "True")
    body = world.await_condition(name, "OwnerInvited", "True")
    assert condition(body, "Ready")[0] == "False"
    world.answer(record, Component.BILLING)
    body = world.await_condition(name, "Ready", "True", "Provisioned")
    assert {item["type"]: item["status"] for item in body["status"]["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "BusinessRegistered": "True",
        "OwnerInvited": "True",
        "TopicsReady": "True",
        "BillingLinked": "True",
        "QuotaPublished": "True",
    }
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
    assert body["status"]["url"] == f"https://book.example/b/{name}"
    assert body["status"]["bookings"] == "0/2000"
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert "annotations" not in body["metadata"]


def test_each_transition_is_told_in_an_event(world: OperatorWorld) -> None:
    name = world.provisioned(world.new_plan())

    def told() -> str:
        return " ".join(f"{item['reason']}: {item['note']}" for item in world.events(name))

    eventually(lambda: "Provisioned: Every component serves this business." in told(), "the Event of the end")
    assert "Provisioning: " in told()
    for part in ("BusinessRegistered", "OwnerInvited", "TopicsReady", "BillingLinked", "QuotaPublished"):
        assert told().count(f"{part} is True") == 1, told()


def test_a_missing_plan_stalls_and_its_coming_mends(world: OperatorWorld) -> None:
    plan_name = fresh("plan")
    name = world.new_tenant(plan_name)
    body = world.await_condition(name, "Stalled", "True", "PlanNotFound")
    assert f"There is no Plan named {plan_name}" in condition(body, "Ready")[2]
    assert world.api.create(plan(plan_name)).status_code == 201
    world.answer_all(world.await_record(world.tenant_id(name)))
    body = world.await_condition(name, "Ready", "True")
    assert condition(body, "Stalled")[0] == "False"


def test_a_change_of_the_plan_reaches_its_tenants(world: OperatorWorld) -> None:
    plan_name = world.new_plan()
    name = world.provisioned(plan_name)
    world.api.patch("Plan", plan_name, {"spec": {"limits": {"bookingsPerMonth": 7}}})

    def told() -> TenantChanged | None:
        record = world.record(world.tenant_id(name))
        return record if record is not None and record.limits.bookings_per_month == 7 else None

    world.answer_all(eventually(told, "a record with the new limit"))
    assert world.await_condition(name, "Ready", "True")["status"]["bookings"] == "0/7"
    eventually(
        lambda: ((world.api.get("Plan", plan_name) or {}).get("status") or {}).get("tenants") == 1,
        "the plan's count of tenants",
    )


def test_a_component_that_failed_is_named(world: OperatorWorld) -> None:
    name = world.new_tenant(world.new_plan())
    record = world.await_record(world.tenant_id(name))
    world.answer_all(record)
    world.answer(record, Component.BILLING, ComponentState.FAILED)
    body = world.await_condition(name, "Stalled", "True")
    assert condition(body, "Ready")[2] == "billing: billing is done."


def test_answers_that_nobody_can_read_hold_nothing_up(
    world: OperatorWorld, operator_process: Running
) -> None:
    name = world.new_tenant(world.new_plan())
    record = world.await_record(world.tenant_id(name))
    write_unreadable(world, TenantStatusReported.TOPIC, record.tenant_id)
    write_unreadable(world, TenantChanged.TOPIC, record.tenant_id)
    world.answer_all(record)
    world.await_condition(name, "Ready", "True", "Provisioned")
    assert _unreadable(operator_process, TenantStatusReported.TOPIC) >= 7
    assert operator_process.process.poll() is None


def _unreadable(operator_process: Running, topic: str) -> float:
    """Messages on the topic that the operator has passed over, by its metrics."""
    metrics = LOCAL_HTTP.get(f"{operator_process.url}/metrics").text
    return sum(
        map(float, re.findall(rf'slotwright_operator_malformed_total{{topic="{topic}"}} (\S+)', metrics))
    )


def test_paused_stops_and_says_so(world: OperatorWorld) -> None:
    name = world.provisioned(world.new_plan())
    world.api.patch("Tenant", name, {"metadata": {"annotations": {PAUSED: "true"}}})
    world.await_condition(name, "Ready", "True", "Paused")
    world.api.patch("Tenant", name, {"spec": {"displayName": "Riverside"}})
    world.await_condition(name, "Ready", "Unknown", "Paused")
    record = world.record(world.tenant_id(name))
    assert record is not None
    assert record.display_name == "Riverside Barbers"
    world.api.patch("Tenant", name, {"metadata": {"annotations": {PAUSED: None}}})
    world.await_condition(name, "Ready", "False", "Provisioning")
    world.answer_all(world.await_record(world.tenant_id(name)))
    world.await_condition(name, "Ready", "True", "Provisioned")


def test_a_tenant_reads_its_own_topic_and_no_others(world: OperatorWorld) -> None:
    plan_name = world.new_plan()
    mine, other = world.provisioned(plan_name), world.provisioned(plan_name)
    secret = world.secret(mine)
    config = world.client_of(secret)
    event = Envelope(
        id=str(new_id()),
        source="/slotwright/booking",
        type="booking.appointment.booked.v1",
        time=datetime.now(UTC),
        subject="x",
        tenant_id=world.tenant_id(mine),
        data=b"{}",
    )
    world.send(tenant_topic(mine), "x", event)
    group = f"{secret['group.id.prefix']}readers"
    assert secret["topic"] == tenant_topic(mine)
    assert [value for _, value, _ in world.read_topic(tenant_topic(mine), config, group)] == [b"{}"]
    for topic in (tenant_topic(other), TenantChanged.TOPIC):
        with pytest.raises(KafkaException) as refused:
            world.read_topic(topic, config, group)
        assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert _refused_to_write(config, topic)
        assert _refused_to_describe(config, topic)
    assert _refused_to_write(config, tenant_topic(mine))
    assert not _refused_to_write(config, secret["dead-letter-topic"])
    with pytest.raises(KafkaException) as refused:
        world.read_group(tenant_topic(mine), config, f"tenant.{other}.readers")
    assert refused.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def _refused_to_write(config: dict[str, Any], topic: str) -> bool:
    """As a business's client; False when the broker took the message."""
    errors: list[KafkaError | None] = []
    sender = Producer(config)
    sender.produce(topic, value=b"{}", on_delivery=lambda error, _message: errors.append(error))
    assert sender.flush(30) == 0
    (error,) = errors
    assert error is None or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
    return error is not None


def _refused_to_describe(config: dict[str, Any], topic: str) -> bool:
    admin = AdminClient(dict(config))
    (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    with pytest.raises(KafkaException) as refused:
        answer.result(30)
    listed = set(admin.list_topics(timeout=30).topics)
    return refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and topic not in listed


def test_a_secret_that_was_deleted_comes_back_with_another_password(world: OperatorWorld) -> None:
    name = world.provisioned(world.new_plan())
    before = world.secret(name)
    with world.api.admin() as client:
        client.delete(f"/api/v1/namespaces/slotwright-tenants/secrets/tenant-{name}-kafka").raise_for_status()

    def renewed() -> dict[str, str] | None:
        try:
            return world.secret(name)
        except httpx.HTTPStatusError:
            return None

    after = eventually(renewed, "a new Secret")
    assert after["sasl.password"] != before["sasl.password"]

    def works() -> bool:
        try:
            world.read_topic(tenant_topic(name), world.client_of(after), f"{after['group.id.prefix']}readers")
        except KafkaException:
            return False
        return True

    eventually(works, "a sign-in with the new password")


def test_deletion_waits_for_all_and_leaves_nothing(world: OperatorWorld) -> None:
    name = world.provisioned(world.new_plan())
    tenant_id = world.tenant_id(name)
    world.api.delete("Tenant", name)
    record = world.await_record(tenant_id, TenantState.DELETING)
    for component in set(Component) - {Component.SCHEDULER}:
        world.answer(record, component, ComponentState.DELETED)

    def waits() -> bool:
        return condition(world.api.get("Tenant", name), "Ready")[2] == "Deletion waits for scheduler."

    eventually(waits, "a message that names the scheduler")
    world.answer(record, Component.SCHEDULER, ComponentState.DELETED)
    eventually(lambda: world.api.get("Tenant", name) is None, "the end of the object")
    assert world.record(tenant_id) is None
    answers = {
        key: value
        for key, value, _ in world.read_topic(TenantStatusReported.TOPIC)
        if key.startswith(str(tenant_id))
    }
    assert list(answers.values()) == [None] * len(Component)
    assert not {topic for topic in world.topics() if topic.startswith(f"tenant.{name}.")}
    with pytest.raises(httpx.HTTPStatusError):
        world.secret(name)


def test_abandon_lets_go(world: OperatorWorld) -> None:
    name = world.provisioned(world.new_plan())
    tenant_id = world.tenant_id(name)
    world.api.delete("Tenant", name)
    world.await_record(tenant_id, TenantState.DELETING)
    world.api.patch("Tenant", name, {"metadata": {"annotations": {ABANDON: "true"}}})
    eventually(lambda: world.api.get("Tenant", name) is None, "the end of the object")
    events = world.api.read("/apis/events.k8s.io/v1/namespaces/default/events?limit=500")["items"]
    mine = [item for item in events if item["regarding"].get("uid") == str(tenant_id)]
    report = next(item for item in mine if item["reason"] == "Abandoned")
    assert "analytics" in report["note"]


def _signed_up(world: OperatorWorld, **change: Any) -> SignupRequested:
    """A sign-up as auth tells of it."""
    signup = SignupRequested(
        signup_id=UUID(str(new_id())),
        slug=fresh("salon"),
        display_name="Salon Nova",
        owner_email="nina@nova.example",
        owner_name="Nina",
        plan=world.new_plan(),
        timezone="Europe/Lisbon",
        locale="pt-PT",
        currency="EUR",
    ).model_copy(update=change)
    _tell_of(world, signup, signup.model_dump_json().encode())
    return signup


def _tell_of(world: OperatorWorld, signup: SignupRequested, data: bytes) -> None:
    envelope = Envelope(
        id=str(new_id()),
        source="/slotwright/auth",
        type=signup.TYPE,
        time=datetime.now(UTC),
        subject=signup.key,
        tenant_id=None,
        data=data,
    )
    world.send(signup.TOPIC, signup.key, envelope)


def test_a_sign_up_becomes_a_tenant(world: OperatorWorld, operator_process: Running) -> None:
    """One that no rule allows and one that nobody can read do not hold up the next."""
    refused = _signed_up(world, timezone="nowhere")
    _tell_of(world, refused, b"no JSON")
    signup = _signed_up(world)
    body = eventually(lambda: world.api.get("Tenant", signup.slug), "the tenant of the sign-up")
    assert body["metadata"]["annotations"] == {SIGNUP: str(signup.signup_id)}
    assert body["spec"]["owner"] == {"email": "nina@nova.example", "name": "Nina"}
    assert world.api.get("Tenant", refused.slug) is None
    eventually(lambda: _unreadable(operator_process, SignupRequested.TOPIC), "the unreadable one is counted")


def test_a_sign_up_waits_for_a_right_that_the_operator_lacks_for_a_while(
    world: OperatorWorld, operator_process: Running
) -> None:
    rights = "/apis/rbac.authorization.k8s.io/v1/clusterroles/slotwright-operator"
    rules = world.api.read(rights)["rules"]
    fewer = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "create"]} for rule in rules]
    with world.api.admin() as admin:
        admin.patch(rights, json={"rules": fewer}, headers=MERGE).raise_for_status()
        try:
            signup = _signed_up(world)
            eventually(
                lambda: "sign-up waits" in operator_process.log.read_text("utf-8"), "an attempt to make it"
            )
        finally:
            admin.patch(rights, json={"rules": rules}, headers=MERGE).raise_for_status()
    eventually(lambda: world.api.get("Tenant", signup.slug), "the tenant of the sign-up")


def test_probes_and_metrics(operator_process: Running) -> None:
    url = operator_process.url
    assert LOCAL_HTTP.get(f"{url}/healthz").json() == {"faults": []}
    assert LOCAL_HTTP.get(f"{url}/readyz").json() == {"missing": []}
    assert "slotwright_operator_reconciles_total" in LOCAL_HTTP.get(f"{url}/metrics").text


def test_every_part_of_the_platform_is_given_its_rights(world: OperatorWorld) -> None:
    """What a part may do is what the list of topics says, whoever made its user."""
    admin = AdminClient(dict(world.broker.super_user()))
    given = set(admin.describe_acls(every_rule(None)).result(30))
    for part in PARTS:
        if part != "operator":
            assert given >= set(part_rules(part)), part
    gateway = {item.name for item in part_rules("gateway") if item.restype is ResourceType.TOPIC}
    assert gateway == {TenantChanged.TOPIC}
