"""The tenants' own topics, their SCRAM users and ACLs, through Kafka's admin protocol.

`refresh` lists everything with few requests, however many tenants there are; between two of them the operator
trusts what it did itself. The calls block and run in threads. Used by `controller` and `actions`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog
from confluent_kafka.admin import AclBinding, AdminClient, ConfigResource, NewTopic

from contracts.topics import (
    ALL_TOPICS,
    PARTS,
    TENANT_TOPIC_PREFIX,
    tenant_dead_letter_topic,
    tenant_topic,
)
from servicekit.kafka_access import part_rules
from servicekit.settings import KafkaSettings
from tenant_operator import stream_requests
from tenant_operator.batching import Batches
from tenant_operator.domain import StreamState, TopicState, WantedStream
from tenant_operator.errors import KafkaFailedError
from tenant_operator.kafka_admin import GONE, HOUR_MS, THERE, every_rule, partitions_by_topic, settle
from tenant_operator.last_seen import LastSeen
from tenant_operator.manifests import kafka_user
from tenant_operator.stream_requests import Put, principal, rules

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_USER_PREFIX = "tenant-"
# Two topics each, of up to 16 partitions: a broker refuses a request that makes more than 10,000 records.
_MOST = 100
_DESCRIBED = 500
"""Topics in one request for their settings. Each has some forty, and the broker makes the whole answer before it
sends any of it: for ten thousand topics at once, a broker with little memory did not answer at all."""


class Streams:
    """What exists in Kafka for tenants, and the ways to change it. Methods raise KafkaFailedError."""

    def __init__(self, kafka: KafkaSettings, *, grants: bool = True) -> None:
        self._kafka = kafka
        # Its own rights are given by whoever made its user.
        self._parts = [part for part in PARTS if part != kafka.username] if grants else []
        self._admin: AdminClient | None = None
        self._states = LastSeen[StreamState]()
        self._puts = Batches[Put, StreamState](self._put, most=_MOST)
        self._drops = Batches[str, None](self._drop, most=_MOST)

    def state(self, slug: str) -> StreamState:
        """What exists of a tenant's stream in Kafka; `secret` is not known here and False."""
        return self._states.get(slug) or StreamState()

    async def prepare(self) -> None:
        """Makes the platform's own topics that are missing, and gives its parts the rights that they lack."""
        await self._ask(self._prepare)

    async def refresh(self) -> None:
        """Lists all tenants' topics, users and ACLs."""
        await self._states.refresh(lambda: self._ask(self._list))

    async def put(self, stream: WantedStream, password: str) -> None:
        """Makes what is missing or differs; a user that exists gets this password."""
        with self._states.changing(stream.slug):
            state = await self._puts.do(Put(stream, self.state(stream.slug), password))
            self._states.put(stream.slug, state)

    async def drop(self, slug: str) -> None:
        """Takes away access first, so that no client sees its topic vanish, then user and topics."""
        with self._states.changing(slug):
            await self._drops.do(slug)
            self._states.drop(slug)

    async def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """In a thread. Where it fails, what follows has another client, as one may have lost the brokers for good
        (docs/adr/0029).
        """
        try:
            return await asyncio.to_thread(ask)
        except KafkaFailedError:
            self._admin = None
            raise

    def _put(self, wanted: Sequence[Put]) -> Sequence[StreamState | Exception]:
        return stream_requests.put(self._client(), wanted)

    def _drop(self, slugs: Sequence[str]) -> Sequence[Exception | None]:
        return stream_requests.drop(self._client(), slugs)

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient({**self._kafka.client_config(), "client.id": "operator.streams"})
        return self._admin

    def _prepare(self) -> None:
        admin = self._client()
        existing = partitions_by_topic(admin)
        missing = [topic for topic in ALL_TOPICS if topic.name not in existing]
        new = [
            NewTopic(item.name, num_partitions=item.partitions, replication_factor=-1, config=item.config())
            for item in missing
        ]
        if new:
            log.info("making platform topics", topics=[item.name for item in missing])
            settle(admin.create_topics(new), allow=THERE)
        present = set(_acls(admin))
        wanted = [binding for part in self._parts for binding in part_rules(part)]
        lacking = [binding for binding in wanted if binding not in present]
        if lacking:
            log.info("giving parts their rights", rules=len(lacking))
            settle(admin.create_acls(lacking))

    def _list(self) -> dict[str, StreamState]:
        admin = self._client()
        partitions = {
            name: count
            for name, count in partitions_by_topic(admin).items()
            if name.startswith(TENANT_TOPIC_PREFIX)
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
                access=access[principal(slug)] == set(rules(slug)),
            )
            for slug in slugs
        }


def _slug_of_topic(name: str) -> str | None:
    slug = name.removeprefix(TENANT_TOPIC_PREFIX).partition(".")[0]
    return slug if name in {tenant_topic(slug), tenant_dead_letter_topic(slug)} else None


def _retention(admin: AdminClient, names: Iterable[str]) -> dict[str, int]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    found: dict[str, int] = {}
    for first in range(0, len(resources), _DESCRIBED):
        # A topic may have gone since the topics were listed.
        answers = settle(admin.describe_configs(resources[first : first + _DESCRIBED]), allow=GONE)
        for item, entries in answers.items():
            if entries is not None:
                found[item.name] = int(entries["retention.ms"].value) // HOUR_MS
    return found


def _users(admin: AdminClient) -> set[str]:
    every = admin.describe_user_scram_credentials()
    assert isinstance(every, Future)  # noqa: S101 - one future when no users are named
    found: dict[str, Any] = settle({"users": every})["users"]
    return {name for name in found if name.startswith(_USER_PREFIX)}


def _acls(admin: AdminClient) -> list[AclBinding]:
    found: list[AclBinding] = settle({"acls": admin.describe_acls(every_rule(None))})["acls"]
    return found
