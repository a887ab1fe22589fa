"""What a Tenant's status says: conditions with reasons and sentences, entitlements, use, billing, stream.

Pure; called by `reconcile`. Follows kstatus (Ready, Reconciling, Stalled, observedGeneration), so that
`kubectl wait`, Helm, Argo CD and Flux read it right. A condition keeps its lastTransitionTime while its status
stays, and a status is equal to the one before when nothing has changed: then nothing is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from contracts.platform import Component, ComponentState, Limits, TenantChanged
from tenant_operator.domain import Observed, TenantObject, WantedStream
from tenant_operator.entitlements import ENDED_SUBSCRIPTION
from tenant_operator.manifests import secret_name

Truth = Literal["True", "False", "Unknown"]

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
BUSINESS_REGISTERED, OWNER_INVITED, TOPICS_READY = "BusinessRegistered", "OwnerInvited", "TopicsReady"
BILLING_LINKED, QUOTA_PUBLISHED = "BillingLinked", "QuotaPublished"
_ORDER = (
    READY,
    RECONCILING,
    STALLED,
    BUSINESS_REGISTERED,
    OWNER_INVITED,
    TOPICS_READY,
    BILLING_LINKED,
    QUOTA_PUBLISHED,
)
_REGISTERING = tuple(part for part in Component if part not in {Component.AUTH, Component.BILLING})
_USE = {
    "bookings_per_month": "bookingsThisMonth",
    "staff": "staff",
    "services": "services",
    "emails_per_month": "emailsThisMonth",
    "sms_per_month": "smsThisMonth",
}


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: Truth
    reason: str
    message: str


def first_sight(tenant: TenantObject, now: datetime) -> dict[str, Any]:
    """Written before anything is done, so that nobody takes silence for readiness."""
    message = "The operator has seen this object and begins with it."
    unknown = [Condition(kind, "Unknown", "Pending", message) for kind in _ORDER[3:]]
    return _merged(
        tenant,
        now,
        [
            Condition(READY, "Unknown", "Pending", message),
            Condition(RECONCILING, "True", "Pending", message),
            Condition(STALLED, "False", "Pending", message),
            *unknown,
        ],
    )


def paused(tenant: TenantObject, now: datetime) -> dict[str, Any]:
    """Says that reconciling is stopped; what was true before the pause stays as long as the spec does."""
    message = "Reconciling is stopped by the annotation slotwright.io/paused; remove it to go on."
    before = tenant.conditions.get(READY)
    same = before is not None and tenant.status.get("observedGeneration") == tenant.generation
    ready: Truth = before["status"] if before is not None and same else "Unknown"
    return _merged(
        tenant,
        now,
        [
            Condition(READY, ready, "Paused", message),
            Condition(RECONCILING, "False", "Paused", message),
            Condition(STALLED, "False", "Paused", message),
        ],
    )


def stalled(tenant: TenantObject, observed: Observed, reason: str, message: str) -> dict[str, Any]:
    """Nothing more happens until somebody changes something."""
    return _merged(
        tenant,
        observed.now,
        [
            Condition(READY, "False", reason, message),
            Condition(RECONCILING, "False", reason, message),
            Condition(STALLED, "True", reason, message),
        ],
        _figures(tenant, observed, observed.published),
    )


def failed(tenant: TenantObject, now: datetime, reason: str, message: str) -> dict[str, Any]:
    """An action did not succeed; it is tried again."""
    again = f"{message} Tried again shortly."
    conditions = [
        Condition(READY, "False", reason, again),
        Condition(RECONCILING, "True", reason, again),
        Condition(STALLED, "False", reason, again),
    ]
    return _merged(tenant, now, conditions)


def progress(
    tenant: TenantObject, observed: Observed, record: TenantChanged, stream: WantedStream | None
) -> dict[str, Any]:
    """Where provisioning stands, when `record` is what the services have to answer for."""
    parts = [
        _registered(observed, record),
        _invited(observed, record),
        _topics(observed, stream),
        _billing(observed, record),
        _quota(observed, record),
    ]
    return _merged(
        tenant,
        observed.now,
        [*_overall(tenant, observed, record, parts), *parts],
        _figures(tenant, observed, record, stream),
    )


def deleting(
    tenant: TenantObject, observed: Observed, missing: Iterable[str], *, late: bool
) -> dict[str, Any]:
    """How far deletion is; `missing` names the components not done, with what they say."""
    waiting = "; ".join(missing)
    if late:
        reason = "DeletionOverdue"
        message = (
            f"Deletion waits for {waiting}. Mend it, or let the object go and leave its remains with the annotation"
            " slotwright.io/abandon=true."
        )
    else:
        reason = "Deleting"
        message = f"Deletion waits for {waiting}." if waiting else "Deletion is about to end."
    return _merged(
        tenant,
        observed.now,
        [
            Condition(READY, "False", reason, message),
            Condition(RECONCILING, "False" if late else "True", reason, message),
            Condition(STALLED, "True" if late else "False", reason, message),
        ],
        _figures(tenant, observed, observed.published),
    )


def waiting_for(observed: Observed, record: TenantChanged, parts: Iterable[Component]) -> list[Component]:
    """The components that have not answered for this record, whatever their answer."""
    return [
        part
        for part in parts
        if (answer := observed.answers.get(part)) is None or answer.generation != record.generation
    ]


def refusals(observed: Observed, record: TenantChanged, parts: Iterable[Component]) -> list[Component]:
    """The components that answered that they could not put this record into effect."""
    return [
        part
        for part in parts
        if (answer := observed.answers.get(part)) is not None
        and answer.generation == record.generation
        and answer.state is not ComponentState.READY
    ]


def _overall(
    tenant: TenantObject, observed: Observed, record: TenantChanged, parts: list[Condition]
) -> list[Condition]:
    refused = refusals(observed, record, Component)
    if refused:
        answer = observed.answers[refused[0]]
        message = f"{refused[0].value}: {answer.message}"
        return [
            Condition(READY, "False", answer.reason, message),
            Condition(RECONCILING, "False", answer.reason, message),
            Condition(STALLED, "True", answer.reason, message),
        ]
    late = next((part for part in parts if part.status != "True"), None)
    if late is not None:
        return [
            Condition(READY, "False", "Provisioning", late.message),
            Condition(RECONCILING, "True", "Provisioning", late.message),
            Condition(STALLED, "False", "Provisioning", late.message),
        ]
    reason, message = _settled(tenant, observed)
    return [
        Condition(READY, "True", reason, message),
        Condition(RECONCILING, "False", reason, message),
        Condition(STALLED, "False", reason, message),
    ]


def _settled(tenant: TenantObject, observed: Observed) -> tuple[str, str]:
    if tenant.spec.suspended:
        return "Suspended", "The business is suspended as asked (spec.suspended); its data stays."
    if subscription_state(observed) in ENDED_SUBSCRIPTION:
        return "SubscriptionEnded", "The subscription has ended, so the business takes no new bookings."
    return "Provisioned", "Every component serves this business."


def _registered(observed: Observed, record: TenantChanged) -> Condition:
    return _answered(
        observed, record, BUSINESS_REGISTERED, _REGISTERING, "Registered", "The services know it."
    )


def _invited(observed: Observed, record: TenantChanged) -> Condition:
    answer = observed.answers.get(Component.AUTH)
    accepted = answer is not None and answer.details.owner_accepted
    reason, message = (
        ("Accepted", "The owner has set a password.")
        if accepted
        else ("Invited", "The owner has been invited.")
    )
    # The invitation stays true while auth is asked about a newer record: it was sent, and seals the address.
    if answer is not None and answer.details.owner_invited:
        return Condition(OWNER_INVITED, "True", reason, message)
    return _answered(observed, record, OWNER_INVITED, (Component.AUTH,), reason, message)


def _topics(observed: Observed, stream: WantedStream | None) -> Condition:
    if stream is None:
        return Condition(TOPICS_READY, "True", "Disabled", "The business has no event stream.")
    state = observed.stream
    if len(state.topics) == 2 and state.user and state.access and state.secret:
        return Condition(TOPICS_READY, "True", "Created", "The topics and the access to them are there.")
    return Condition(TOPICS_READY, "False", "Creating", "Topics and access are being made.")


def _billing(observed: Observed, record: TenantChanged) -> Condition:
    state = subscription_state(observed)
    if record.billing.mode == "Manual":
        reason, message = "Manual", "The business is billed outside the platform."
    else:
        reason, message = "Linked", f"Stripe's subscription is {state or 'not there yet'}."
    return _answered(observed, record, BILLING_LINKED, (Component.BILLING,), reason, message)


def _quota(observed: Observed, record: TenantChanged) -> Condition:
    if observed.published == record:
        return Condition(QUOTA_PUBLISHED, "True", "Published", f"Record {record.generation} is published.")
    return Condition(
        QUOTA_PUBLISHED, "False", "Publishing", f"Record {record.generation} is to be published."
    )


def _answered(
    observed: Observed,
    record: TenantChanged,
    kind: str,
    parts: tuple[Component, ...],
    reason: str,
    message: str,
) -> Condition:
    refused = refusals(observed, record, parts)
    if refused:
        answer = observed.answers[refused[0]]
        return Condition(kind, "False", answer.reason, f"{refused[0].value}: {answer.message}")
    missing = waiting_for(observed, record, parts)
    if missing:
        names = ", ".join(part.value for part in missing)
        return Condition(kind, "False", "Waiting", f"Waiting for {names}.")
    return Condition(kind, "True", reason, message)


def subscription_state(observed: Observed) -> str | None:
    """Stripe's subscription status as billing last told, `manual`, or None while it is not known."""
    answer = observed.answers.get(Component.BILLING)
    return answer.details.billing.state if answer and answer.details.billing else None


