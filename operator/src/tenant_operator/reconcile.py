"""One decision: what to do for a Tenant, and what its status says, given all that is known.

`reconcile` is a pure function. `reconciler` calls it after every change of the object, its plan or an answer, does
the actions, observes again and asks again until there is nothing to do. Any order and repetition of observations
leads to the same end. The protocol: docs/tenants.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from contracts.platform import (
    BillingSpec,
    Component,
    ComponentState,
    DeletionPolicy,
    TenantChanged,
    TenantState,
)
from servicekit.localtime import zone_names
from tenant_operator import entitlements, status
from tenant_operator.conditions import (
    RECONCILING,
    TOPICS_READY,
    lost_answers,
    refusals,
    subscription_state,
    waiting_for,
)
from tenant_operator.domain import (
    FINALIZER,
    Observed,
    PlanObject,
    PlanSpec,
    PriceSpec,
    TenantObject,
    WantedStream,
)

DELETION_DEADLINE = timedelta(minutes=10)
TENANT_ID_TAKEN = "TenantIdTaken"
_RELAYING = (Component.BOOKING, Component.NOTIFICATION, Component.BILLING)


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Keeps the object until everything of it is gone."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Lets the object go."""


@dataclass(frozen=True, slots=True)
class PutStream:
    """Makes the tenant's topics, user, access and Secret, as far as they are missing or differ.

    `first`: services were never told of a stream of this tenant, so topics of that name have another's events.
    """

    stream: WantedStream
    first: bool


@dataclass(frozen=True, slots=True)
class DropStream:
    """Takes away the access, the user, the Secret and the topics."""

    slug: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Tells the services the whole desired record."""

    record: TenantChanged


@dataclass(frozen=True, slots=True)
class Forget:
    """Tombstones for the tenant's record and for every component's answer."""


@dataclass(frozen=True, slots=True)
class Announce:
    """An Event on the object; `rows` by component and table, for machines."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str
    rows: Mapping[str, Mapping[str, int]] | None = None


Action = AddFinalizer | RemoveFinalizer | PutStream | DropStream | Publish | Forget | Announce


@dataclass(frozen=True, slots=True)
class Decision:
    """`actions` in their order; `status` whole; `again` after this time even if nothing happens.

    `tolerant`: an action that fails at Kafka is passed over, and an Event says what may be left.
    """

    actions: tuple[Action, ...]
    status: Mapping[str, Any]
    again: timedelta | None = None
    tolerant: bool = False


def reconcile(tenant: TenantObject, plan: PlanObject | None, observed: Observed) -> Decision:
    """Decides about one tenant. `plan` is the object that spec.plan names, or None when there is none."""
    if tenant.paused:
        return Decision((), status.paused(tenant, observed.now))
    if observed.published is not None and observed.published.slug != tenant.name:
        return _of_another(tenant, observed, observed.published)
    if tenant.deleted_at is not None:
        return _delete(tenant, plan, observed)
    problem = _problem(tenant, plan, observed)
    if problem is not None or plan is None:
        reason, message = problem or ("PlanNotFound", "")
        return Decision((), status.stalled(tenant, observed, reason, message))
    return _provision(tenant, plan, observed)


def without_kafka(tenant: TenantObject, observed: Observed, reason: str, fault: str) -> Decision:
    """Decides about one tenant while its record, answers and Secret are not known, as they cannot be read.

    What is asked for waits, and the status says so; where nothing is asked for, the status stays. An abandoned
    object is let go.
    """
    if tenant.paused:
        return Decision((), status.paused(tenant, observed.now))
    if tenant.deleted_at is None:
        under_way = tenant.conditions.get(RECONCILING, {}).get("status") != "False"
        asked = under_way or tenant.status.get("observedGeneration") != tenant.generation
        return Decision((), interrupted(tenant, observed, reason, fault) if asked else tenant.status)
    if FINALIZER not in tenant.finalizers:
        return Decision((), tenant.status)
    if not tenant.abandoned:
        left = _until_deadline(tenant, observed.now)
        return Decision((), interrupted(tenant, observed, reason, fault), left)
    report = (
        f"Let go by slotwright.io/abandon. Nothing of tenant {tenant.tenant_id} is confirmed deleted, and no"
        f" component was told: {fault} Its record, topics, user, Secret and data may be left."
    )
    return Decision((Announce("Warning", "Abandoned", report), RemoveFinalizer()), tenant.status)


