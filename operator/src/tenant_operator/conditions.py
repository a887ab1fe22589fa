"""The conditions of a Tenant: what is true of it, why, and what to do where it is not.

Pure; called by `status` and `reconcile`. Five say how far the parts are, and `overall` sums them up for kstatus
(Ready, Reconciling, Stalled). docs/tenants.md lists every reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contracts.platform import UNAVAILABLE, Component, ComponentState, TenantChanged
from tenant_operator.domain import Observed, TenantObject, WantedStream
from tenant_operator.entitlements import ENDED_SUBSCRIPTION

Truth = Literal["True", "False", "Unknown"]

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
BUSINESS_REGISTERED, OWNER_INVITED, TOPICS_READY = "BusinessRegistered", "OwnerInvited", "TopicsReady"
BILLING_LINKED, QUOTA_PUBLISHED = "BillingLinked", "QuotaPublished"
ORDER = (
    READY,
    RECONCILING,
    STALLED,
    BUSINESS_REGISTERED,
    OWNER_INVITED,
    TOPICS_READY,
    BILLING_LINKED,
    QUOTA_PUBLISHED,
)
PARTITIONS_CANNOT_SHRINK = "PartitionsCannotShrink"
_MOST_PARTITIONS = 16
"""The most that the CRDs allow."""
_REGISTERING = tuple(part for part in Component if part not in {Component.AUTH, Component.BILLING})
_ANSWERED_BY = {
    BUSINESS_REGISTERED: _REGISTERING,
    OWNER_INVITED: (Component.AUTH,),
    BILLING_LINKED: (Component.BILLING,),
}


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: Truth
    reason: str
    message: str


def waiting_for(observed: Observed, record: TenantChanged, of: Iterable[Component]) -> list[Component]:
    """The components that have not answered for this record, whatever their answer."""
    return [
        part
        for part in of
        if (answer := observed.answers.get(part)) is None or answer.generation != record.generation
    ]


def lost_answers(tenant: TenantObject, observed: Observed) -> list[Component]:
    """The components whose answers Kafka has lost: the status says that they answered, and there is none."""
    return [
        part
        for kind, of in _ANSWERED_BY.items()
        if tenant.conditions.get(kind, {}).get("status") == "True"
        for part in of
        if part not in observed.answers
    ]


def refusals(observed: Observed, record: TenantChanged, of: Iterable[Component]) -> list[Component]:
    """The components that answered that they could not put this record into effect."""
    return [
        part
        for part in of
        if (answer := observed.answers.get(part)) is not None
        and answer.generation == record.generation
        and answer.state is not ComponentState.READY
    ]


def kstatus(ready: Truth, reconciling: Truth, stalled: Truth, reason: str, message: str) -> list[Condition]:
    """The three that sum up, with one reason and sentence."""
    return [
        Condition(READY, ready, reason, message),
        Condition(RECONCILING, reconciling, reason, message),
        Condition(STALLED, stalled, reason, message),
    ]


def parts(observed: Observed, record: TenantChanged, stream: WantedStream | None) -> list[Condition]:
    """How far each part is, when `record` is what the services have to answer for."""
    return [
        _registered(observed, record),
        _invited(observed, record),
        _topics(observed, record, stream),
        _billing(observed, record),
        _quota(observed, record),
    ]


def overall(
    tenant: TenantObject, observed: Observed, record: TenantChanged, of: list[Condition]
) -> list[Condition]:
    """What the parts come to: stuck on one that needs somebody, under way, or settled."""
    refused = sorted(refusals(observed, record, Component), key=lambda part: _tries_again(observed, part))
    if refused:
        answer = observed.answers[refused[0]]
        message = f"{refused[0].value}: {answer.message}"
        if _tries_again(observed, refused[0]):
            return kstatus("False", "True", "False", answer.reason, message)
        return kstatus("False", "False", "True", answer.reason, message)
    stuck = next((part for part in of if part.reason == PARTITIONS_CANNOT_SHRINK), None)
    if stuck is not None:
        return kstatus("False", "False", "True", stuck.reason, stuck.message)
    late = next((part for part in of if part.status != "True"), None)
    if late is not None:
        return kstatus("False", "True", "False", "Provisioning", late.message)
    return kstatus("True", "False", "False", *_settled(tenant, observed))


def _tries_again(observed: Observed, part: Component) -> bool:
    """Whether a component that failed tries again by itself: by its reason, another server was unavailable."""
    return observed.answers[part].reason.endswith(UNAVAILABLE)


def _settled(tenant: TenantObject, observed: Observed) -> tuple[str, str]:
    if tenant.spec.suspended:
        return "Suspended", "The business is suspended as asked (spec.suspended); its data stays."
    if (state := subscription_state(observed)) in ENDED_SUBSCRIPTION:
        return "SubscriptionEnded", f"The subscription is {state}, so the business takes no new bookings."
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


def _topics(observed: Observed, record: TenantChanged, stream: WantedStream | None) -> Condition:
    if stream is None:
        return Condition(TOPICS_READY, "True", "Disabled", "The business has no event stream.")
    if not record.event_stream.enabled:
        message = (
            "Topics are made once the services know who has the name of a business that was let go by hand."
        )
        return Condition(TOPICS_READY, "False", "Creating", message)
    state = observed.stream
    wide = [name for name in stream.topics if state.partitions(name) > stream.partitions]
    if wide:
        return Condition(TOPICS_READY, "False", PARTITIONS_CANNOT_SHRINK, _too_wide(stream, observed, wide))
    if state.fits(stream):
        return Condition(TOPICS_READY, "True", "Created", "The topics and the access to them are there.")
    return Condition(TOPICS_READY, "False", "Creating", "Topics and access are being made.")


def _too_wide(stream: WantedStream, observed: Observed, wide: list[str]) -> str:
    present = max(observed.stream.partitions(name) for name in wide)
    remedy = (
        f"Set spec.eventStream.partitions to {present}."
        if present <= _MOST_PARTITIONS
        else f"A stream has {_MOST_PARTITIONS} at most: turn it off (spec.eventStream.enabled), wait for Ready, and"
        " on again, which loses what is in it."
    )
    return (
        f"Kafka cannot take partitions away: {' and '.join(wide)} should have {stream.partitions} and have"
        f" {present}. {remedy}"
    )


def _billing(observed: Observed, record: TenantChanged) -> Condition:
    state = subscription_state(observed)
    if record.billing.mode == "Manual":
        reason, message = "Manual", "The business is billed outside the platform."
    else:
        reason, message = "Linked", f"Stripe's subscription is {state or 'not there yet'}."
    return _answered(observed, record, BILLING_LINKED, (Component.BILLING,), reason, message)


def _quota(observed: Observed, record: TenantChanged) -> Condition:
    if observed.told(record):
        return Condition(QUOTA_PUBLISHED, "True", "Published", f"Record {record.generation} is published.")
    return Condition(
        QUOTA_PUBLISHED, "False", "Publishing", f"Record {record.generation} is to be published."
    )


def _answered(
    observed: Observed,
    record: TenantChanged,
    kind: str,
    of: tuple[Component, ...],
    reason: str,
    message: str,
) -> Condition:
    refused = refusals(observed, record, of)
    if refused:
        answer = observed.answers[refused[0]]
        return Condition(kind, "False", answer.reason, f"{refused[0].value}: {answer.message}")
    missing = waiting_for(observed, record, of)
    if missing:
        names = ", ".join(part.value for part in missing)
        return Condition(kind, "False", "Waiting", f"Waiting for {names}.")
    return Condition(kind, "True", reason, message)


def subscription_state(observed: Observed) -> str | None:
    """Stripe's subscription status as billing last told, `manual`, or None while it is not known."""
    answer = observed.answers.get(Component.BILLING)
    return answer.details.billing.state if answer and answer.details.billing else None
