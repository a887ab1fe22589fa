"""Brings tenants to their desired state: observes, asks `reconcile`, does what it says, writes the status.

The one place with effects. The watch, the components' answers, a resync and timers all end in `wake`; what
follows is the same for each. Wired in `app`.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from servicekit.health import Heartbeat
from servicekit.loops import backoff, pause_for, wait_until
from servicekit.settings import KafkaSettings
from tenant_operator import manifests, plans
from tenant_operator.cluster import Cluster
from tenant_operator.domain import (
    FINALIZER,
    Observed,
    PlanObject,
    StreamState,
    TenantObject,
    WantedStream,
    parse_plan,
    parse_tenant,
)
from tenant_operator.errors import ActionFailedError, ConflictError, NotFoundError
from tenant_operator.leader import Leader
from tenant_operator.metrics import ACTIONS, ORPHANS, RECONCILE_SECONDS, RECONCILES, TENANTS
from tenant_operator.objects import Body, Objects
from tenant_operator.reconcile import (
    Action,
    AddFinalizer,
    Announce,
    Decision,
    DropStream,
    Forget,
    Publish,
    PutStream,
    RemoveFinalizer,
    reconcile,
)
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.status import failed, only_use_differs, transition
from tenant_operator.streams import Streams
from tenant_operator.workqueue import Key, WorkQueue

log = structlog.get_logger(__name__)

_ROUNDS = 8
_STUCK_SECONDS = 180.0
_MAX_BACKOFF = 60.0
_TICK_SECONDS = 1.0
# A plan's status counts all its tenants, so their changes are gathered.
_PLAN_SECONDS = 1.0


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
        self._kafka = kafka
        self._cluster = cluster
        self._streams = streams
        self._leader = leader
        self.records = Records(kafka, self.answered, leader)
        self._objects = Objects()
        self._names: dict[UUID, str] = {}
        self._secrets: set[str] = set()
        self._failures: dict[Key, int] = {}
        self._queue = WorkQueue(self._pass, concurrency=settings.concurrency)
        self.settled = asyncio.Event()
        for truth in ("True", "False", "Unknown"):
            TENANTS.labels(truth).set_function(partial(self._count, truth))

    async def ready(self) -> str | None:
        return None if self.settled.is_set() else "the operator has not looked at all objects yet"

    async def run(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        """Looks at everything once, then works until told to stop."""
        with self._leader.working():
            await self._start(stop, beat)
            await self._work(stop, beat)

    async def _work(self, stop: asyncio.Event, beat: Heartbeat) -> None:
        worker = asyncio.create_task(self._queue.run())
        resync = asyncio.get_running_loop().time() + self._settings.resync_seconds
        try:
            while not stop.is_set() and not worker.done():
                if self._queue.longest() < _STUCK_SECONDS:
                    beat.beat()
                await pause_for(_TICK_SECONDS, stop)
                if asyncio.get_running_loop().time() >= resync:
                    await self._resync()
                    resync = asyncio.get_running_loop().time() + self._settings.resync_seconds
            if worker.done():
                worker.result()
        finally:
            worker.cancel()
            await asyncio.wait([worker])

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
                await self._look()
            except ActionFailedError as error:
                failures += 1
                seconds = backoff(failures)
                log.warning("start interrupted", error=str(error), retry_in=seconds)
                await pause_for(seconds, stop)
            else:
                self.settled.set()
                return

    async def _resync(self) -> None:
        try:
            await self._look()
        except ActionFailedError as error:
            log.warning("resync interrupted", error=str(error))

    async def _look(self) -> None:
        """Lists and compares everything; wakes every object. A few requests, however many tenants there are."""
        await self._streams.refresh()
        self._secrets = await self._cluster.secret_names()
        for kind in ("Plan", "Tenant"):
            bodies, version = await self._cluster.list_all(kind)
            for key in self._objects.replace_all(kind, bodies, version):
                self._know(key)
                self._queue.add(key)
        self._names = {
            UUID(body["metadata"]["uid"]): body["metadata"]["name"]
            for body in self._objects.of_kind("Tenant")
        }
        orphans = self.records.tenants() - set(self._names)
        ORPHANS.set(len(orphans))
        if orphans:
            log.warning("records without a Tenant object", tenant_ids=sorted(map(str, orphans)))

    def _know(self, key: Key) -> None:
        body = self._objects.get(key)
        if key.kind == "Tenant" and body is not None:
            self._names[UUID(body["metadata"]["uid"])] = key.name

    def _wake_around(self, key: Key, body: Body) -> None:
        """The object itself, and what depends on it: a plan's tenants, a tenant's plan (which counts them)."""
        self._queue.add(key)
        if key.kind == "Plan":
            for other in self._objects.of_kind("Tenant"):
                if other["spec"].get("plan") == key.name:
                    self._queue.add(Key("Tenant", other["metadata"]["name"]))
        else:
            for plan in {body["spec"].get("plan"), (body.get("status") or {}).get("plan")} - {None}:
                self._queue.add_after(Key("Plan", plan), _PLAN_SECONDS)

    async def _pass(self, key: Key) -> None:
        named = structlog.contextvars.bound_contextvars(**{key.kind.lower(): key.name})
        with named, RECONCILE_SECONDS.labels(key.kind).time():
            try:
                await (self._tenant(key) if key.kind == "Tenant" else self._plan(key))
            except (ConflictError, NotFoundError):
                await self._read_again(key)
            except ActionFailedError as error:
                await self._later(key, error)
            except Exception as error:  # one object's fault must not end the others' loop
                log.error("reconcile failed", exc_info=error)
                await self._later(key, _unexpected(error))
            else:
                self._failures.pop(key, None)
                RECONCILES.labels(key.kind, "done").inc()

    async def _tenant(self, key: Key) -> None:
        for _ in range(_ROUNDS):
            body = self._objects.get(key)
            if body is None:
                return
            tenant = parse_tenant(body)
            decision = reconcile(tenant, self._plan_of(tenant), self._observe(tenant))
            for action in decision.actions:
                await self._do(tenant, action)
            if FINALIZER in tenant.finalizers and RemoveFinalizer() in decision.actions:
                return
            if not decision.actions:
                await self._write(key, tenant, decision)
                if decision.again is None:
                    return
                if decision.again.total_seconds() > 0:
                    self._queue.add_after(key, decision.again.total_seconds())
                    return
        self._queue.add_after(key, 1)

    async def _plan(self, key: Key) -> None:
        body = self._objects.get(key)
        if body is None:
            return
        plan = parse_plan(body)
        tenants = [item for item in self._objects.of_kind("Tenant") if item["spec"].get("plan") == plan.name]
        answers = [self.records.answers(UUID(item["metadata"]["uid"])) for item in tenants]
        status = plans.status(plan, len(tenants), answers, datetime.now(UTC))
        if status != plan.status:
            self._objects.update(key, await self._cluster.replace_status(body, status))

    def _plan_of(self, tenant: TenantObject) -> PlanObject | None:
        body = self._objects.get(Key("Plan", tenant.spec.plan))
        return parse_plan(body) if body is not None else None

    def _count(self, truth: str) -> float:
        ready = (_ready_status(body) for body in self._objects.of_kind("Tenant"))
        return float(sum(1 for status in ready if status == truth))

    def _observe(self, tenant: TenantObject) -> Observed:
        return Observed(
            now=datetime.now(UTC),
            public_url=self._settings.public_url.rstrip("/"),
            published=self.records.published(tenant.uid),
            answers=self.records.answers(tenant.uid),
            stream=self._stream(tenant.name),
        )

    def _stream(self, slug: str) -> StreamState:
        return replace(self._streams.state(slug), secret=manifests.secret_name(slug) in self._secrets)

    async def _do(self, tenant: TenantObject, action: Action) -> None:
        log.info("action", action=type(action).__name__, generation=tenant.generation)
        match action:
            case AddFinalizer():
                await self._set_finalizers(tenant, [*tenant.finalizers, FINALIZER])
            case RemoveFinalizer():
                await self._set_finalizers(tenant, [name for name in tenant.finalizers if name != FINALIZER])
            case PutStream(stream):
                await self._put_stream(stream)
            case DropStream(slug):
                await self._streams.drop(slug)
                await self._cluster.delete_secret(manifests.secret_name(slug))
                self._secrets.discard(manifests.secret_name(slug))
            case Publish(record):
                await self.records.publish(record)
            case Forget():
                await self.records.forget(tenant.uid)
            case Announce():
                await self._announce(tenant, action)
        ACTIONS.labels(type(action).__name__).inc()

    async def _set_finalizers(self, tenant: TenantObject, finalizers: list[str]) -> None:
        key = Key("Tenant", tenant.name)
        body = self._objects.get(key)
        if body is not None:
            self._objects.update(key, await self._cluster.set_finalizers(body, finalizers))

    async def _put_stream(self, stream: WantedStream) -> None:
        """The Secret first: a password that Kafka knows and nobody holds would be of no use."""
        name = manifests.secret_name(stream.slug)
        present = await self._cluster.read_secret(name)
        password = manifests.password_in(present) if present else None
        if password is None:
            password = secrets.token_urlsafe(32)
            await self._cluster.put_secret(
                manifests.credentials_secret(
                    stream.slug,
                    str(stream.tenant_id),
                    self._settings.namespace,
                    password,
                    bootstrap=self._settings.tenant_kafka_bootstrap or self._kafka.bootstrap,
                    protocol=self._kafka.security_protocol,
                )
            )
        self._secrets.add(name)
        await self._streams.put(stream, password)

    async def _write(self, key: Key, tenant: TenantObject, decision: Decision) -> None:
        """Writes the status if it differs; one that differs in its use alone waits a little."""
        body = self._objects.get(key)
        if body is None or decision.status == tenant.status:
            return
        if only_use_differs(tenant.status, decision.status):
            wait = self._settings.usage_seconds - _age(tenant.status)
            if wait > 0:
                self._queue.add_after(key, wait)
                return
        self._objects.update(key, await self._cluster.replace_status(body, decision.status))
        self._queue.add_after(Key("Plan", tenant.spec.plan), _PLAN_SECONDS)
        told = transition(tenant.status, decision.status)
        if told is not None:
            log.info("condition", reason=told[1], message=told[2])
            await self._announce(tenant, Announce(*told))

    async def _announce(self, tenant: TenantObject, action: Announce) -> None:
        now = datetime.now(UTC)
        name = f"{tenant.name}.{secrets.token_hex(8)}"
        moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        await self._cluster.create_event(
            manifests.event(tenant, name, action.kind, action.reason, action.message, moment)
        )

    async def _later(self, key: Key, error: ActionFailedError) -> None:
        """Says in the status what failed, and comes back after a while that grows."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff(failures, first=0.5, longest=_MAX_BACKOFF)
        RECONCILES.labels(key.kind, "failed").inc()
        log.warning("reconcile interrupted", reason=error.reason, error=str(error), retry_in=seconds)
        self._queue.add_after(key, seconds)
        body = self._objects.get(key)
        if key.kind == "Tenant" and body is not None:
            try:
                tenant = parse_tenant(body)
                status = failed(tenant, datetime.now(UTC), error.reason, str(error))
                await self._write(key, tenant, Decision((), status))
            except (ConflictError, NotFoundError):
                await self._read_again(key)
            except (ActionFailedError, ValueError) as second:
                log.warning("the failure could not be written", error=str(second))

    async def _read_again(self, key: Key) -> None:
        """Somebody wrote in between: the object as it is now, then another pass."""
        try:
            body = await self._cluster.read(key.kind, key.name)
        except ActionFailedError as error:
            log.warning("object cannot be read", error=str(error))
            self._queue.add_after(key, 1)
            return
        if body is None:
            self._objects.drop(key)
        else:
            self._objects.put(key, body)
            self._queue.add(key)


def _ready_status(body: Body) -> str:
    """The status of the Ready condition, Unknown without one."""
    conditions = (body.get("status") or {}).get("conditions", ())
    return next((item["status"] for item in conditions if item["type"] == "Ready"), "Unknown")


def _age(status: Mapping[str, Any]) -> float:
    """Seconds since the use that the status shows was observed."""
    at = (status.get("usage") or {}).get("observedAt")
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds() if at else float("inf")


def _unexpected(error: Exception) -> ActionFailedError:
    failure = ActionFailedError(f"An error in the operator, {type(error).__name__}; its log has the details.")
    failure.reason = "OperatorError"
    return failure
