"""What a Plan's status says: how many tenants are on it, and its product and price at Stripe.

Pure; called by `controller`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from contracts.platform import Component, TenantStatusReported
from tenant_operator.domain import PlanObject


def status(
    plan: PlanObject,
    tenants: int,
    answers: Iterable[Mapping[Component, TenantStatusReported]],
    now: datetime,
) -> dict[str, Any]:
    """The whole status; equal to the one before when nothing has changed."""
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "InUse" if tenants else "Unused",
        "message": f"{tenants} tenants are on this plan.",
        "observedGeneration": plan.generation,
        "lastTransitionTime": _since(plan, now),
    }
    written: dict[str, Any] = {
        "observedGeneration": plan.generation,
        "tenants": tenants,
        "conditions": [condition],
    }
    stripe = _stripe(answers) or plan.status.get("stripe")
    return written | ({"stripe": stripe} if stripe else {})


def _stripe(answers: Iterable[Mapping[Component, TenantStatusReported]]) -> dict[str, str] | None:
    """From the tenant that billing told of last; all of a plan's tenants share the product and price."""
    told = [
        (answer.generation, str(answer.tenant_id), answer.details.billing)
        for each in answers
        if (answer := each.get(Component.BILLING)) is not None
        and answer.details.billing is not None
        and answer.details.billing.price_id
    ]
    if not told:
        return None
    last = max(told, key=lambda item: item[:2])[2]
    ids = {"productId": last.product_id, "priceId": last.price_id}
    return {name: value for name, value in ids.items() if value}


def _since(plan: PlanObject, now: datetime) -> str:
    before: str | None = next(
        (item["lastTransitionTime"] for item in plan.status.get("conditions", ())), None
    )
    return before or now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