def interrupted(tenant: TenantObject, observed: Observed, reason: str, message: str) -> Mapping[str, Any]:
    """The status after an action that failed: it is tried again, and a deletion past its deadline says what for."""
    if tenant.deleted_at is not None and _until_deadline(tenant, observed.now) is None:
        return status.overdue(tenant, observed, f"Deletion cannot go on: {message}")
    return status.failed(tenant, observed, reason, message)


def _problem(tenant: TenantObject, plan: PlanObject | None, observed: Observed) -> tuple[str, str] | None:
    if plan is None:
        return (
            "PlanNotFound",
            f"There is no Plan named {tenant.spec.plan}; create it, or name another in spec.plan.",
        )
    on_it = observed.published is not None and observed.published.plan.name == plan.name
    if plan.deleted_at is not None and not on_it:
        return (
            "PlanGoing",
            f"The Plan {plan.name} is being deleted and takes no more tenants; name another in spec.plan.",
        )
    if tenant.spec.timezone not in zone_names():
        return (
            "UnknownTimezone",
            f"{tenant.spec.timezone} is not a time zone of the IANA database, such as Europe/Lisbon.",
        )
    return None


def _of_another(tenant: TenantObject, observed: Observed, record: TenantChanged) -> Decision:
    """For an object whose spec.tenantId names the business of another one: that one's record is left alone."""
    if tenant.deleted_at is not None:
        return Decision((RemoveFinalizer(),) if FINALIZER in tenant.finalizers else (), tenant.status)
    unknown = replace(observed, published=None, answers={})
    message = f"spec.tenantId is the id of the business {record.slug}; none of another name can have it."
    return Decision((), status.stalled(tenant, unknown, TENANT_ID_TAKEN, message))


def _provision(tenant: TenantObject, plan: PlanObject, observed: Observed) -> Decision:
    stream = entitlements.wanted_stream(tenant, plan.spec)
    record = _without_stream(tenant, plan, observed) if stream is not None else None
    if record is None:
        record = numbered(desired_record(tenant, plan, observed, stream), tenant, observed)
    said = tenant.status.get("recordGeneration")
    if observed.told(record) and said == record.generation and lost_answers(tenant, observed):
        # No component answers twice for a generation, so that the same record has to be sent under the next.
        record = record.model_copy(update={"generation": record.generation + 1})
    actions: list[Action] = []
    if FINALIZER not in tenant.finalizers:
        actions.append(AddFinalizer())
    # Before the record that tells the services to write there.
    if stream is not None and record.event_stream.enabled and not observed.stream.fits(stream):
        actions.append(PutStream(stream, first=not _was_told(tenant, observed)))
        lacking = observed.stream.lacks(stream)
        if lacking and _was_made(tenant, stream):
            found = "; ".join(lacking)
            actions.append(Announce("Warning", "DriftRepaired", f"Not as it should be, and mended: {found}."))
    if not observed.told(record):
        actions.append(Publish(record))
    # After the services that write there have learnt not to.
    elif (
        stream is None
        and not observed.stream.empty
        and not waiting_for(observed, record, _RELAYING)
        and not refusals(observed, record, _RELAYING)
    ):
        actions.append(DropStream(tenant.name))
    return Decision(tuple(actions), status.progress(tenant, observed, record, stream))


