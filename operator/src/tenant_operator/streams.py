"""The tenants' own topics, their SCRAM users and ACLs, through Kafka's admin protocol.

`refresh` looks at everything with one request a kind, however many tenants there are; between two of them the
operator trusts what it did itself. The calls block and run in threads. Used by `controller`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
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
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from contracts.topics import (
    ALL_TOPICS,
    PARTS,
    TENANT_TOPIC_PREFIX,
    tenant_dead_letter_topic,
    tenant_topic,
)
from servicekit.kafka_access import part_rules, rule
from servicekit.settings import KafkaSettings
from tenant_operator.domain import StreamState, TopicState, WantedStream
from tenant_operator.errors import KafkaFailedError
from tenant_operator.manifests import group_prefix, kafka_user

log = structlog.get_logger(__name__)

_SECONDS = 30.0
_HOUR_MS = 3600 * 1000
_ITERATIONS = 4096
_USER_PREFIX = "tenant-"
_GONE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.RESOURCE_NOT_FOUND})
_THERE = frozenset({KafkaError.TOPIC_ALREADY_EXISTS})


class Streams:
    """What exists in Kafka for tenants, and the ways to change it. Methods raise KafkaFailedError."""

    def __init__(self, kafka: KafkaSettings, *, grants: bool = True) -> None:
        self._kafka = kafka
        # Its own rights are given by whoever made its user.
        self._parts = [part for part in PARTS if part != kafka.username] if grants else []
        self._admin: AdminClient | None = None
        self._states: dict[str, StreamState] = {}

    def state(self, slug: str) -> StreamState:
        """What exists of a tenant's stream in Kafka; `secret` is not known here and False."""
        return self._states.get(slug, StreamState())

    async def prepare(self) -> None:
        """Makes the platform's own topics that are missing, and gives its parts their rights."""
        await asyncio.to_thread(self._prepare)

    async def refresh(self) -> None:
        """Looks at all tenants' topics, users and ACLs."""
        self._states = await asyncio.to_thread(self._look)

    async def put(self, stream: WantedStream, password: str) -> None:
        """Makes what is missing or differs; a user that exists gets this password."""
        state = await asyncio.to_thread(self._put, stream, self.state(stream.slug), password)
        self._states[stream.slug] = state

    async def drop(self, slug: str) -> None:
        """Takes away access first, so that no client sees its topic vanish, then user and topics."""
        await asyncio.to_thread(self._drop, slug)
        self._states.pop(slug, None)

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient({**self._kafka.client_config(), "client.id": "operator.streams"})
        return self._admin

    def _prepare(self) -> None:
        admin = self._client()
        existing = _metadata(admin)
        missing = [topic for topic in ALL_TOPICS if topic.name not in existing]
        new = [
            NewTopic(item.name, num_partitions=item.partitions, replication_factor=-1, config=item.config())
            for item in missing
        ]
        if new:
            log.info("making platform topics", topics=[item.name for item in missing])
            _settle(admin.create_topics(new), allow=_THERE)
        present = set(_acls(admin))
        wanted = [binding for part in self._parts for binding in part_rules(part)]
        lacking = [binding for binding in wanted if binding not in present]
        if lacking:
            _settle(admin.create_acls(lacking))

    def _look(self) -> dict[str, StreamState]:
        admin = self._client()
        partitions = {
            name: count for name, count in _metadata(admin).items() if name.startswith(TENANT_TOPIC_PREFIX)
        }
        hours = _retention(admin, partitions)
        users = _users(admin)
        access: dict[str, set[AclBinding]] = defaultdict(set)
        for binding in _acls(admin):
            access[binding.principal].add(binding)
        slugs = {slug for name in hours if (slug := _slug_of_topic(name))}
        slugs |= {user.removeprefix(_USER_PREFIX) for user in users}
        return {
            slug: StreamState(
                topics={
                    name: TopicState(partitions[name], hours[name])
                    for name in (tenant_topic(slug), tenant_dead_letter_topic(slug))
                    if name in hours
                },
                user=kafka_user(slug) in users,
                access=access[f"User:{kafka_user(slug)}"] >= set(_rules(slug)),
            )
            for slug in slugs
        }

    def _put(self, stream: WantedStream, state: StreamState, password: str) -> StreamState:
        admin = self._client()
        topics = dict(state.topics)
        wanted = TopicState(stream.partitions, stream.retention_hours)
        missing = [name for name in stream.topics if name not in topics]
        config = {"cleanup.policy": "delete", "retention.ms": str(stream.retention_hours * _HOUR_MS)}
        if missing:
            new = [
                NewTopic(name, num_partitions=stream.partitions, replication_factor=-1, config=config)
                for name in missing
            ]
            _settle(admin.create_topics(new), allow=_THERE)
        short = [name for name, topic in topics.items() if topic.partitions < stream.partitions]
        if short:
            _settle(admin.create_partitions([NewPartitions(name, stream.partitions) for name in short]))
        other = [name for name, topic in topics.items() if topic.retention_hours != stream.retention_hours]
        if other:
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in config.items()
            ]
            resources = [
                ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries) for name in other
            ]
            _settle(admin.incremental_alter_configs(resources))
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
        user = UserScramCredentialUpsertion(kafka_user(stream.slug), credential, password.encode())
        _settle(admin.alter_user_scram_credentials([user]))
        if not state.access:
            _settle(admin.create_acls(_rules(stream.slug)))
        made = dict.fromkeys(missing, wanted)
        kept = {
            name: TopicState(max(topic.partitions, stream.partitions), stream.retention_hours)
            for name, topic in topics.items()
        }
        return replace(state, topics=kept | made, user=True, access=True)

    def _drop(self, slug: str) -> None:
        admin = self._client()
        _settle(admin.delete_acls([_any_acl(f"User:{kafka_user(slug)}")]))
        user = UserScramCredentialDeletion(kafka_user(slug), ScramMechanism.SCRAM_SHA_512)
        _settle(admin.alter_user_scram_credentials([user]), allow=_GONE)
        _settle(admin.delete_topics([tenant_topic(slug), tenant_dead_letter_topic(slug)]), allow=_GONE)


