"""servicekit.kafka on a real broker: what a consumer gets, and when."""

from confluent_kafka import Consumer, TopicPartition

from contracts.platform import TenantChanged
from servicekit.ids import new_id
from servicekit.kafka import readable, waiting
from support.broker import Broker
from support.events import Topics, end_of
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
            found += [message.key() for message in waiting(client, 500, 600) if readable("test", message)]
    finally:
        client.close()
