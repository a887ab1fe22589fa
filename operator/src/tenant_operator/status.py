"""A Tenant's whole status in each situation that `reconcile` finds it in.

Pure. Follows kstatus (Ready, Reconciling, Stalled, observedGeneration), so that `kubectl wait`, Helm, Argo CD and
Flux read it right. A condition keeps its lastTransitionTime while its status stays. When nothing has changed, a
status is equal to the one before: then nothing is written. A new object has Ready=Unknown by its CRD's default.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from contracts.platform import TenantChanged
from tenant_operator.conditions import ORDER, READY, Condition, Truth, kstatus, overall, parts
from tenant_operator.domain import Observed, TenantObject, WantedStream, timestamp
from tenant_operator.figures import figures

OVERDUE = "DeletionOverdue"
_NEVER = "1970-01-01T00:00:00Z"
"""The lastTransitionTime of the conditions that the CRD gives a new object, before the operator has seen it."""


def paused(tenant: TenantObject, now: datetime) -> dict[str, Any]:
    """Says that reconciling is stopped; what was true before the pause stays as long as the spec does."""
    message = "Reconciling is stopped by the annotation slotwright.io/paused; remove it to go on."
    before = tenant.conditions.get(READY)
    same = before is not None and tenant.status.get("observedGeneration") == tenant.generation
    ready: Truth = before["status"] if before is not None and same else "Unknown"
    return _merged(tenant, now, kstatus(ready, "False", "False", "Paused", message))


def stalled(tenant: TenantObject, observed: Observed, reason: str, message: str) -> dict[str, Any]:
    """Nothing more happens until somebody changes something."""
    return _merged(
        tenant,
        observed.now,
        kstatus("False", "False", "True", reason, message),
        figures(tenant, observed, observed.published),
    )


def failed(tenant: TenantObject, observed: Observed, reason: str, message: str) -> dict[str, Any]:
    """An action did not succeed; it is tried again."""
    return _merged(
        tenant,
        observed.now,
        kstatus("False", "True", "False", reason, f"{message} Tried again shortly."),
        _as_before(tenant, observed),
    )


def progress(
    tenant: TenantObject, observed: Observed, record: TenantChanged, stream: WantedStream | None
) -> dict[str, Any]:
    """Where provisioning stands, when `record` is what the services have to answer for."""
    each = parts(observed, record, stream)
    return _merged(
        tenant,
        observed.now,
        [*overall(tenant, observed, record, each), *each],
        figures(tenant, observed, record, stream if record.event_stream.enabled else None),
    )


def deleting(tenant: TenantObject, observed: Observed, missing: Iterable[str]) -> dict[str, Any]:
    """How far deletion is; `missing` names the components not done, with what they say."""
    waiting = "; ".join(missing)
    message = f"Deletion waits for {waiting}." if waiting else "Deletion is about to end."
    return _merged(
        tenant,
        observed.now,
        kstatus("False", "True", "False", "Deleting", message),
        figures(tenant, observed, observed.published),
    )


def overdue(tenant: TenantObject, observed: Observed, why: str) -> dict[str, Any]:
    """Deletion is past its deadline; `why` is the sentence that says what for. It goes on all the same."""
    message = (
        f"{why} Mend it, or let the object go and leave its remains with the annotation"
        " slotwright.io/abandon=true."
    )
    return _merged(
        tenant,
        observed.now,
        kstatus("False", "False", "True", OVERDUE, message),
        _as_before(tenant, observed),
    )


def _as_before(tenant: TenantObject, observed: Observed) -> dict[str, Any]:
    """What it had beside its conditions, with the number of the record sent last: see `reconcile.numbered`."""
    beside = _beside(tenant)
    if observed.published is not None:
        last = max(observed.published.generation, beside.get("recordGeneration", 0))
        beside["recordGeneration"] = last
    return beside


def _beside(tenant: TenantObject) -> dict[str, Any]:
    return {name: value for name, value in tenant.status.items() if name != "conditions"}


def _merged(
    tenant: TenantObject,
    now: datetime,
    conditions: Iterable[Condition],
    beside: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The status with these conditions over those it had, and `beside` them; None keeps what it had."""
    merged = {kind: dict(item) for kind, item in tenant.conditions.items()}
    for condition in conditions:
        before = merged.get(condition.type)
        merged[condition.type] = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": tenant.generation,
            "lastTransitionTime": before["lastTransitionTime"]
            if before and before["status"] == condition.status and before["lastTransitionTime"] != _NEVER
            else timestamp(now),
        }
    if beside is None:
        beside = _beside(tenant)
    ordered = [merged[kind] for kind in ORDER if kind in merged]
    return {**beside, "observedGeneration": tenant.generation, "conditions": ordered}
