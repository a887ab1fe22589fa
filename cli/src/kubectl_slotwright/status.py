"""`kubectl slotwright status`: all tenants in a table, or one as a tree of what was provisioned. Pure.

The JSON forms stand in the command's help and in docs/kubectl.md, and change only by additions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kubectl_slotwright.objects import NOT_SEEN, Condition, Event, Tenant
from kubectl_slotwright.screen import (
    BAD,
    GOOD,
    UNSURE,
    Branch,
    Cell,
    Screen,
    clean,
    pairs,
    table,
    to_the_second,
    tree,
)

PARTS = ("BusinessRegistered", "OwnerInvited", "TopicsReady", "BillingLinked", "QuotaPublished")
_ALL = ("Ready", "Reconciling", "Stalled", *PARTS)
_GOOD_WHEN_FALSE = frozenset({"Reconciling", "Stalled"})
_LABELS = {
    "url": "url",
    "tenantId": "tenant id",
    "topic": "topic",
    "deadLetterTopic": "dead-letter topic",
    "credentialsSecret": "Secret",
    "credentialsNamespace": "Secret's namespace",
    "partitions": "partitions",
    "retentionHours": "retention, hours",
    "customerId": "customer",
    "subscriptionId": "subscription",
    "state": "state",
    "currentPeriodEnd": "period ends",
    "checkoutUrl": "checkout",
    "recordGeneration": "record generation",
}
EVENTS_SHOWN = 10


def rows_json(tenants: Iterable[Tenant]) -> dict[str, Any]:
    """The form of all tenants."""
    return {
        "tenants": [
            {
                "name": tenant.name,
                "ready": tenant.ready.status,
                "reason": tenant.ready.reason,
                "current": tenant.current,
                "plan": tenant.plan,
                "billing": tenant.subscription_state,
                "bookings": tenant.status.get("bookings"),
            }
            for tenant in tenants
        ]
    }


def rows_text(tenants: Sequence[Tenant], screen: Screen) -> list[str]:
    """A table of all tenants."""
    if not tenants:
        return ["There are no tenants."]
    head = ("NAME", "READY", "REASON", "PLAN", "BILLING", "BOOKINGS")
    rows: list[Sequence[str | Cell]] = [head]
    for tenant in tenants:
        billing, bookings = tenant.subscription_state or "-", tenant.status.get("bookings") or "-"
        ready = Cell(tenant.ready.status, _verdict(tenant.ready))
        rows.append((tenant.name, ready, tenant.ready.reason, tenant.plan, billing, bookings))
    return table(rows, screen)


def is_ready(tenant: Tenant) -> bool:
    """Ready, and that is about the spec as it is now."""
    return tenant.ready.status == "True" and tenant.current


def one_json(tenant: Tenant, events: Iterable[Event]) -> dict[str, Any]:
    """The form of one tenant."""
    return {
        "name": tenant.name,
        "displayName": tenant.display_name,
        "tenantId": tenant.tenant_id,
        "plan": tenant.plan,
        "ready": tenant.ready.status,
        "reason": tenant.ready.reason,
        "message": tenant.ready.message,
        "paused": tenant.paused,
        "deletedAt": tenant.deleted_at,
        "generation": tenant.generation,
        "observedGeneration": tenant.observed_generation,
        "current": tenant.current,
        "conditions": [
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": condition.since,
                "details": details(tenant, condition.type),
            }
            for condition in _conditions(tenant)
        ],
        "events": [
            {"time": event.time, "type": event.type, "reason": event.reason, "message": event.message}
            for event in _last(events)
        ],
    }


def one_text(tenant: Tenant, events: Iterable[Event], screen: Screen) -> list[str]:
    """The tree of one tenant."""
    conditions = _conditions(tenant)
    heads = table(
        [
            (condition.type, Cell(condition.status, _verdict(condition)), condition.reason, condition.message)
            for condition in conditions
        ],
        screen,
    )
    branches = [
        Branch(f"{screen.mark(_verdict(condition))} {head}", _leaves(tenant, condition.type, screen))
        for condition, head in zip(conditions, heads, strict=True)
    ]
    told = _last(events)
    shown = table([_event_row(event) for event in told], screen)
    branches.append(Branch("Events" if told else "Events: none within the last hour", shown))
    return tree(_title(tenant), branches, screen)


def details(tenant: Tenant, kind: str) -> dict[str, Any]:
    """What of the status belongs to a condition, as far as it is there, under the status' own names."""
    status = tenant.status
    stream: Mapping[str, Any] = status.get("eventStream") or {}
    billing: Mapping[str, Any] = status.get("billing") or {}
    found: dict[str, Any] = {}
    match kind:
        case "BusinessRegistered":
            found = {"url": status.get("url"), "tenantId": status.get("tenantId")}
        case "TopicsReady":
            where = ("topic", "deadLetterTopic", "credentialsSecret", "credentialsNamespace")
            found = {name: stream.get(name) for name in (*where, "partitions", "retentionHours")}
        case "BillingLinked":
            names = ("customerId", "subscriptionId", "state", "currentPeriodEnd", "checkoutUrl")
            found = {name: billing.get(name) for name in names}
        case "QuotaPublished":
            found = {"recordGeneration": status.get("recordGeneration"), "limits": tenant.limits_in_force}
    return {name: value for name, value in found.items() if value is not None}


def generation_sentence(tenant: Tenant) -> str:
    """Whether the status is about the spec as it is now."""
    if tenant.current:
        return f"{tenant.generation}, which this status is about"
    if tenant.observed_generation is None:
        return f"{tenant.generation}, which the operator has not seen yet"
    return f"{tenant.generation}; this status is still about {tenant.observed_generation}"


def _title(tenant: Tenant) -> str:
    title = f"Tenant {tenant.name}: {clean(tenant.display_name)}, plan {clean(tenant.plan)}"
    return f"{title}, being deleted since {tenant.deleted_at}" if tenant.deleted_at else title


def _leaves(tenant: Tenant, kind: str, screen: Screen) -> list[str]:
    if kind == "Ready":
        return pairs({"generation": generation_sentence(tenant)}, screen)
    found = details(tenant, kind)
    limits: Mapping[str, int] = found.pop("limits", {})
    shown = {_LABELS[name]: str(value) for name, value in found.items()}
    return pairs(shown | {name: str(limit) for name, limit in limits.items()}, screen)


def _conditions(tenant: Tenant) -> list[Condition]:
    """All that the operator writes, those it has not written yet included, then any that it should not know."""
    written = tenant.conditions
    expected = [written.get(kind, replace(NOT_SEEN, type=kind)) for kind in _ALL]
    return expected + [condition for kind, condition in written.items() if kind not in _ALL]


def _verdict(condition: Condition) -> str:
    if condition.status not in {"True", "False"}:
        return UNSURE
    return GOOD if (condition.status == "True") != (condition.type in _GOOD_WHEN_FALSE) else BAD


def _event_row(event: Event) -> Sequence[str | Cell]:
    colour = UNSURE if event.type == "Warning" else None
    return to_the_second(event.time), Cell(event.type, colour), event.reason, event.message


def _last(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.time)[-EVENTS_SHOWN:]