def _figures(
    tenant: TenantObject, observed: Observed, record: TenantChanged | None, stream: WantedStream | None = None
) -> dict[str, Any]:
    """Everything in the status beside the conditions."""
    figures: dict[str, Any] = {"tenantId": str(tenant.uid), "url": f"{observed.public_url}/b/{tenant.name}"}
    used = _usage(tenant, observed)
    if used:
        figures["usage"] = used
    if record is not None:
        figures["plan"] = record.plan.name
        figures["recordGeneration"] = record.generation
        figures["entitlements"] = {"limits": _camel(record.limits), "features": record.features}
        limit = record.limits.bookings_per_month
        figures["bookings"] = f"{used.get('bookingsThisMonth', 0)}/{'unlimited' if limit is None else limit}"
    billing = observed.answers.get(Component.BILLING)
    if billing is not None and billing.details.billing is not None:
        told = billing.details.billing.model_dump(
            mode="json",
            include={"customer_id", "subscription_id", "state", "current_period_end", "checkout_url"},
            exclude_none=True,
        )
        figures["billing"] = {to_camel(name): value for name, value in told.items()}
    if stream is not None:
        events, dead_letters = stream.topics
        figures["eventStream"] = {
            "topic": events,
            "deadLetterTopic": dead_letters,
            "credentialsSecret": secret_name(tenant.name),
        }
    elif "eventStream" in tenant.status and record is not None and record.event_stream.enabled:
        figures["eventStream"] = tenant.status["eventStream"]
    return figures


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
    counts["observedAt"] = at_before if at_before and before == counts else _text(max(seen))
    return counts


