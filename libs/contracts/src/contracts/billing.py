"""What billing tells of a tenant's Stripe subscription, after it refetched it from Stripe."""

from typing import ClassVar

from pydantic import Field

from contracts.model import TenantEvent, Timestamp


class SubscriptionEvent(TenantEvent):
    TOPIC: ClassVar[str] = "billing.subscription.v1"

    customer_id: str
    subscription_id: str
    status: str = Field(description="Stripe's subscription status.")
    plan: str
    price_id: str | None
    current_period_end: Timestamp | None
    cancel_at_period_end: bool = False
    occurred_at: Timestamp

    @property
    def aggregate_id(self) -> str:
        return self.subscription_id


class SubscriptionActivated(SubscriptionEvent):
    TYPE: ClassVar[str] = "billing.subscription.activated.v1"


class SubscriptionCanceled(SubscriptionEvent):
    TYPE: ClassVar[str] = "billing.subscription.canceled.v1"


class SubscriptionPastDue(SubscriptionEvent):
    TYPE: ClassVar[str] = "billing.subscription.past-due.v1"


class SubscriptionChanged(SubscriptionEvent):
    TYPE: ClassVar[str] = "billing.subscription.changed.v1"
