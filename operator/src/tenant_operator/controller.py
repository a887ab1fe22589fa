"""What wakes an object: the watch, an answer of a component, a change of its plan, a resync, a timer.

All end in the work queue; what follows is the same for each (`passes`). Wired in `app`.
"""

import asyncio
from uuid import UUID

import structlog

from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for, wait_until
from servicekit.settings import KafkaSettings
from tenant_operator.actions import Actions
from tenant_operator.cluster import Cluster
from tenant_operator.errors import ActionFailedError
from tenant_operator.leader import Leader
from tenant_operator.metrics import ORPHANS
from tenant_operator.objects import Body, Objects
from tenant_operator.passes import PLAN_SECONDS, Passes
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.streams import Streams
from tenant_operator.workqueue import Key, WorkQueue

log = structlog.get_logger(__name__)

_STUCK_SECONDS = 180.0
_TICK_SECONDS = 1.0


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
        self._queue = WorkQueue(
            Passes(settings, cluster, self._objects, self.records, self._actions, self._later).over,
            concurrency=settings.concurrency,
            urgent=self._objects.asked,
        )
        self.settled = asyncio.Event()

    async def ready(self) -> str | None:
        if self.settled.is_set() or self._leader.standby:
            return None
        return "the operator has not looked at all objects yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Looks at everything once, then works until told to stop."""
        with self._leader.working():
            await self._start(stop, beat)
            await self._work(stop, beat)

    async def _work(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Ends at once when told to, whatever a pass or a resync waits for: the Lease may be another's soon."""
        tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._resync(stop))]
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
        """The watch has seen an object; `change` is None in a first listing, or ADDED, MODIFIED, DELETED."""
        key = Key(kind, body["metadata"]["name"])
        if change == "DELETED":
            changed = self._objects.drop(key, body["metadata"]["uid"])
        else:
            changed = self._objects.put(key, body)
        if changed:
            self._know(key)
            self._wake_around(key, body)

    def answered(self, tenant_id: UUID) -> None:
        """A component has answered for a tenant."""
        name = self._names.get(tenant_id)
        if name is not None:
            self._queue.add(Key("Tenant", name))

    async def _start(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        failures = 0
        while not stop.is_set():
            beat.beat()
            try:
                await wait_until(self._leader.held, stop, beat)
                await self._streams.prepare()
                await wait_until(self.records.caught_up, stop, beat)
                found = await self._look()
            except ActionFailedError as error:
                failures += 1
                seconds = backoff(failures)
                log.warning("start interrupted", error=str(error), retry_in=seconds)
                await pause_for(seconds, stop)
            else:
                for key in found:
                    self._queue.add(key)
                self.settled.set()
                return

    async def _resync(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await pause_for(self._settings.resync_seconds, stop)
            if stop.is_set():
                return
            try:
                found = await self._look()
                self._queue.spread(found, per_second=self._settings.rollout_per_second)
            except ActionFailedError as error:
                log.warning("resync interrupted", error=str(error))

    async def _look(self) -> list[Key]:
        """Lists and compares everything; answers every object. A few requests, however many tenants there are."""
        await self._actions.refresh()
        found: list[Key] = []
        for kind in ("Plan", "Tenant"):
            bodies, version = await self._cluster.list_all(kind)
            found += self._objects.replace_all(kind, bodies, version)
        self._names = {
            UUID(body["metadata"]["uid"]): body["metadata"]["name"]
            for body in self._objects.of_kind("Tenant")
        }
        orphans = self.records.tenants() - set(self._names)
        ORPHANS.set(len(orphans))
        if orphans:
            log.warning("records without a Tenant object", tenant_ids=sorted(map(str, orphans)))
        return found

    def _later(self, key: Key, seconds: float) -> None:
        self._queue.add_after(key, seconds)

    def _know(self, key: Key) -> None:
        body = self._objects.get(key)
        if key.kind == "Tenant" and body is not None:
            self._names[UUID(body["metadata"]["uid"])] = key.name

    def _wake_around(self, key: Key, body: Body) -> None:
        """The object itself, and what depends on it: a plan's tenants, a tenant's plan (which counts them)."""
        self._queue.add(key)
        if key.kind == "Plan":
            on_it = [
                Key("Tenant", other["metadata"]["name"])
                for other in self._objects.of_kind("Tenant")
                if other["spec"].get("plan") == key.name
            ]
            self._queue.spread(on_it, per_second=self._settings.rollout_per_second)
        else:
            for plan in {body["spec"].get("plan"), (body.get("status") or {}).get("plan")} - {None}:
                self._queue.add_after(Key("Plan", plan), PLAN_SECONDS)
