"""One decision: what to do for a Tenant, and what its status says, given all that is known.

`reconcile` is a pure function. `controller` calls it after every change of the object, its plan or an answer, does
the actions, observes again and asks again until there is nothing to do. Any order and repetition of observations
leads to the same end. The protocol: docs/tenants.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from contracts.platform import (
    BillingSpec,
    Component,
    ComponentState,
    PlanSnapshot,
    TenantChanged,
    TenantState,
)
from tenant_operator import entitlements, status
from tenant_operator.domain import FINALIZER, Observed, PlanObject, TenantObject, WantedStream

DELETION_DEADLINE = timedelta(minutes=10)
_RELAYING = (Component.BOOKING, Component.NOTIFICATION, Component.BILLING)


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Keeps the object until everything of it is gone."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Lets the object go."""


@dataclass(frozen=True, slots=True)
class PutStream:
    """Makes the tenant's topics, user, access and Secret, as far as they are missing or differ."""

    stream: WantedStream


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
    """An Event on the object."""

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str


Action = AddFinalizer | RemoveFinalizer | PutStream | DropStream | Publish | Forget | Announce


@dataclass(frozen=True, slots=True)
class Decision:
    """`actions` in their order; `status` whole; `again` after this time even if nothing happens."""

    actions: tuple[Action, ...]
    status: Mapping[str, Any]
    again: timedelta | None = None


def reconcile(tenant: TenantObject, plan: PlanObject | None, observed: Observed) -> Decision:
    """Decides about one tenant. `plan` is the object that spec.plan names, or None when there is none."""
    if tenant.paused:
        return Decision((), status.paused(tenant, observed.now))
    if tenant.deleted_at is not None:
        return _delete(tenant, observed)
    if not tenant.conditions:
        return Decision((), status.first_sight(tenant, observed.now), timedelta())
    problem = _problem(tenant, plan)
    if problem is not None or plan is None:
        reason, message = problem or ("PlanNotFound", "")
        return Decision((), status.stalled(tenant, observed, reason, message))
    return _provision(tenant, plan, observed)


def _problem(tenant: TenantObject, plan: PlanObject | None) -> tuple[str, str] | None:
    if plan is None:
        return (
            "PlanNotFound",
            f"There is no Plan named {tenant.spec.plan}; create it, or name another in spec.plan.",
        )
    try:
        ZoneInfo(tenant.spec.timezone)
    except (ValueError, LookupError, OSError):
        return (
            "UnknownTimezone",
            f"{tenant.spec.timezone} is not a time zone of the IANA database, such as Europe/Lisbon.",
        )
    return None


def _provision(tenant: TenantObject, plan: PlanObject, observed: Observed) -> Decision:
    stream = entitlements.wanted_stream(tenant, plan.spec)
    record = numbered(desired_record(tenant, plan, observed, stream), tenant, observed)
    actions: list[Action] = []
    if FINALIZER not in tenant.finalizers:
        actions.append(AddFinalizer())
    # Before the record that tells the services to write there.
    if stream is not None and not _stream_fits(stream, observed):
        actions.append(PutStream(stream))
    if observed.published != record:
        actions.append(Publish(record))
    # After the services that write there have learnt not to.
    elif (
        stream is None
        and not observed.stream.empty
        and not status.waiting_for(observed, record, _RELAYING)
        and not status.refusals(observed, record, _RELAYING)
    ):
        actions.append(DropStream(tenant.name))
    return Decision(tuple(actions), status.progress(tenant, observed, record, stream))


def desired_record(
    tenant: TenantObject, plan: PlanObject, observed: Observed, stream: WantedStream | None
) -> TenantChanged:
    """The record that the services should have, with generation 1 (see `numbered`)."""
    spec = tenant.spec
    return TenantChanged(
        tenant_id=tenant.uid,
        slug=tenant.name,
        generation=1,
        display_name=spec.display_name,
        owner=spec.owner,
        timezone=spec.timezone,
        locale=spec.locale,
        currency=spec.currency,
        plan=PlanSnapshot(
            name=plan.name,
            display_name=plan.spec.display_name,
            price=plan.spec.price.money,
            interval=plan.spec.price.interval,
            stripe_price_id=plan.spec.price.stripe_price_id,
        ),
        limits=entitlements.limits(tenant, plan.spec, status.subscription_state(observed)),
        features=plan.spec.features,
        state=TenantState.SUSPENDED if spec.suspended else TenantState.ACTIVE,
        deletion_policy=spec.deletion_policy,
        billing=BillingSpec(
            mode=spec.billing.mode, customer_id=spec.billing.customer_id, trial_days=spec.billing.trial_days
        ),
        event_stream=entitlements.stream_record(tenant.name, enabled=stream is not None),
    )


def numbered(record: TenantChanged, tenant: TenantObject, observed: Observed) -> TenantChanged:
    """The record under its generation: that of the published one when they are equal, else the next.

    The status remembers the last number too, so that the numbers go on rising when Kafka has lost its data.
    """
    published = observed.published
    last = published.generation if published else 0
    if published is not None and record.model_copy(update={"generation": last}) == published:
        return published
    return record.model_copy(update={"generation": max(last, tenant.status.get("recordGeneration", 0)) + 1})


def _stream_fits(stream: WantedStream, observed: Observed) -> bool:
    state = observed.stream
    fits = all(
        (topic := state.topics.get(name)) is not None
        and topic.partitions >= stream.partitions
        and topic.retention_hours == stream.retention_hours
        for name in stream.topics
    )
    return fits and state.user and state.access and state.secret


def _delete(tenant: TenantObject, observed: Observed) -> Decision:
    """deleting → every component answers deleted → stream removed → tombstones → finalizer removed."""
    if FINALIZER not in tenant.finalizers:
        return Decision((), tenant.status)
    record = observed.published
    if record is not None:
        wanted = record.model_copy(
            update={"state": TenantState.DELETING, "deletion_policy": tenant.spec.deletion_policy}
        )
        told = numbered(wanted, tenant, observed)
        if told != record:
            waiting = status.deleting(tenant, observed, [part.value for part in Component], late=False)
            return Decision((Publish(told),), waiting, _until_deadline(tenant, observed))
    missing = _not_deleted(record, observed) if record is not None else []
    if missing and not tenant.abandoned:
        left = _until_deadline(tenant, observed)
        return Decision((), status.deleting(tenant, observed, missing, late=left is None), left)
    actions: list[Action] = []
    if missing:
        report = f"Let go by slotwright.io/abandon. Not confirmed deleted for tenant {tenant.uid}: "
        actions.append(Announce("Warning", "Abandoned", report + "; ".join(missing)))
    if not observed.stream.empty:
        actions.append(DropStream(tenant.name))
    if record is not None:
        actions.append(Forget())
    actions.append(RemoveFinalizer())
    return Decision(tuple(actions), tenant.status)


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


def _until_deadline(tenant: TenantObject, observed: Observed) -> timedelta | None:
    """Time left, or None past the deadline."""
    assert tenant.deleted_at is not None  # noqa: S101 - only asked of an object that is being deleted
    left = tenant.deleted_at + DELETION_DEADLINE - observed.now
    return left if left > timedelta() else None
