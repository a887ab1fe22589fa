"""`kubectl slotwright plan diff`: what a change of plan would change for one tenant. Pure.

The rules are the operator's (tenant_operator.entitlements), told again here because the plugin imports nothing of
the platform's; a test holds the two together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_slotwright.objects import Plan, Tenant
from kubectl_slotwright.screen import BAD, FAINT, Cell, Screen, clean, table
from kubectl_slotwright.usage import LIMITS

ENDED_SUBSCRIPTION = frozenset({"canceled", "unpaid", "incomplete_expired", "paused"})
LIMIT_NAMES = ("bookingsPerMonth", "staff", "services", "emailsPerMonth", "smsPerMonth", "requestsPerMinute")
_RETENTION_HOURS = 168
GIVEN = frozenset({"sms", "webhooks"})
"""Features that the services ask for, and that a business has unless its plan says false."""
_ZERO_DECIMAL = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
"""Stripe's zero-decimal currencies. UGX and ISK have no decimals either, but Stripe counts them in hundredths
(docs.stripe.com/currencies#special-cases)."""
_THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
"""Stripe's three-decimal currencies."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A tenant's own topics as they are, or will be; `partitions` and `retention_hours` are 0 without them."""

    enabled: bool
    partitions: int = 0
    retention_hours: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "enabled": self.enabled,
            "partitions": self.partitions or None,
            "retentionHours": self.retention_hours or None,
        }


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A quota of which more is used now than the new plan allows."""

    limit: str
    used: int
    allowed: int


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """The whole preview. `old` is None when the tenant's present plan does not exist."""

    tenant: Tenant
    old: Plan | None
    new: Plan
    limits: tuple[tuple[str, int | None, int | None], ...]
    """Name, now, then; None is unlimited."""
    features: tuple[tuple[str, bool, bool], ...]
    streams: tuple[Stream, Stream]
    exceeded: tuple[Exceeded, ...]
    notes: tuple[str, ...]


def limits(tenant: Tenant, plan: Plan) -> dict[str, int]:
    """The plan's limits with the tenant's overrides; no new bookings once its subscription has ended.

    What is not among them is unlimited.
    """
    found = dict(plan.limits) | dict(tenant.spec.get("limits") or {})
    if tenant.subscription_state in ENDED_SUBSCRIPTION:
        found["bookingsPerMonth"] = 0
    return found


def wanted_stream(tenant: Tenant, plan: Plan) -> Stream:
    """What the tenant says of its stream, then what the plan does, then the defaults."""
    own, default = tenant.spec.get("eventStream") or {}, plan.event_stream
    enabled = own["enabled"] if own.get("enabled") is not None else default.get("enabled", True)
    if not enabled:
        return Stream(enabled=False)
    return Stream(
        enabled=True,
        partitions=own.get("partitions") or default.get("partitions") or 1,
        retention_hours=own.get("retentionHours") or default.get("retentionHours") or _RETENTION_HOURS,
    )


def diff(tenant: Tenant, old: Plan | None, new: Plan) -> PlanDiff:
    """`tenant` as it is; `old` the plan that it is on, None when there is no such Plan."""
    before = limits(tenant, old) if old is not None else dict(tenant.limits_in_force or {})
    after = limits(tenant, new)
    was, wanted = _present_stream(tenant, old), wanted_stream(tenant, new)
    # Kafka cannot merge partitions: the operator only ever adds some.
    kept = Stream(wanted.enabled, max(was.partitions, wanted.partitions), wanted.retention_hours)
    streams = was, kept if was.enabled and wanted.enabled else wanted
    had = old.features if old is not None else tenant.features_in_force
    exceeded = tuple(
        Exceeded(limit, tenant.usage[metric], after[limit])
        for metric, limit in LIMITS.items()
        if limit in after and tenant.usage.get(metric, 0) > after[limit]
    )
    return PlanDiff(
        tenant=tenant,
        old=old,
        new=new,
        limits=tuple((name, before.get(name), after.get(name)) for name in LIMIT_NAMES),
        features=tuple(
            (name, had.get(name, name in GIVEN), new.features.get(name, name in GIVEN))
            for name in sorted(had.keys() | new.features.keys())
        ),
        streams=streams,
        exceeded=exceeded,
        notes=tuple(_notes(tenant, old, new, streams, wanted)),
    )


def to_json(found: PlanDiff) -> dict[str, Any]:
    own = found.tenant.spec.get("limits") or {}
    return {
        "tenant": found.tenant.name,
        "plan": {"old": found.tenant.plan, "new": found.new.name},
        "price": {"old": _price(found.old), "new": _price(found.new)},
        "limits": [
            {"limit": name, "old": old, "new": new, "overridden": name in own}
            for name, old, new in found.limits
        ],
        "features": [{"feature": name, "old": old, "new": new} for name, old, new in found.features],
        "eventStream": {"old": found.streams[0].as_json(), "new": found.streams[1].as_json()},
        "exceeded": [
            {"limit": item.limit, "used": item.used, "allowed": item.allowed} for item in found.exceeded
        ],
        "notes": list(found.notes),
    }