def _rules(slug: str) -> list[AclBinding]:
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


def _slug_of_topic(name: str) -> str | None:
    slug = name.removeprefix(TENANT_TOPIC_PREFIX).partition(".")[0]
    return slug if name in {tenant_topic(slug), tenant_dead_letter_topic(slug)} else None


def _metadata(admin: AdminClient) -> dict[str, int]:
    """Topic to its number of partitions."""
    try:
        return {
            name: len(item.partitions) for name, item in admin.list_topics(timeout=_SECONDS).topics.items()
        }
    except KafkaException as error:
        raise _failed(error) from error


def _retention(admin: AdminClient, names: Iterable[str]) -> dict[str, int]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    if not resources:
        return {}
    # A topic may have gone since the topics were listed.
    answers = _settle(admin.describe_configs(resources), allow=_GONE)
    return {
        item.name: int(entries["retention.ms"].value) // _HOUR_MS
        for item, entries in answers.items()
        if entries is not None
    }


def _users(admin: AdminClient) -> set[str]:
    every = admin.describe_user_scram_credentials()
    assert isinstance(every, Future)  # noqa: S101 - one future when no users are named
    found: dict[str, Any] = _settle({"users": every})["users"]
    return {name for name in found if name.startswith(_USER_PREFIX)}


def _acls(admin: AdminClient) -> list[AclBinding]:
    found: list[AclBinding] = _settle({"acls": admin.describe_acls(_any_acl(None))})["acls"]
    return found


def _any_acl(principal: str | None) -> AclBindingFilter:
    """Every rule of a principal, or of all."""
    return AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type] # None is any name, as librdkafka has it; the annotation forgets it
        ResourcePatternType.ANY,
        principal,  # type: ignore[arg-type] # the same
        None,  # type: ignore[arg-type] # the same
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _settle(answers: Mapping[Any, "Future[Any]"], *, allow: frozenset[int] = frozenset()) -> dict[Any, Any]:
    """Waits for an admin request's answers; an error whose code is in `allow` counts as None."""
    settled = {}
    for key, answer in answers.items():
        try:
            settled[key] = answer.result(_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in allow:
                raise _failed(error) from error
            settled[key] = None
        except TimeoutError as error:
            raise KafkaFailedError(f"Kafka did not answer within {_SECONDS:.0f} s.") from error
    return settled


def _failed(error: KafkaException) -> KafkaFailedError:
    reason = error.args[0].str() if error.args else "no reason given"
    return KafkaFailedError(f"Kafka refused or is away: {reason.rstrip('.')}.")
