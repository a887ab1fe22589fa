"""What a tenant may use: its plan, its own overrides, and what the state of its subscription allows.

Pure; called by `reconcile` when it builds the record for the services.
"""

from contracts.platform import EventStreamSpec, Limits
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from tenant_operator.domain import DEFAULT_RETENTION_HOURS, PlanSpec, TenantObject, WantedStream

ENDED_SUBSCRIPTION = frozenset({"canceled", "unpaid", "incomplete_expired", "paused"})
"""Stripe's states in which nothing is paid any more. `past_due` is not among them: Stripe is still collecting."""


def limits(tenant: TenantObject, plan: PlanSpec, subscription_state: str | None) -> Limits:
    """The plan's limits with the tenant's overrides; no new bookings once the subscription has ended.

    Staff, services and messages stay, so that what is already booked is honoured and its reminders go out.
    """
    overrides = tenant.spec.limits.model_dump(exclude_none=True)
    if subscription_state in ENDED_SUBSCRIPTION:
        overrides["bookings_per_month"] = 0
    return plan.limits.model_copy(update=overrides)


def wanted_stream(tenant: TenantObject, plan: PlanSpec) -> WantedStream | None:
    """The tenant's own topics, or None when it has none."""
    own, default = tenant.spec.event_stream, plan.event_stream
    enabled = own.enabled if own.enabled is not None else default.enabled
    if enabled is False:
        return None
    return WantedStream(
        slug=tenant.name,
        tenant_id=tenant.tenant_id,
        partitions=own.partitions or default.partitions or 1,
        retention_hours=own.retention_hours or default.retention_hours or DEFAULT_RETENTION_HOURS,
    )


def stream_record(slug: str, *, enabled: bool) -> EventStreamSpec:
    """What the services are told of the stream."""
    return EventStreamSpec(
        enabled=enabled, topic=tenant_topic(slug), dead_letter_topic=tenant_dead_letter_topic(slug)
    )
