"""One pass over an object: observe, ask `reconcile`, do what it says, write the status, tell what changed.

Called by `controller` for each key that its queue hands out. A pass that fails is repeated after a growing pause,
and says so in the status; not where writing the status itself failed, as what it was to say is still true.
"""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from opentelemetry.trace import SpanKind

from servicekit.faults import reached
from servicekit.loops import backoff
from servicekit.tracing import span_from
from tenant_operator import manifests
from tenant_operator.actions import Actions
from tenant_operator.cluster import Cluster
from tenant_operator.conditions import ORDER
from tenant_operator.domain import (
    FINALIZER,
    IN_USE,
    Body,
    Observed,
    PlanObject,
    TenantObject,
    conditions_in,
    parse_plan,
    parse_tenant,
    tenant_id_of,
)
from tenant_operator.errors import (
    ActionFailedError,
    ClusterFailedError,
    ConflictError,
    KafkaFailedError,
    NotFoundError,
    RefusedError,
    StatusUnwrittenError,
)
from tenant_operator.metrics import RECONCILE_SECONDS, RECONCILES, TENANTS
from tenant_operator.objects import Notice, Objects
from tenant_operator.plans import PlanDecision, reconcile_plan
from tenant_operator.reconcile import (
    Action,
    Announce,
    Decision,
    RemoveFinalizer,
    interrupted,
    reconcile,
    without_kafka,
)
from tenant_operator.records import Records
from tenant_operator.settings import OperatorSettings
from tenant_operator.transitions import Haste, haste, transition
from tenant_operator.workqueue import Key, Later

log = structlog.get_logger(__name__)

_ROUNDS = 8
_MAX_BACKOFF = 60.0
# A plan's status counts all its tenants, so their changes are gathered.
PLAN_SECONDS = 1.0
_COUNT_SECONDS = 0.2


