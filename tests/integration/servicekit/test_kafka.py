"""servicekit.kafka and servicekit.dead_letters on a real broker: what a consumer gets and holds, what is put by."""

import asyncio
import json
import os

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, NewTopic, ResourcePatternType, ResourceType
from pydantic import SecretStr

from contracts.platform import TenantChanged
from contracts.topics import dead_letter_topic
from devstack.kafka import create_user
from servicekit.dead_letters import DeadLetters
from servicekit.ids import new_id
from servicekit.kafka import Received, consumer, poll_batch, readable
from servicekit.kafka_access import rule
from servicekit.settings import KafkaSettings
from support.broker import Broker
from support.events import Topics, end_of, until
from support.tenants import new_tenant


def test_a_message_that_comes_alone_waits_for_no_others(broker: Broker) -> None:
    """Else this would end in ten minutes."""
    client = Consumer({**broker.super_user(), "group.id": f"t{new_id()}"})
    try:
        partitions = (
            client.list_topics(TenantChanged.TOPIC, timeout=10).topics[TenantChanged.TOPIC].partitions
        )
        places = [TopicPartition(TenantChanged.TOPIC, number) for number in partitions]
        ends = [end_of(client, place) for place in places]
        client.assign(
            [
                TopicPartition(place.topic, place.partition, end)
                for place, end in zip(places, ends, strict=True)
            ]
        )
        tenant = new_tenant()
        Topics(broker.super_user()).publish(tenant)
        found: list[bytes | None] = []
        while str(tenant.tenant_id).encode() not in found:
            found += [message.key() for message in poll_batch(client, 500, 600) if readable("test", message)]
    finally:
        client.close()


def test_a_topic_that_was_not_read_to_its_end_says_nothing_of_what_is_not_there(broker: Broker) -> None:
    """Or a test would pass that looks for what must not be on it, where the machine has much to do."""
    topics = Topics(broker.super_user())
    topics.publish(new_tenant())
    with pytest.raises(AssertionError, match="was not read to its end"):
        topics.messages(TenantChanged.TOPIC, seconds=0)


class Latecomer:
    """A user that may see a topic, and write to it once it is let: a part whose rights come after it.

    Kafka has no idempotent producer for who may write nothing, and such a client stays refused for good.
    """

    def __init__(self, broker: Broker, topic: str) -> None:
        self._admin = AdminClient(dict(broker.super_user()))
        self._topic = topic
        self.name = f"t{new_id().hex[-8:]}"
        create_user(self._admin, self.name, "secret", topics=())
        self._allow(AclOperation.READ)
        self.kafka = KafkaSettings(
            bootstrap=broker.service_env("analytics")["KAFKA_BOOTSTRAP"],
            security_protocol="SASL_PLAINTEXT",
            username=self.name,
            password=SecretStr("secret"),
        )

    def let_write(self) -> None:
        self._allow(AclOperation.WRITE)

    def _allow(self, operation: AclOperation) -> None:
        given = rule(self.name, ResourceType.TOPIC, self._topic, ResourcePatternType.LITERAL, operation)
        for made in self._admin.create_acls([given]).values():
            made.result(30)


async def test_a_service_that_gets_its_rights_late_puts_its_dead_letters_without_a_restart(
    broker: Broker,
) -> None:
    late = Latecomer(broker, dead_letter_topic("analytics"))
    letters = DeadLetters("analytics", f"analytics.{late.name}", late.kafka)

    async def put_after(refusals: frozenset[str]) -> str:
        """Tries until it is put or refused so; answers how."""
        async with asyncio.timeout(60):
            while True:
                letter = Received(TenantChanged.TOPIC, 0, 0, b"key", b"{", [])
                try:
                    await letters.put(letter, ValueError("no event"))
                except KafkaException as error:
                    if error.args[0].name() in refusals:
                        return "refused"
                else:
                    return "put"
                await asyncio.sleep(0.1)  # what is created is known to the broker a moment later

    assert await put_after(frozenset({"CLUSTER_AUTHORIZATION_FAILED", "_FATAL"})) == "refused"
    late.let_write()
    assert await put_after(frozenset()) == "put"


def test_a_consumer_that_lags_far_behind_holds_some_megabytes_of_it(broker: Broker) -> None:
    """By default it reads 64 MB ahead, and as much again for its own book-keeping; a pod has several."""
    own, topic, came = broker.super_user(), f"far-behind-{new_id()}", [0, 0]
    """How many bytes had come at each report of the client's."""

    def told(report: str) -> None:
        places = json.loads(report)["topics"].get(topic, {}).get("partitions", {}).values()
        came.append(sum(place["rxbytes"] for place in places))

    admin = AdminClient(dict(own))
    for made in admin.create_topics([NewTopic(topic, 3, 1)]).values():
        made.result(30)
    writer = Producer(dict(own))
    for number in range(40_000):
        writer.produce(topic, os.urandom(1000), str(number))
        writer.poll(0)
    assert writer.flush(60) == 0
    kafka = KafkaSettings(
        bootstrap=own["bootstrap.servers"],
        security_protocol="SASL_PLAINTEXT",
        username=own["sasl.username"],
        password=SecretStr(own["sasl.password"]),
    )
    watched = {"statistics.interval.ms": 500, "stats_cb": told}
    client = consumer(kafka, group=f"t{new_id()}", client_id="test", **watched)
    try:
        client.subscribe([topic])

        def has_enough() -> bool:
            client.poll(0)  # takes one at most
            return came[-1] > 1_000_000 and came[-1] == came[-2]

        until(has_enough, "it reads no further")
        assert came[-1] < 16_000_000
    finally:
        client.close()