def _merged(
    tenant: TenantObject,
    now: datetime,
    conditions: Iterable[Condition],
    figures: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The status with these conditions over those it had. Without `figures`, those it had stay."""
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
            if before and before["status"] == condition.status
            else _text(now),
        }
    kept = (
        dict(figures)
        if figures is not None
        else {name: value for name, value in tenant.status.items() if name not in {"conditions"}}
    )
    ordered = [merged[kind] for kind in _ORDER if kind in merged]
    return kept | {"observedGeneration": tenant.generation, "conditions": ordered}


def _text(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def only_use_differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Nothing but the counts of use has changed."""
    counts = {"usage", "bookings"}
    return before != after and all(
        before.get(name) == after.get(name) for name in (set(before) | set(after)) - counts
    )


def transition(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Literal["Normal", "Warning"], str, str] | None:
    """The Event that a change of status deserves: kind, reason, message; None when Ready says the same."""
    old, new = _ready(before), _ready(after)
    if new is None or (old is not None and (old["status"], old["reason"]) == (new["status"], new["reason"])):
        return None
    stuck = any(item["type"] == STALLED and item["status"] == "True" for item in after["conditions"])
    bad = stuck or (new["status"] == "False" and new["reason"] not in {"Provisioning", "Deleting"})
    return "Warning" if bad else "Normal", new["reason"], new["message"]


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((item for item in status.get("conditions", ()) if item["type"] == READY), None)