def to_text(found: PlanDiff, screen: Screen) -> list[str]:
    """A table of everything, what stays as it is faint; then what deserves a sentence."""
    own = found.tenant.spec.get("limits") or {}
    rows: list[Sequence[str | Cell]] = [("", found.tenant.plan, found.new.name, "")]
    rows.append(_row("price", _price_text(_price(found.old)), _price_text(_price(found.new))))
    for name, old, new in found.limits:
        rows.append(_row(name, _limit(old), _limit(new), "the tenant's own" if name in own else ""))
    for name, had, has in found.features:
        rows.append(_row(f"feature {name}", _yes(had), _yes(has)))
    rows.append(_row("event stream", *(_stream_text(stream) for stream in found.streams)))
    lines = [
        f"Tenant {found.tenant.name}: {found.tenant.plan} to {found.new.name}. Nothing has been changed.",
        "",
    ]
    lines += table(rows, screen)
    sentences = [
        screen.paint(f"{item.limit}: {item.used} used now, {item.allowed} allowed then.", BAD)
        for item in found.exceeded
    ]
    sentences += [clean(note) for note in found.notes]
    return lines + (["", *sentences] if sentences else [])


def unknown_plan(name: str, plans: Iterable[Plan]) -> str:
    """The sentence for a plan that does not exist."""
    names = ", ".join(plan.name for plan in plans)
    return (
        f"There is no plan named {name}; there are: {names}."
        if names
        else "There are no plans yet; create one."
    )


def _present_stream(tenant: Tenant, old: Plan | None) -> Stream:
    """What the status says of the topics comes before what the plan would make."""
    told: Mapping[str, Any] | None = tenant.status.get("eventStream")
    wanted = wanted_stream(tenant, old) if old is not None else Stream(enabled=told is not None)
    if not wanted.enabled or told is None:
        return wanted
    return Stream(
        enabled=True,
        partitions=told.get("partitions", wanted.partitions),
        retention_hours=told.get("retentionHours", wanted.retention_hours),
    )


def _notes(
    tenant: Tenant, old: Plan | None, new: Plan, streams: tuple[Stream, Stream], wanted: Stream
) -> Iterable[str]:
    was, will = streams
    if tenant.plan == new.name:
        yield f"{tenant.name} is on this plan already."
    if new.going and tenant.plan != new.name:
        yield f"{new.name} is being deleted and takes no tenants: this one would be Stalled (PlanGoing)."
    if old is None:
        yield f"Its present plan, {tenant.plan}, does not exist: what is shown of it is what is in force."
    if (tenant.spec.get("billing") or {}).get("mode") == "Manual":
        yield "It is billed outside the platform (billing.mode Manual): the price is for you to charge."
    if tenant.subscription_state in ENDED_SUBSCRIPTION:
        yield f"Its subscription is {tenant.subscription_state}, so it takes no new bookings on any plan."
    if was.enabled and not will.enabled:
        yield "Its topics will be removed, with what is in them."
    if was.enabled and will.enabled:
        if will.partitions > wanted.partitions:
            yield (
                f"Its topics keep {will.partitions} partitions, as Kafka cannot merge them into"
                f" {wanted.partitions}: the tenant will be Stalled (PartitionsCannotShrink) until its"
                " spec.eventStream.partitions is"
                f" {will.partitions}."
            )
        if will.retention_hours < was.retention_hours:
            yield f"Events older than {will.retention_hours} hours will be removed from its topic."
    if tenant.paused:
        yield "It is paused: the operator does nothing about a change until it is resumed."


def _row(name: str, old: str, new: str, remark: str = "") -> Sequence[Cell]:
    colour = FAINT if old == new else None
    return Cell(name, colour), Cell(old, colour), Cell(new, colour), Cell(remark, FAINT)


def _price(plan: Plan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    price = plan.price
    return {
        "amount": price.get("amount"),
        "currency": price.get("currency"),
        "interval": price.get("interval", "month"),
    }


def _price_text(price: Mapping[str, Any] | None) -> str:
    if price is None:
        return "unknown"
    decimals = 0 if price["currency"] in _ZERO_DECIMAL else 3 if price["currency"] in _THREE_DECIMAL else 2
    return f"{price['amount'] / 10**decimals:.{decimals}f} {price['currency']} a {price['interval']}"


def _limit(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)


def _yes(has: bool) -> str:
    return "yes" if has else "no"


def _stream_text(stream: Stream) -> str:
    if not stream.enabled:
        return "none"
    partitions = "1 partition" if stream.partitions == 1 else f"{stream.partitions or '?'} partitions"
    return f"{partitions}, {stream.retention_hours or '?'} hours"