def _without_stream(tenant: TenantObject, plan: PlanObject, observed: Observed) -> TenantChanged | None:
    """The record without a stream, while the services that write there may not know that the name is this tenant's.

    They still serve one of the same name that was let go by hand, and write to the topic until they have heard of
    another that has it (servicekit.relay). None once they know, and for a name that no tenant had before.
    """
    if not observed.namesake or _was_told(tenant, observed):
        return None
    record = numbered(desired_record(tenant, plan, observed, None), tenant, observed)
    known = observed.told(record) and not waiting_for(observed, record, _RELAYING)
    return None if known else record


def _was_told(tenant: TenantObject, observed: Observed) -> bool:
    """Services may have written to a stream of this tenant: so says the record or, if Kafka lost it, the status."""
    record = observed.published
    return (record is not None and record.event_stream.enabled) or "eventStream" in tenant.status


def _was_made(tenant: TenantObject, stream: WantedStream) -> bool:
    """The status says that this very stream was there: what it lacks now, somebody took away."""
    made = tenant.conditions.get(TOPICS_READY, {}).get("status") == "True"
    said = tenant.status.get("eventStream") or {}
    sizes = said.get("partitions"), said.get("retentionHours")
    return made and sizes == (stream.partitions, stream.retention_hours)


def desired_record(
    tenant: TenantObject, plan: PlanObject, observed: Observed, stream: WantedStream | None
) -> TenantChanged:
    """The record that the services should have, with generation 1 (see `numbered`)."""
    spec = tenant.spec
    return TenantChanged(
        tenant_id=tenant.tenant_id,
        slug=tenant.name,
        generation=1,
        display_name=spec.display_name,
        owner=spec.owner,
        timezone=spec.timezone,
        locale=spec.locale,
        currency=spec.currency,
        plan=plan.snapshot,
        limits=entitlements.limits(tenant, plan.spec, subscription_state(observed)),
        features=plan.spec.features,
        state=TenantState.SUSPENDED if spec.suspended else TenantState.ACTIVE,
        deletion_policy=spec.deletion_policy,
        billing=BillingSpec(
            mode=spec.billing.mode, customer_id=spec.billing.customer_id, trial_days=spec.billing.trial_days
        ),
        event_stream=entitlements.stream_record(tenant.name, enabled=stream is not None),
    )


def numbered(record: TenantChanged, tenant: TenantObject, observed: Observed) -> TenantChanged:
    """The record under its generation: that of the one sent last when they are equal, else the next.

    A number once sent stands for that record for ever, as services pass over another one that has it; whether Kafka
    has acknowledged it makes no difference. The status remembers the last number too: Kafka may have lost its data,
    or hold back a record that it has not acknowledged, so that an operator that starts does not find it. An object
    that was made anew for a business has neither: its numbers begin at the second of its creation, above all that
    services can have of it.
    """
    published = observed.published
    first = int(tenant.created_at.timestamp()) if tenant.spec.tenant_id and tenant.created_at else 0
    last = max(first, published.generation if published else 0, tenant.status.get("recordGeneration", 0))
    if published is not None and record.model_copy(update={"generation": last}) == published:
        return published
    return record.model_copy(update={"generation": last + 1})


def _delete(tenant: TenantObject, plan: PlanObject | None, observed: Observed) -> Decision:
    """deleting → every component answers deleted → stream removed → tombstones → finalizer removed."""
    if FINALIZER not in tenant.finalizers:
        return Decision((), tenant.status)
    record = observed.published or _lost_record(tenant, plan, observed)
    told = record and numbered(
        record.model_copy(
            update={"state": TenantState.DELETING, "deletion_policy": tenant.spec.deletion_policy}
        ),
        tenant,
        observed,
    )
    if tenant.abandoned:
        return _abandon(tenant, observed, told)
    if told is not None:
        left = _until_deadline(tenant, observed.now)
        if not observed.told(told):
            waiting = status.deleting(tenant, observed, [part.value for part in Component])
            return Decision((Publish(told),), waiting, left)
        missing = _not_deleted(told, observed)
        if missing and left is None:
            return Decision((), status.overdue(tenant, observed, f"Deletion waits for {'; '.join(missing)}."))
        if missing:
            return Decision((), status.deleting(tenant, observed, missing), left)
    return Decision(tuple(_last_actions(tenant, observed, told)), tenant.status)


