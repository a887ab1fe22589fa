"""Passes over tenants whose API server does not take all that is written to it."""

from typing import Any

import pytest

from servicekit.settings import KafkaSettings
from tenant_operator.actions import Actions
from tenant_operator.cluster import Cluster
from tenant_operator.domain import IN_USE, Body
from tenant_operator.errors import ActionFailedError, ClusterFailedError, ForbiddenError, KafkaFailedError
from tenant_operator.leader import Leader
from tenant_operator.objects import Objects
from tenant_operator.reconciler import Reconciler
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.streams import Streams
from tenant_operator.workqueue import Key
from unit.operator.surroundings import plan_body, tenant_body

KEY = Key("Tenant", "riverside")
OVERLOADED = ClusterFailedError("The API server answered 429: too many requests, please try again later.")
FORBIDDEN = ForbiddenError(
    'The API server refused: events is forbidden: User "slotwright-operator" cannot create.'
)


class FaultyCluster(Cluster):
    """Takes statuses and Events, but for those that it is told to refuse; keeps Ready's reason of what it took."""

    def __init__(self) -> None:
        super().__init__("slotwright", "slotwright-tenants")
        self.refused: dict[str, list[ActionFailedError]] = {"status": [], "event": []}
        self.told: list[str] = []
        self.events: list[str] = []

    async def replace_status(self, body: Body, status: Any) -> Body:
        self._maybe_refuse("status")
        (ready,) = [item for item in status["conditions"] if item["type"] == "Ready"]
        self.told.append(ready["reason"])
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        return {**body, "status": dict(status), "metadata": body["metadata"] | {"resourceVersion": version}}

    async def set_finalizers(self, body: Body, finalizers: list[str]) -> Body:
        metadata = body["metadata"]
        version = str(int(metadata["resourceVersion"]) + 1)
        return {**body, "metadata": metadata | {"finalizers": finalizers, "resourceVersion": version}}

    async def create_event(self, body: Body) -> None:
        self._maybe_refuse("event")
        self.events.append(body["reason"])

    def _maybe_refuse(self, what: str) -> None:
        if self.refused[what]:
            raise self.refused[what].pop(0)


class World:
    """One tenant whose plan there is not, so that a pass has a status to write and nothing else to do."""

    def __init__(self) -> None:
        settings, kafka = OperatorSettings(), KafkaSettings(bootstrap="nowhere:9092")
        self.cluster, self.objects = FaultyCluster(), Objects()
        records = Records(kafka, lambda _: None, Leader(self.cluster, 15))
        streams = Streams(kafka)
        actions = Actions(settings, kafka, self.cluster, streams, records, self.objects)
        self.later: list[Key] = []
        self.reconciler = Reconciler(
            settings,
            self.cluster,
            self.objects,
            records,
            actions,
            lambda key, _seconds: self.later.append(key),
            lambda *_: None,
        )
        self.reconciler.kafka_read = True
        self.objects.put(KEY, tenant_body({"resourceVersion": "1"}))


@pytest.fixture
def world() -> World:
    return World()


async def test_a_status_that_could_not_be_written_is_no_fault_of_the_tenant(world: World) -> None:
    world.cluster.refused["status"] = [OVERLOADED]
    await world.reconciler.reconcile(KEY)
    # Another status would be a second request to a server that has too many, and untrue.
    assert world.cluster.told == []
    assert KEY in world.later
    await world.reconciler.reconcile(KEY)
    assert (world.cluster.told, world.cluster.events) == (["PlanNotFound"], ["PlanNotFound"])


async def test_an_event_that_could_not_be_written_is_no_fault_of_the_tenant(world: World) -> None:
    world.cluster.refused["event"] = [FORBIDDEN]
    await world.reconciler.reconcile(KEY)
    await world.reconciler.reconcile(KEY)
    assert world.cluster.told == ["PlanNotFound"]
    assert KEY not in world.later


async def test_a_plan_that_anothers_finalizer_holds_is_no_refusal(world: World) -> None:
    plan = Key("Plan", "old")
    body = plan_body()
    going = {"name": "old", "resourceVersion": "2", "deletionTimestamp": "2026-03-09T10:00:00Z"}
    finalizers = {"finalizers": ["foregroundDeletion", IN_USE]}
    world.objects.put(plan, {**body, "metadata": body["metadata"] | going | finalizers})
    await world.reconciler.reconcile(plan)
    assert (world.cluster.told, world.cluster.events) == (["Deleting"], [])


async def test_a_plan_waits_for_kafka_only_until_that_has_failed(world: World) -> None:
    plan = Key("Plan", "pro")
    body = plan_body()
    known = {"stripe": {"priceId": "price_1"}}
    world.objects.put(
        plan, {**body, "metadata": body["metadata"] | {"resourceVersion": "2"}, "status": known}
    )
    world.reconciler.kafka_read = False
    await world.reconciler.reconcile(plan)
    assert world.cluster.told == []
    world.reconciler.unread = KafkaFailedError("Kafka is away.")
    await world.reconciler.reconcile(plan)
    assert world.cluster.told == ["InUse"]
    now = world.objects.get(plan)
    assert now is not None
    assert now["metadata"]["finalizers"] == [IN_USE]
    assert now["status"]["stripe"] == known["stripe"]
