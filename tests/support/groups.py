"""How far consumer groups have read, asked of the brokers: for whoever waits until nothing is on its way."""

from collections.abc import Collection

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from contracts.topics import TOPICS
from servicekit.kafka import Place

_SECONDS = 10


def places(topics: Collection[str] | None = None) -> list[TopicPartition]:
    """The partitions of those of our topics, or of all."""
    return [
        TopicPartition(topic.name, number)
        for topic in TOPICS
        if topics is None or topic.name in topics
        for number in range(topic.partitions)
    ]


def ends(admin: AdminClient, of: Collection[TopicPartition]) -> dict[Place, int]:
    """The offsets at which they end."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # of the library's own
    found = admin.list_offsets(dict.fromkeys(of, latest), request_timeout=_SECONDS)
    return {(place.topic, place.partition): future.result().offset for place, future in found.items()}


def read_to(admin: AdminClient, group: str, of: Collection[TopicPartition] | None = None) -> dict[Place, int]:
    """The offsets that a group has committed, 0 where none; without `of`, only where it has committed any."""
    asked = ConsumerGroupTopicPartitions(group, None if of is None else list(of))
    answer = admin.list_consumer_group_offsets([asked], request_timeout=_SECONDS)[group].result()
    return {(place.topic, place.partition): max(place.offset, 0) for place in answer.topic_partitions}
