"""What billing knows of a tenant at Stripe, and the rules over it. No I/O; used by every other module here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Literal
from uuid import UUID

from contracts.billing import (
    SubscriptionActivated,
    SubscriptionCanceled,
    SubscriptionChanged,
    SubscriptionEvent,
    SubscriptionPastDue,
)

ENDED = frozenset({"canceled", "incomplete_expired"})
SERVED = frozenset({"trialing", "active"})
OWING = frozenset({"past_due", "unpaid"})

CheckoutMode = Literal["setup", "subscription"]


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant's customer at Stripe. `payment_url` is an open invoice's page."""

    customer_id: str
    customer_adopted: bool
    customer_name: str
    customer_email: str
    product_id: str | None
    price_id: str | None
    subscription_id: str | None
    has_payment_method: bool
    payment_url: str | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as stored. `status` is Stripe's; `plan` the Plan object's name."""

    subscription_id: str
    status: str
    plan: str
    price_id: str | None
    current_period_end: datetime | None
    trial_end: datetime | None
    cancel_at_period_end: bool

    @property
    def live(self) -> bool:
        """Whether it can still bring money: it has not ended."""
        return self.status not in ENDED


@dataclass(frozen=True, slots=True)
class FetchedSubscription:
    """A subscription as Stripe tells it now, with what provisioning needs beside the stored part."""

    stored: Subscription
    tenant_id: str | None
    item_id: str
    customer_gone: bool
    has_payment_method: bool
    payment_url: str | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """Amounts are in minor units of the currency."""

    invoice_id: str
    created_at: datetime
    number: str | None
    status: str
    currency: str
    total: int
    amount_due: int
    amount_paid: int
    period_start: datetime
    period_end: datetime
    hosted_invoice_url: str | None
    invoice_pdf: str | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout session that was handed out."""

    session_id: str
    mode: CheckoutMode
    state: Literal["open", "complete", "expired"]
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """One tenant's work to do at Stripe."""

    tenant_id: UUID
    wanted: Literal["reconcile", "remove"]
    version: int
    attempts: int


def event_for(before: Subscription | None, after: Subscription) -> type[SubscriptionEvent] | None:
    """Which event tells of the change; None when nothing has changed.

    A subscription that is served again after it owed counts as activated.
    """
    if before == after:
        return None
    entered = before is None or before.status != after.status
    if entered and after.status in ENDED:
        return SubscriptionCanceled
    if entered and after.status in OWING:
        return SubscriptionPastDue
    if after.status in SERVED and (before is None or before.status not in SERVED):
        return SubscriptionActivated
    return SubscriptionChanged


def trial_left(days: int, earlier: list[FetchedSubscription], now: datetime) -> int:
    """Days of trial that a tenant's next subscription begins with: what is left of earlier ones', if any."""
    ends = [item.stored.trial_end for item in earlier if item.stored.trial_end is not None]
    return min(days, max(0, ceil((max(ends) - now) / timedelta(days=1)))) if ends else days


def of_tenant(
    tenant_id: UUID, linked: str | None, subscriptions: list[FetchedSubscription]
) -> list[FetchedSubscription]:
    """Those of a customer's subscriptions that are the tenant's: marked as such, or linked."""
    mine = str(tenant_id)
    return [item for item in subscriptions if item.tenant_id == mine or item.stored.subscription_id == linked]


def current(linked: str | None, subscriptions: list[FetchedSubscription]) -> FetchedSubscription | None:
    """The subscription that counts, of all that are the tenant's, newest first.

    The linked one while it lives; else the newest that lives; else the linked one, ended.
    """
    by_id = {item.stored.subscription_id: item for item in subscriptions}
    known = by_id.get(linked or "")
    if known is not None and known.stored.live:
        return known
    return next((item for item in subscriptions if item.stored.live), known)
