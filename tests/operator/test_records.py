"""The operator's memory, its two topics, when Kafka takes one half of a step and not the other."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AclOperation, AdminClient, ResourcePatternType, ResourceType

from contracts.platform import Component, TenantChanged, TenantStatusReported
from devstack.processes import free_port
from servicekit.health import Heartbeat
from servicekit.ids import new_id
from servicekit.kafka import consumer, producer
from servicekit.kafka_access import rule
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.events import Topics, until
from support.loops import running
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
    settings = _settings_of(broker, "gateway")
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
    return settings


def _settings_of(broker: Broker, user: str) -> KafkaSettings:
    given = broker.service_env(user)
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


async def test_an_operator_that_starts_tells_a_record_that_was_forgotten_from_one_that_is_lost(
    own_broker: Broker,
) -> None:
    """The first was answered for by all; of the second nothing is known to be erased."""
    kafka = _settings_of_one_that_may_not_answer(own_broker)
    record = settled().published
    assert record is not None
    record = record.model_copy(update={"tenant_id": new_id()})
    leader = Leader(Cluster("slotwright", "slotwright-tenants"), 15)
    leader.held.set()
    before, after = (Records(kafka, lambda _: None, leader) for _ in range(2))
    async with asyncio.timeout(_PATIENCE):
        async with running(before):
            await before.caught_up.wait()
            assert not before.forgotten(record.tenant_id)
            await before.publish(record)
            await before.forget(record.tenant_id)
            assert before.forgotten(record.tenant_id)
        async with running(after):
            await after.caught_up.wait()
            assert after.forgotten(record.tenant_id)
            await after.publish(record)
            assert not after.forgotten(record.tenant_id)


@pytest.mark.slow
async def test_one_whose_clients_find_no_broker_goes_on_by_others(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes some seconds: three looks in vain, and what is not acknowledged is given up."""
    made: list[str] = []
    astray = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", security_protocol="PLAINTEXT")

    def a_consumer(given: KafkaSettings, **config: Any) -> Consumer:
        made.append("consumer")
        return consumer(given if made.count("consumer") > 1 else astray, **config)

    def a_producer(given: KafkaSettings, *, client_id: str) -> Producer:
        made.append("producer")
        if made.count("producer") > 1:
            return producer(given, client_id=client_id)
        return producer(astray, client_id=client_id, **{"message.timeout.ms": 1000})

    monkeypatch.setattr("tenant_operator.records.consumer", a_consumer)
    monkeypatch.setattr("tenant_operator.records.producer", a_producer)
    for module in ("tenant_operator.records", "servicekit.kafka"):
        monkeypatch.setattr(f"{module}.BROKER_SECONDS", 2.0)
    record, leader = settled().published, Leader(Cluster("slotwright", "slotwright-tenants"), 15)
    assert record is not None
    leader.held.set()
    records = Records(_settings_of_one_that_may_not_answer(own_broker), lambda _: None, leader)
    async with asyncio.timeout(_PATIENCE), running(records):
        await records.caught_up.wait()
        with pytest.raises(KafkaFailedError):
            await records.publish(record)
        while not records.acknowledged(record.tenant_id):
            with suppress(KafkaFailedError):  # on a busy machine the other one, too, is given up first
                await records.publish(record)


async def test_one_that_gets_its_rights_late_publishes_without_a_restart(own_broker: Broker) -> None:
    """Kafka has no idempotent producer for who may write nothing, and such a client stays refused for good."""
    kafka, record = _settings_of(own_broker, "web"), settled().published
    assert record is not None
    _allow(own_broker, AclOperation.READ)
    leader, stop = Leader(Cluster("slotwright", "slotwright-tenants"), 15), asyncio.Event()
    records = Records(kafka, lambda _: None, leader)
    following = asyncio.create_task(records.run(stop, Heartbeat("records", limit=_PATIENCE)))

    async def published_after(*refusals: str) -> str:
        """Tries until it is published, or refused so; answers which."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    await records.publish(record)
                except KafkaFailedError as error:
                    if any(refusal in str(error) for refusal in refusals):
                        return "refused"
                else:
                    return "published"
                await asyncio.sleep(0.1)  # what is created is known to the broker a moment later

    try:
        assert await published_after("Cluster authorization", "Fatal") == "refused"
        _allow(own_broker, AclOperation.WRITE)
        assert await published_after() == "published"
    finally:
        stop.set()
        await following


def _allow(broker: Broker, operation: AclOperation) -> None:
    """To web, on the topic of records."""
    literal = ResourcePatternType.LITERAL
    given = rule("web", ResourceType.TOPIC, TenantChanged.TOPIC, literal, operation)
    admin = AdminClient(dict(broker.super_user()))
    for made in admin.create_acls([given]).values():
        made.result(30)
    # The broker hears of it after the controller.
    held = every_rule("User:web")
    until(lambda: given in admin.describe_acls(held).result(30), "the rule is in force")
