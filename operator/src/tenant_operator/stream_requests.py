"""Makes and removes the topics, users and rules of many tenants with one request a kind.

Called by `streams`, in a thread. What fails for one tenant is answered for that one, and the others go on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from contracts.topics import tenant_dead_letter_topic, tenant_topic
from servicekit.faults import reached
from servicekit.kafka_access import rule
from tenant_operator.domain import StreamState, TopicState, WantedStream
from tenant_operator.errors import KafkaFailedError
from tenant_operator.kafka_admin import (
    GONE,
    HOUR_MS,
    THERE,
    every_rule,
    exactly,
    failures,
    partitions_by_topic,
    settle,
)
from tenant_operator.manifests import group_prefix, kafka_user

_ITERATIONS = 4096
_LAG_SECONDS = 10.0
_LAG_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Put:
    """A stream to make, what of it there is, and the password of its user."""

    stream: WantedStream
    state: StreamState
    password: str


Step = Callable[[AdminClient, Sequence[Put]], dict[str, KafkaFailedError]]


def put(admin: AdminClient, wanted: Sequence[Put]) -> Sequence[StreamState | KafkaFailedError]:
    """Makes what is missing or differs; a user that exists gets the password given."""
    steps: dict[str, Step] = {
        "topics-made": _make_topics,
        "partitions-added": _add_partitions,
        "retention-set": _set_retention,
        "users-set": _set_users,
        "rules-set": _set_rules,
    }
    failed: dict[str, KafkaFailedError] = {}
    for point, step in steps.items():
        left = [item for item in wanted if item.stream.slug not in failed]
        failed |= step(admin, left) if left else {}
        reached(f"operator.{point}")
    return [failed.get(item.stream.slug) or _state_after(item) for item in wanted]


def drop(admin: AdminClient, slugs: Sequence[str]) -> Sequence[KafkaFailedError | None]:
    """Rules first, so that no client sees its topic vanish, then users, then topics."""
    settle(admin.delete_acls([every_rule(principal(slug)) for slug in slugs]))
    reached("operator.rules-removed")
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialDeletion(kafka_user(slug), ScramMechanism.SCRAM_SHA_512) for slug in slugs
    ]
    owners = {kafka_user(slug): slug for slug in slugs}
    failed = failures(admin.alter_user_scram_credentials(users), owners, allow=GONE)
    reached("operator.users-removed")
    topics = {
        topic: slug
        for slug in slugs
        if slug not in failed
        for topic in (tenant_topic(slug), tenant_dead_letter_topic(slug))
    }
    if topics:
        failed |= failures(admin.delete_topics(list(topics)), topics, allow=GONE)
        failed |= _until_gone(admin, {name: slug for name, slug in topics.items() if slug not in failed})
    reached("operator.topics-removed")
    return [failed.get(slug) for slug in slugs]


def _until_gone(admin: AdminClient, topics: Mapping[str, str]) -> dict[str, KafkaFailedError]:
    """Waits until the topics are not listed any more, as brokers hear of a deletion after it is done.

    A topic that is still listed would be taken for that of the slug's next tenant.
    """
    deadline = time.monotonic() + _LAG_SECONDS
    while True:
        try:
            left = topics.keys() & partitions_by_topic(admin).keys()
        except KafkaFailedError as error:
            return dict.fromkeys(topics.values(), error)
        if not left or time.monotonic() > deadline:
            told = "Kafka was told to delete the topic {} and lists it still."
            return {topics[name]: KafkaFailedError(told.format(name)) for name in left}
        time.sleep(_LAG_PAUSE_SECONDS)


def principal(slug: str) -> str:
    return f"User:{kafka_user(slug)}"


def rules(slug: str) -> list[AclBinding]:
    """Read its events, read and write its dead letters, in consumer groups of its own."""

    def allow(
        kind: ResourceType, name: str, pattern: ResourcePatternType, operation: AclOperation
    ) -> AclBinding:
        return rule(kafka_user(slug), kind, name, pattern, operation)

    literal, prefixed = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
    return [
        allow(ResourceType.TOPIC, tenant_topic(slug), literal, AclOperation.READ),
        allow(ResourceType.TOPIC, tenant_dead_letter_topic(slug), literal, AclOperation.READ),
        allow(ResourceType.TOPIC, tenant_dead_letter_topic(slug), literal, AclOperation.WRITE),
        allow(ResourceType.GROUP, group_prefix(slug), prefixed, AclOperation.READ),
    ]


def _make_topics(admin: AdminClient, wanted: Sequence[Put]) -> dict[str, KafkaFailedError]:
    missing = {
        name: item.stream for item in wanted for name in item.stream.topics if name not in item.state.topics
    }
    new = [
        NewTopic(name, num_partitions=stream.partitions, replication_factor=-1, config=_topic_config(stream))
        for name, stream in missing.items()
    ]
    return failures(admin.create_topics(new), _slugs(missing), allow=THERE) if new else {}


def _add_partitions(admin: AdminClient, wanted: Sequence[Put]) -> dict[str, KafkaFailedError]:
    short = {
        name: item.stream
        for item in wanted
        for name, topic in item.state.topics.items()
        if topic.partitions < item.stream.partitions
    }
    new = [NewPartitions(name, stream.partitions) for name, stream in short.items()]
    return failures(admin.create_partitions(new), _slugs(short)) if new else {}


def _set_retention(admin: AdminClient, wanted: Sequence[Put]) -> dict[str, KafkaFailedError]:
    owners: dict[ConfigResource, str] = {}
    for item in wanted:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in _topic_config(item.stream).items()
        ]
        for name, topic in item.state.topics.items():
            if topic.retention_hours != item.stream.retention_hours:
                resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
                owners[resource] = item.stream.slug
    return failures(admin.incremental_alter_configs(list(owners)), owners) if owners else {}


def _set_users(admin: AdminClient, wanted: Sequence[Put]) -> dict[str, KafkaFailedError]:
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(kafka_user(item.stream.slug), credential, item.password.encode())
        for item in wanted
    ]
    owners = {kafka_user(item.stream.slug): item.stream.slug for item in wanted}
    return failures(admin.alter_user_scram_credentials(users), owners)


def _set_rules(admin: AdminClient, wanted: Sequence[Put]) -> dict[str, KafkaFailedError]:
    others = [item for item in wanted if not item.state.access]
    owners = {binding: item.stream.slug for item in others for binding in rules(item.stream.slug)}
    failed = failures(admin.create_acls(list(owners)), owners) if owners else {}
    # A user that was there before may have been given more than it should have.
    known = {item.stream.slug for item in others if item.state.user} - failed.keys()
    for slug in known:
        present: list[AclBinding] = settle({slug: admin.describe_acls(every_rule(principal(slug)))})[slug]
        extra = [exactly(binding) for binding in present if binding not in rules(slug)]
        if extra:
            failed |= failures(admin.delete_acls(extra), dict.fromkeys(extra, slug))
    return failed


def _topic_config(stream: WantedStream) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(stream.retention_hours * HOUR_MS)}


def _slugs(streams: Mapping[str, WantedStream]) -> dict[str, str]:
    return {name: stream.slug for name, stream in streams.items()}


def _state_after(item: Put) -> StreamState:
    stream = item.stream
    kept = {
        name: TopicState(max(topic.partitions, stream.partitions), stream.retention_hours)
        for name, topic in item.state.topics.items()
    }
    made = {name: TopicState(stream.partitions, stream.retention_hours) for name in stream.topics}
    return replace(item.state, topics=made | kept, user=True, access=True)