class Reconciler:
    """Runs the passes.

    `later` asks for another one over an object after so many seconds; `notice` takes an object that was read anew.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        cluster: Cluster,
        objects: Objects,
        records: Records,
        actions: Actions,
        later: Later,
        notice: Notice,
    ) -> None:
        self._settings = settings
        self._public_url = settings.public_url.rstrip("/")
        self._cluster = cluster
        self._objects = objects
        self._records = records
        self._actions = actions
        self._later = later
        self._notice = notice
        self._failures: dict[Key, int] = {}
        self._written: dict[Key, float] = {}
        self._unsettled_since: dict[Key, float] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._counted = float("-inf")
        self.kafka_read = False
        """Until it is True, nothing is decided that depends on records, answers, streams or Secrets."""
        self.unread: ActionFailedError | None = None
        """Why they have not been read, once that has failed."""
        for kind in ORDER:
            for truth in ("True", "False", "Unknown"):
                TENANTS.labels(kind, truth).set_function(partial(self._count, kind, truth))

    async def reconcile(self, key: Key) -> None:
        """One pass over the object; raises nothing, as one object's fault must not end the others' loop."""
        about = {key.kind.lower(): key.name}
        with (
            structlog.contextvars.bound_contextvars(**about),
            RECONCILE_SECONDS.labels(key.kind).time(),
            span_from(None, f"reconcile {key.kind}", SpanKind.INTERNAL, about),
        ):
            try:
                await (self._tenant(key) if key.kind == "Tenant" else self._plan(key))
            except (ConflictError, NotFoundError):
                await self._read_again(key)
            except StatusUnwrittenError as error:
                self._try_again(key, error)
            except ActionFailedError as error:
                await self._failed(key, error)
            except Exception as error:  # one object's fault must not end the others' loop
                log.error("reconcile failed", exc_info=error)
                await self._failed(key, _unexpected(error))
            else:
                self._failures.pop(key, None)
                RECONCILES.labels(key.kind, "done").inc()

    async def _tenant(self, key: Key) -> None:
        if not self.kafka_read:
            await self._without_kafka(key)
            return
        for _ in range(_ROUNDS):
            body = self._objects.get(key)
            if body is None:
                self._written.pop(key, None)
                self._unsettled_since.pop(key, None)
                return
            tenant = parse_tenant(body)
            decision = reconcile(tenant, self._plan_of(tenant), self._observe(tenant))
            done = await self._carry_out(key, tenant, decision)
            if done and FINALIZER in tenant.finalizers and RemoveFinalizer() in decision.actions:
                return
            if not decision.actions:
                await self._write(key, tenant, decision.status)
                if conditions_in(decision.status).get("Ready", {}).get("status") == "True":
                    self._objects.settled(key)
                if decision.again is not None:
                    self._later(key, decision.again.total_seconds())
                return
        self._later(key, 1)

    async def _without_kafka(self, key: Key) -> None:
        """What can be done before Kafka has been read, once that has failed; when it succeeds all have a pass."""
        body = self._objects.get(key)
        if body is None or self.unread is None:
            return
        tenant = parse_tenant(body)
        unread = Observed(datetime.now(UTC), self._public_url, self._settings.tenants_namespace)
        decision = without_kafka(tenant, unread, self.unread.reason, str(self.unread))
        for action in decision.actions:
            await self._actions.do(tenant, action)
        if not decision.actions:
            await self._write(key, tenant, decision.status)
        if decision.again is not None:
            self._later(key, decision.again.total_seconds())

    async def _carry_out(self, key: Key, tenant: TenantObject, decision: Decision) -> bool:
        """Does a decision's actions; False when the spec of a tenant that is being deleted has changed meanwhile.

        Its last actions take a while, and after them another deletionPolicy, say, would come too late.
        """
        for action in decision.actions:
            if tenant.deleted_at is not None and action != RemoveFinalizer():
                body = self._objects.get(key)
                if body is not None and parse_tenant(body).spec != tenant.spec:
                    return False
            await self._do(tenant, action, tolerant=decision.tolerant)
        return True

    async def _do(self, tenant: TenantObject, action: Action, *, tolerant: bool) -> None:
        if isinstance(action, Announce) and tenant.deleted_at is None:
            await self._tell(tenant, action)
            return
        try:
            await self._actions.do(tenant, action)
        except KafkaFailedError as error:
            if not tolerant:
                raise
            what = type(action).__name__
            log.warning("left behind", action=what, error=str(error))
            told = (
                f"Let go by slotwright.io/abandon. {what} of tenant {tenant.tenant_id} was not done: {error}"
            )
            await self._actions.do(tenant, Announce("Warning", "Abandoned", told))

    async def _tell(self, tenant: TenantObject, event: Announce) -> None:
        """Writes an Event; when that fails the pass goes on, as the business lacks nothing without it."""
        try:
            await self._actions.do(tenant, event)
        except ClusterFailedError as error:
            log.warning("event could not be written", reason=event.reason, error=str(error))

    async def _plan(self, key: Key) -> None:
        body = self._objects.get(key)
        if body is None or not (self.kafka_read or self.unread):
            return
        self._objects.settled(key)
        plan = parse_plan(body)
        on_it = {
            item["metadata"]["name"]: tenant_id_of(item)
            for item in self._objects.of_kind("Tenant")
            if item["spec"].get("plan") == plan.name
        }
        # Until Kafka has been read, the status keeps the ids at Stripe that it has.
        told = [
            (self._records.published(tenant_id), self._records.answers(tenant_id))
            for tenant_id in on_it.values()
            if self.kafka_read
        ]
        decision = reconcile_plan(plan, on_it, told, datetime.now(UTC))
        if decision.finalizers != plan.finalizers:
            await self._actions.set_finalizers(key, decision.finalizers)
        body = self._objects.get(key)
        if body is not None and decision.finalizers and decision.status != plan.status:
            await self._put_status(key, body, decision.status)
            await self._tell_refusal(plan, decision)

    async def _tell_refusal(self, plan: PlanObject, decision: PlanDecision) -> None:
        """Announces a deletion that has to wait, once for every set of tenants that it waits for."""
        (condition,) = decision.status["conditions"]
        if condition["status"] == "False" and IN_USE in decision.finalizers:
            about = manifests.about("Plan", plan.name, plan.uid)
            await self._actions.announce(
                about, Announce("Warning", condition["reason"], condition["message"])
            )

    def _plan_of(self, tenant: TenantObject) -> PlanObject | None:
        body = self._objects.get(Key("Plan", tenant.spec.plan))
        return parse_plan(body) if body is not None else None

    def _observe(self, tenant: TenantObject) -> Observed:
        return Observed(
            now=datetime.now(UTC),
            public_url=self._public_url,
            tenants_namespace=self._settings.tenants_namespace,
            published=self._records.published(tenant.tenant_id),
            acknowledged=self._records.acknowledged(tenant.tenant_id),
            answers=self._records.answers(tenant.tenant_id),
            stream=self._actions.stream(tenant),
            namesake=self._records.namesake(tenant.tenant_id, tenant.name),
            forgotten=self._records.forgotten(tenant.tenant_id),
        )

    async def _write(self, key: Key, tenant: TenantObject, status: Mapping[str, Any]) -> None:
        """Writes the status if it differs, and an Event for what turned; one that can wait is written later."""
        body = self._objects.get(key)
        hurry = haste(tenant.status, status)
        if hurry is not Haste.ROLLOUT:
            self._unsettled_since.pop(key, None)
        if body is None or hurry is Haste.NONE:
            return
        wait = self._due(key, tenant, hurry) - time.monotonic()
        if wait > 0:
            self._later(key, wait)
            return
        await self._put_status(key, body, status)
        self._written[key] = time.monotonic()
        reached("operator.status-written")
        self._later(Key("Plan", tenant.spec.plan), PLAN_SECONDS)
        told = transition(tenant.status, status)
        if told is not None:
            log.info("condition", reason=told.reason, message=told.message)
            await self._tell(tenant, Announce(*told))

    async def _put_status(self, key: Key, body: Body, status: Mapping[str, Any]) -> None:
        """Raises StatusUnwrittenError where another status would not be written either."""
        try:
            self._objects.update(key, await self._cluster.replace_status(body, status))
        except (ConflictError, NotFoundError, RefusedError):
            raise
        except ClusterFailedError as error:
            unwritten = StatusUnwrittenError(f"The status could not be written. {error}")
            unwritten.reason = error.reason
            raise unwritten from error

    def _due(self, key: Key, tenant: TenantObject, hurry: Haste) -> float:
        """When a status may be written, by the monotonic clock."""
        now = time.monotonic()
        if hurry is Haste.ROLLOUT:
            return self._unsettled_since.setdefault(key, now) + self._settings.progress_seconds
        if "observedGeneration" not in tenant.status:
            self._written.setdefault(key, now)
        every = {Haste.USE: self._settings.usage_seconds, Haste.PROGRESS: self._settings.progress_seconds}
        return self._written.get(key, 0.0) + every.get(hurry, 0.0)

    async def _failed(self, key: Key, error: ActionFailedError) -> None:
        """Has the pass repeated after a pause that grows, and says in the status what failed."""
        self._try_again(key, error)
        body = self._objects.get(key)
        if key.kind == "Tenant" and body is not None:
            try:
                tenant = parse_tenant(body)
                await self._write(
                    key, tenant, interrupted(tenant, self._observe(tenant), error.reason, str(error))
                )
            except (ConflictError, NotFoundError):
                await self._read_again(key)
            except (ActionFailedError, ValueError) as second:
                log.warning("the failure could not be written", error=str(second))

    def _try_again(self, key: Key, error: ActionFailedError) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff(failures, first=0.5, longest=_MAX_BACKOFF)
        RECONCILES.labels(key.kind, "failed").inc()
        log.warning("reconcile interrupted", reason=error.reason, error=str(error), retry_in=seconds)
        self._later(key, seconds)

    async def _read_again(self, key: Key) -> None:
        """After somebody wrote in between: reads the object as it is now, for another pass."""
        try:
            body = await self._cluster.read(key.kind, key.name)
        except ActionFailedError as error:
            log.warning("object cannot be read", error=str(error))
            self._later(key, 1)
            return
        known = self._objects.get(key)
        if body is not None:
            self._notice(key.kind, "MODIFIED", body)
            self._later(key, 0)
        elif known is not None:
            self._notice(key.kind, "DELETED", known)

    def _count(self, kind: str, truth: str) -> float:
        """Tenants whose condition has that status; Unknown without one. All are counted at once for a scrape."""
        now = time.monotonic()
        if now - self._counted > _COUNT_SECONDS:
            self._counted, self._counts = now, Counter()
            for body in self._objects.of_kind("Tenant"):
                found = conditions_in(body.get("status") or {})
                self._counts.update((each, found.get(each, {}).get("status", "Unknown")) for each in ORDER)
        return float(self._counts[kind, truth])


def _unexpected(error: Exception) -> ActionFailedError:
    failure = ActionFailedError(f"An error in the operator, {type(error).__name__}; its log has the details.")
    failure.reason = "OperatorError"
    return failure
