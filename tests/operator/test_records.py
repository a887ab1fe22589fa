"""The operator's memory, its two topics, when Kafka takes one half of a step and not the other."""

import asyncio

import pytest
from confluent_kafka.admin import AclOperation, AdminClient, ResourcePatternType, ResourceType

from contracts.platform import Component, TenantChanged, TenantStatusReported
from servicekit.health import Heartbeat
from servicekit.kafka_access import rule
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.events import Topics, until
from tenant_operator.cluster import Cluster
from tenant_operator.errors import KafkaFailedError
from tenant_operator.kafka_admin import every_rule
from tenant_operator.leader import Leader
from tenant_operator.records import Records
from unit.operator.settling import settled
from unit.operator.surroundings import answer

_PATIENCE = 60


def _settings_of_one_that_may_not_answer(broker: Broker) -> KafkaSettings:
    """Of a user with the operator's rights on its two topics, but one: to write to that of the answers."""
    given = broker.service_env("gateway")
    literal = ResourcePatternType.LITERAL
    rules = [
        rule("gateway", ResourceType.TOPIC, TenantChanged.TOPIC, literal, AclOperation.WRITE),
        rule("gateway", ResourceType.TOPIC, TenantStatusReported.TOPIC, literal, AclOperation.READ),
    ]
    admin = AdminClient(dict(broker.super_user()))
    for made in admin.create_acls(rules).values():
        made.result(30)
    # The broker hears of them after the controller.
    held = every_rule("User:gateway")
    until(lambda: set(rules) <= set(admin.describe_acls(held).result(30)), "the rules are in force")
    names = {"KAFKA_BOOTSTRAP": "bootstrap", "KAFKA_USERNAME": "username", "KAFKA_PASSWORD": "password"}
    said = {name: given[key] for key, name in names.items()}
    return KafkaSettings.model_validate(said | {"security_protocol": given["KAFKA_SECURITY_PROTOCOL"]})


async def test_a_record_is_forgotten_before_the_answers_to_it_are(own_broker: Broker) -> None:
    """Answers whose tombstones come back would else be waited for, as if the record still stood."""
    kafka = _settings_of_one_that_may_not_answer(own_broker)
    record = settled().published
    assert record is not None
    leader, stop, answered = (
        Leader(Cluster("slotwright", "slotwright-tenants"), 15),
        asyncio.Event(),
        asyncio.Event(),
    )
    leader.held.set()
    records = Records(kafka, lambda _: answered.set(), leader)
    following = asyncio.create_task(records.run(stop, Heartbeat("records", limit=_PATIENCE)))
    try:
        async with asyncio.timeout(_PATIENCE):
            await records.caught_up.wait()
            await records.publish(record)
            Topics(own_broker.super_user()).publish(answer(Component.BOOKING, record.generation))
            await answered.wait()
            with pytest.raises(KafkaFailedError):
                await records.forget(record.tenant_id)
        assert records.published(record.tenant_id) is None
        assert set(records.answers(record.tenant_id)) == {Component.BOOKING}
    finally:
        stop.set()
        await following
