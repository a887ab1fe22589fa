"""What somebody changes by hand in Kafka is found within a resync (2 s here), mended, and told in an Event."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourcePatternType,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
)

from contracts.envelope import Envelope
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from servicekit.ids import new_id
from servicekit.kafka_access import part_rules
from support.api_server import MERGE
from support.operator_world import OperatorWorld, condition, eventually
from tenant_operator.kafka_admin import every_rule, exactly
from tenant_operator.manifests import kafka_user, secret_name
from tenant_operator.stream_requests import principal, rules

T = TypeVar("T")


def _ask(world: OperatorWorld, request: Callable[[AdminClient], "dict[Any, Future[T]]"]) -> list[T]:
    """What the broker answers, as a super user; the client lives as long as the request."""
    admin = AdminClient(dict(world.broker.super_user()))
    return [answer.result(30) for answer in request(admin).values()]


def _rules(world: OperatorWorld, name: str) -> set[AclBinding]:
    (found,) = _ask(world, lambda admin: {"rules": admin.describe_acls(every_rule(principal(name)))})
    return set(found)


def _retention(world: OperatorWorld, topic: str) -> str | None:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        (found,) = _ask(world, lambda admin: admin.describe_configs([resource]))
    except KafkaException:
        return None
    value: str = found["retention.ms"].value
    return value


def _shorten(world: OperatorWorld, name: str) -> None:
    entry = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, tenant_topic(name), incremental_configs=[entry])
    _ask(world, lambda admin: admin.incremental_alter_configs([resource]))


def _remove_topic(world: OperatorWorld, name: str) -> None:
    _ask(world, lambda admin: admin.delete_topics([tenant_dead_letter_topic(name)]))


def _remove_rule(world: OperatorWorld, name: str) -> None:
    gone = exactly(rules(name)[0])
    _ask(world, lambda admin: admin.delete_acls([gone]))


def _add_rule(world: OperatorWorld, name: str) -> None:
    more = AclBinding(
        ResourceType.TOPIC,
        "platform.tenants.v1",
        ResourcePatternType.LITERAL,
        principal(name),
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    _ask(world, lambda admin: admin.create_acls([more]))


def _remove_user(world: OperatorWorld, name: str) -> None:
    gone = UserScramCredentialDeletion(kafka_user(name), ScramMechanism.SCRAM_SHA_512)
    _ask(world, lambda admin: admin.alter_user_scram_credentials([gone]))


def _user_is_there(world: OperatorWorld, name: str) -> bool:
    def request(admin: AdminClient) -> "dict[str, Future[Any]]":
        answers = admin.describe_user_scram_credentials([kafka_user(name)])
        assert isinstance(answers, dict)
        return answers

    try:
        (found,) = _ask(world, request)
    except KafkaException:
        return False
    return bool(found.scram_credential_infos)


@pytest.mark.parametrize(
    ("change", "mended", "said"),
    [
        (
            _shorten,
            lambda world, name: _retention(world, tenant_topic(name)) == str(168 * 3600 * 1000),
            "kept 0 h, not 168 h",
        ),
        (
            _remove_topic,
            lambda world, name: _retention(world, tenant_dead_letter_topic(name)) is not None,
            "was missing",
        ),
        (_remove_rule, lambda world, name: _rules(world, name) == set(rules(name)), "rules were not those"),
        (_add_rule, lambda world, name: _rules(world, name) == set(rules(name)), "rules were not those"),
        (_remove_user, _user_is_there, "the Kafka user was missing"),
    ],
    ids=["retention", "topic", "rule removed", "rule added", "user"],
)
def test_a_change_by_hand_is_mended_and_told(
    world: OperatorWorld,
    change: Callable[[OperatorWorld, str], None],
    mended: Callable[[OperatorWorld, str], bool],
    said: str,
) -> None:
    name = world.provisioned(world.new_plan())
    change(world, name)
    eventually(lambda: world.event(name, "DriftRepaired"), "the Event of the repair")
    eventually(lambda: mended(world, name), "the repair")
    event = world.event(name, "DriftRepaired")
    assert event is not None
    assert event["type"] == "Warning"
    assert said in event["note"]
    assert condition(world.api.get("Tenant", name), "Ready")[:2] == ("True", "Provisioned")


def test_a_topic_of_the_platforms_own_and_a_parts_right_come_back(world: OperatorWorld) -> None:
    topic, right = "booking.waitlist.v1", part_rules("analytics")[0]

    def found() -> tuple[bool, bool]:
        (given,) = _ask(world, lambda admin: {"rules": admin.describe_acls(exactly(right))})
        return topic in world.topics(), right in given

    assert found() == (True, True)
    _ask(world, lambda admin: admin.delete_topics([topic]))
    _ask(world, lambda admin: admin.delete_acls([exactly(right)]))
    eventually(lambda: found() == (True, True), "both")


def test_a_secret_without_its_annotation_is_made_anew_and_costs_none_of_the_businesss_events(
    world: OperatorWorld,
) -> None:
    """As after `kubectl replace` with what somebody has written themselves."""
    name = world.provisioned(world.new_plan())
    event = Envelope(
        id=str(new_id()),
        source="/slotwright/booking",
        type="booking.appointment.booked.v1",
        time=datetime.now(UTC),
        subject="x",
        tenant_id=world.tenant_id(name),
        data=b"{}",
    )
    world.send(tenant_topic(name), "x", event)
    before = world.secret(name)
    with world.api.admin() as client:
        client.patch(
            f"/api/v1/namespaces/slotwright-tenants/secrets/{secret_name(name)}",
            json={"metadata": {"annotations": None}},
            headers=MERGE,
        ).raise_for_status()
    eventually(lambda: world.event(name, "DriftRepaired"), "the Event of the repair")
    eventually(lambda: world.secret(name) != before, "another password")
    after = world.client_of(world.secret(name))
    group = f"{before['group.id.prefix']}readers"

    def works() -> bool:
        try:
            world.read_topic(tenant_topic(name), after, group)
        except KafkaException:
            return False
        return True

    eventually(works, "a sign-in with it")
    assert [value for _, value, _ in world.read_topic(tenant_topic(name), after, group)] == [b"{}"]


def test_partitions_are_never_taken_away(world: OperatorWorld) -> None:
    """More than asked for: nothing is done, the tenant is Stalled and says what to do, and that helps."""
    name = world.provisioned(world.new_plan())
    wider = [NewPartitions(topic, 3) for topic in (tenant_topic(name), tenant_dead_letter_topic(name))]
    _ask(world, lambda admin: admin.create_partitions(wider))
    body = world.await_condition(name, "Stalled", "True", "PartitionsCannotShrink")
    assert "Set spec.eventStream.partitions to 3." in condition(body, "Ready")[2]
    assert condition(body, "TopicsReady")[0] == "False"
    world.api.patch("Tenant", name, {"spec": {"eventStream": {"partitions": 3}}})
    body = world.await_condition(name, "Ready", "True", "Provisioned")
    assert body["status"]["eventStream"]["partitions"] == 3
