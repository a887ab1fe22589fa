"""What wakes an object: the watch, an answer of a component, a change of its plan, a resync, a timer.

All end in the work queue; what follows is the same for each (`reconciler`). Wired in `app`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for, wait_until
from servicekit.settings import KafkaSettings
from tenant_operator.actions import Actions
from tenant_operator.cluster import Cluster
from tenant_operator.domain import Body, tenant_id_of
from tenant_operator.errors import ActionFailedError, KafkaFailedError
from tenant_operator.leader import Leader
from tenant_operator.metrics import ORPHANS
from tenant_operator.objects import Objects
from tenant_operator.reconciler import PLAN_SECONDS, Reconciler
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.streams import Streams
from tenant_operator.workqueue import Key, WorkQueue

log = structlog.get_logger(__name__)

_STUCK_SECONDS = 180.0
_TICK_SECONDS = 1.0
_READ_SECONDS = 60.0
"""After so long Kafka counts as away, and tenants that wait for it say so; reading it goes on."""


class Controller:
    """A loop for the runtime. `noticed` takes what the watch sees, `answered` a component's answer."""

    name = "operator.controller"

    def __init__(
        self,
        settings: OperatorSettings,
        kafka: KafkaSettings,
        cluster: Cluster,
        streams: Streams,
        leader: Leader,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._streams = streams
        self._leader = leader
        self.records = Records(kafka, self.answered, leader)
        self._objects = Objects()
        self._names: dict[UUID, str] = {}
        self._actions = Actions(settings, kafka, cluster, streams, self.records, self._objects)
        self._reconciler = Reconciler(
            settings, cluster, self._objects, self.records, self._actions, self._later, self.noticed
        )
        self._queue = WorkQueue(
            self._reconciler.reconcile, concurrency=settings.concurrency, urgent=self._objects.asked
        )
        self.listed = asyncio.Event()

    async def ready(self) -> str | None:
        if self._reconciler.kafka_read or self._leader.standby:
            return None
        return "the operator has not looked at all objects yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Works until told to stop; until Kafka has been read, only on what needs nothing of it."""
        with self._leader.working():
            await wait_until(self._leader.held, stop, beat)
            try:
                await self._work(stop, beat)
            finally:
                await self.records.send_no_more()

    async def _work(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Ends at once when told to, whatever a pass or a listing waits for: the Lease may be another's soon."""
        tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._observe_all())]
        try:
            while not stop.is_set() and not any(task.done() for task in tasks):
                if self._queue.longest() < _STUCK_SECONDS:
                    beat.beat()
                await pause_for(_TICK_SECONDS, stop)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def noticed(self, kind: str, change: str | None, body: Body) -> None:
        """Takes in an object as the watch or a pass has just seen it.

        `change` is ADDED, MODIFIED or DELETED, or None in the watch's listing.
        """
        key = Key(kind, body["metadata"]["name"])
        before = self._objects.get(key)
        if change == "DELETED":
            changed = self._objects.drop(key, body["metadata"]["uid"])
        else:
            changed = self._objects.put(key, body)
        if changed:
            self._note_name(key)
            self._wake_around(key, body, before)

    def answered(self, tenant_id: UUID) -> None:
        """A component has answered for a tenant."""
        name = self._names.get(tenant_id)
        if name is not None:
            self._queue.add(Key("Tenant", name))

    async def _observe_all(self) -> None:
        """Lists all objects, reads what Kafka has of them, and compares all anew from time to time."""
        await self._repeat(self._list)
        self.listed.set()
        await self._repeat(self._read_kafka, self._unread)
        self._reconciler.kafka_read = True
        for key in self._objects.every():
            self._queue.add(key)
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            try:
                await self._streams.prepare()
                await self._actions.refresh()
                found = await self._list()
                self._count_orphans()
                self._queue.spread(found, per_second=self._settings.rollout_per_second)
            except ActionFailedError as error:
                log.warning("resync interrupted", error=str(error))

    async def _repeat(
        self,
        step: Callable[[], Awaitable[object]],
        tell: Callable[[ActionFailedError], object] = lambda _: None,
    ) -> None:
        """Does `step` until it succeeds; calls `tell` with each failure."""
        failures = 0
        while True:
            try:
                await step()
            except ActionFailedError as error:
                failures += 1
                seconds = backoff(failures)
                log.warning("start interrupted", error=str(error), retry_in=seconds)
                tell(error)
                await asyncio.sleep(seconds)
            else:
                return

    def _unread(self, error: ActionFailedError) -> None:
        """Gives all objects a pass when the reason has changed: tenants that wait for Kafka say so, and what needs
        nothing of it goes on.
        """
        before = self._reconciler.unread
        if before is None or before.reason != error.reason:
            self._reconciler.unread = error
            self._queue.spread(self._objects.every(), per_second=self._settings.rollout_per_second)

    async def _read_kafka(self) -> None:
        """The records, the answers, and the tenants' streams."""
        await self._streams.prepare()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await self.records.caught_up.wait()
        except TimeoutError as error:
            raise KafkaFailedError(
                "The operator's topics in Kafka could not be read to their ends."
            ) from error
        await self._actions.refresh()
        self._count_orphans()

    async def _list(self) -> list[Key]:
        """Every object; answers their keys, and those of objects that have gone."""
        found: list[Key] = []
        for kind in ("Plan", "Tenant"):
            bodies, version = await self._cluster.list_all(kind)
            found += self._objects.replace_all(kind, bodies, version)
        self._names = {
            tenant_id_of(body): body["metadata"]["name"] for body in self._objects.of_kind("Tenant")
        }
        return found

    def _count_orphans(self) -> None:
        orphans = self.records.tenants() - set(self._names)
        ORPHANS.set(len(orphans))
        if orphans:
            log.warning("records without a Tenant object", tenant_ids=sorted(map(str, orphans)))

    def _later(self, key: Key, seconds: float) -> None:
        self._queue.add_after(key, seconds)

    def _note_name(self, key: Key) -> None:
        body = self._objects.get(key)
        if key.kind == "Tenant" and body is not None:
            self._names[tenant_id_of(body)] = key.name

    def _wake_around(self, key: Key, body: Body, before: Body | None) -> None:
        """The object itself, and what depends on it: a plan's tenants, a tenant's plans (which count them)."""
        self._queue.add(key)
        if key.kind == "Plan":
            on_it = [
                Key("Tenant", other["metadata"]["name"])
                for other in self._objects.of_kind("Tenant")
                if other["spec"].get("plan") == key.name
            ]
            self._queue.spread(on_it, per_second=self._settings.rollout_per_second)
        else:
            for plan in {each["spec"].get("plan") for each in (body, before) if each is not None} - {None}:
                self._queue.add_after(Key("Plan", plan), PLAN_SECONDS)