def _lost_record(tenant: TenantObject, plan: PlanObject | None, observed: Observed) -> TenantChanged | None:
    """What to tell the services of a tenant that they serve, as its status or spec.tenantId says, and whose record
    Kafka has lost.

    None for one that they never heard of, or that they are done with. They do nothing with a plan that is gone.
    """
    heard_of = tenant.spec.tenant_id is not None or "recordGeneration" in tenant.status
    if observed.forgotten or not heard_of:
        return None
    price = PriceSpec(amount=0, currency=tenant.spec.currency)
    gone = PlanSpec(display_name=tenant.spec.plan, price=price)
    known = plan or PlanObject(tenant.spec.plan, tenant.uid, 1, gone, {})
    return desired_record(tenant, known, observed, None)


def _abandon(tenant: TenantObject, observed: Observed, told: TenantChanged | None) -> Decision:
    """Lets go of the object, whoever is away, and says in an Event what may be left."""
    actions: list[Action] = []
    if told is not None and not observed.told(told):
        actions.append(Publish(told))
    missing = _not_deleted(told, observed) if told is not None else []
    if missing:
        report = f"Let go by slotwright.io/abandon. Not confirmed deleted for tenant {tenant.tenant_id}: "
        actions.append(Announce("Warning", "Abandoned", report + "; ".join(missing)))
    actions += _last_actions(tenant, observed, told)
    return Decision(tuple(actions), tenant.status, tolerant=True)


def _last_actions(tenant: TenantObject, observed: Observed, told: TenantChanged | None) -> list[Action]:
    actions: list[Action] = []
    if not observed.stream.empty:
        actions.append(DropStream(tenant.name))
    rows = _rows(observed)
    if rows or not tenant.abandoned:
        actions.append(_receipt(tenant, rows))
    if told is not None or observed.answers:
        actions.append(Forget())
    actions.append(RemoveFinalizer())
    return actions


def _rows(observed: Observed) -> dict[str, dict[str, int]]:
    """Rows erased or kept, by component and table, as the components counted them."""
    return {
        part.value: counts
        for part, answer in observed.answers.items()
        if answer.state is ComponentState.DELETED
        and (counts := answer.details.erased or answer.details.archived)
    }


def _receipt(tenant: TenantObject, rows: dict[str, dict[str, int]]) -> Announce:
    erased = tenant.spec.deletion_policy is DeletionPolicy.DELETE
    counts = ", ".join(f"{part} {sum(tables.values())}" for part, tables in sorted(rows.items())) or "none"
    verb = "erased" if erased else "archived"
    message = f"Rows of tenant {tenant.tenant_id} {verb}: {counts}."
    return Announce("Normal", "Erased" if erased else "Archived", message, rows)


def _not_deleted(record: TenantChanged, observed: Observed) -> list[str]:
    """The components that have not said `deleted` to this record, a failing one with its message."""
    missing = []
    for part in Component:
        answer = observed.answers.get(part)
        if answer is None or answer.generation != record.generation:
            missing.append(part.value)
        elif answer.state is ComponentState.FAILED:
            missing.append(f"{part.value} ({answer.message})")
        elif answer.state is not ComponentState.DELETED:
            missing.append(part.value)
    return missing


def _until_deadline(tenant: TenantObject, now: datetime) -> timedelta | None:
    """Time left, or None past the deadline."""
    assert tenant.deleted_at is not None  # noqa: S101 - only asked of an object that is being deleted
    left = tenant.deleted_at + DELETION_DEADLINE - now
    return left if left > timedelta() else None
