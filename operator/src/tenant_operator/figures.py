"""What a Tenant's status says beside its conditions: entitlements, use, billing, event stream.

Pure; called by `status`.
"""

from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from contracts.platform import Component, Limits, TenantChanged
from tenant_operator.domain import Observed, TenantObject, WantedStream, timestamp
from tenant_operator.manifests import secret_name

_USE = {
    "bookings_per_month": "bookingsThisMonth",
    "staff": "staff",
    "services": "services",
    "emails_per_month": "emailsThisMonth",
    "sms_per_month": "smsThisMonth",
}


def figures(
    tenant: TenantObject, observed: Observed, record: TenantChanged | None, stream: WantedStream | None = None
) -> dict[str, Any]:
    """By the names of the status's fields; without what is not known."""
    found: dict[str, Any] = {
        "tenantId": str(tenant.tenant_id),
        "url": f"{observed.public_url}/b/{tenant.name}",
    }
    used = _usage(tenant, observed)
    if used:
        found["usage"] = used
    if record is not None:
        found["plan"] = record.plan.name
        found["recordGeneration"] = record.generation
        found["entitlements"] = {"limits": _camel(record.limits), "features": record.features}
        limit = record.limits.bookings_per_month
        found["bookings"] = f"{used.get('bookingsThisMonth', 0)}/{'unlimited' if limit is None else limit}"
    elif "recordGeneration" in tenant.status:  # Kafka has lost it: the number still stands for that one
        found["recordGeneration"] = tenant.status["recordGeneration"]
    billing = observed.answers.get(Component.BILLING)
    if billing is not None and billing.details.billing is not None:
        told = billing.details.billing.model_dump(
            mode="json",
            include={"customer_id", "subscription_id", "state", "current_period_end", "checkout_url"},
            exclude_none=True,
        )
        found["billing"] = {to_camel(name): value for name, value in told.items()}
    if stream is not None:
        events, dead_letters = stream.topics
        found["eventStream"] = {
            "topic": events,
            "deadLetterTopic": dead_letters,
            "credentialsSecret": secret_name(tenant.name),
            "credentialsNamespace": observed.tenants_namespace,
            "partitions": stream.partitions,
            "retentionHours": stream.retention_hours,
        }
    elif "eventStream" in tenant.status and record is not None and record.event_stream.enabled:
        found["eventStream"] = tenant.status["eventStream"]
    return found


def _camel(limits: Limits) -> dict[str, int]:
    return {to_camel(name): value for name, value in limits.model_dump(exclude_none=True).items()}


def _usage(tenant: TenantObject, observed: Observed) -> dict[str, Any]:
    """The use that the components told; a count of an earlier month has no meaning in this one."""
    counts: dict[str, Any] = {}
    seen: list[datetime] = []
    for answer in observed.answers.values():
        at = answer.details.usage_observed_at
        if not answer.details.usage or at is None:
            continue
        seen.append(at)
        this_month = (at.year, at.month) == (observed.now.year, observed.now.month)
        for metric, count in answer.details.usage.items():
            if metric in _USE:
                stale = metric.endswith("_per_month") and not this_month
                counts[_USE[metric]] = 0 if stale else count
    if not seen:
        return {}
    before = dict(tenant.status.get("usage") or {})
    at_before = before.pop("observedAt", None)
    counts["observedAt"] = at_before if at_before and before == counts else timestamp(max(seen))
    return counts
