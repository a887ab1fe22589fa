"""One decision about a Plan: it is kept while tenants are on it, and says how many, and what it is at Stripe.

Pure; called by `reconciler`. A finalizer refuses the deletion of a plan in use: the limits of its tenants would
have nowhere to come from.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.platform import Component, ComponentState, TenantChanged, TenantStatusReported
from tenant_operator.domain import IN_USE, PlanObject, timestamp

_NAMED = 10


Told = tuple[TenantChanged | None, Mapping[Component, TenantStatusReported]]
"""A tenant's record, if it has one, and what the components said of it last."""


@dataclass(frozen=True, slots=True)
class PlanDecision:
    """`finalizers` as they have to be; `status` whole, equal to the one before when nothing has changed."""

    finalizers: tuple[str, ...]
    status: Mapping[str, Any]


def reconcile_plan(
    plan: PlanObject,
    tenants: Collection[str],
    told: Iterable[Told],
    now: datetime,
) -> PlanDecision:
    """Decides about one plan; `tenants` are those on it, `told` what is known of them."""
    others = tuple(name for name in plan.finalizers if name != IN_USE)
    # The API server takes no new finalizer on an object that is being deleted.
    kept = plan.deleted_at is None or (IN_USE in plan.finalizers and bool(tenants))
    finalizers = (*others, IN_USE) if kept else others
    return PlanDecision(finalizers, _status(plan, finalizers, tenants, told, now))


def _status(
    plan: PlanObject,
    finalizers: Collection[str],
    tenants: Collection[str],
    told: Iterable[Told],
    now: datetime,
) -> dict[str, Any]:
    if plan.deleted_at is None:
        truth, reason = "True", "InUse" if tenants else "Unused"
        message = f"{len(tenants)} tenants are on this plan."
    elif IN_USE in finalizers:
        truth, reason = "False", "InUse"
        message = (
            f"It is not deleted while tenants are on it: {_names(tenants)}. Give them another spec.plan."
        )
    else:
        # As for a moment after a deletion in the foreground, which is Argo CD's way.
        truth, reason = "False", "Deleting"
        message = (
            f"The operator has let it go. What holds it are others' finalizers: {', '.join(finalizers)}."
        )
    condition = {
        "type": "Ready",
        "status": truth,
        "reason": reason,
        "message": message,
        "observedGeneration": plan.generation,
        "lastTransitionTime": _since(plan, truth, now),
    }
    written: dict[str, Any] = {
        "observedGeneration": plan.generation,
        "tenants": len(tenants),
        "conditions": [condition],
    }
    stripe = _stripe(plan, told) or plan.status.get("stripe")
    return written | ({"stripe": stripe} if stripe else {})


def _names(tenants: Collection[str]) -> str:
    shown = sorted(tenants)[:_NAMED]
    more = len(tenants) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _stripe(plan: PlanObject, told: Iterable[Told]) -> dict[str, str] | None:
    """The plan's ids at Stripe, from a tenant that billing has linked to the plan as it is: all those share them.

    Not from one that is paused, or has not been moved here from another plan (yet).
    """
    linked = [
        (answer.generation, str(answer.tenant_id), answer.details.billing)
        for record, answers in told
        if record is not None
        and record.plan == plan.snapshot
        and (answer := answers.get(Component.BILLING)) is not None
        and (answer.generation, answer.state) == (record.generation, ComponentState.READY)
        and answer.details.billing is not None
        and answer.details.billing.price_id
    ]
    if not linked:
        return None
    last = max(linked, key=lambda item: item[:2])[2]
    ids = {"productId": last.product_id, "priceId": last.price_id}
    return {name: value for name, value in ids.items() if value}


def _since(plan: PlanObject, truth: str, now: datetime) -> str:
    """When the condition turned to `truth`."""
    for item in plan.status.get("conditions", ()):
        if item["status"] == truth:
            since: str = item["lastTransitionTime"]
            return since
    return timestamp(now)
