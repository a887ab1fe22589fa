"""The operator's side: which businesses exist, and what each service answers about them.

Both topics are compacted: each message is the whole record. The operator writes tenants and reads statuses;
every service does the opposite (servicekit.tenancy). A tombstone on platform.tenants.v1 ends a tenant.
"""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from contracts.model import CurrencyCode, Money, Record, Slug, TenantEvent, Timestamp


class TenantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


class DeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class Limits(Record):
    """Business quotas after plan, overrides and subscription state; None means unlimited."""

    bookings_per_month: int | None = Field(default=None, ge=0)
    staff: int | None = Field(default=None, ge=0)
    services: int | None = Field(default=None, ge=0)
    emails_per_month: int | None = Field(default=None, ge=0)
    sms_per_month: int | None = Field(default=None, ge=0)
    requests_per_minute: int | None = Field(default=None, ge=0)


class Owner(Record):
    email: str
    name: str


class PlanSnapshot(Record):
    """What billing needs of the Plan object to find or make its Stripe product and price."""

    name: str
    display_name: str
    price: Money
    interval: Literal["month", "year"]
    stripe_price_id: str | None = Field(default=None, description="A price to adopt instead of making one.")


class BillingSpec(Record):
    mode: Literal["Stripe", "Manual"]
    customer_id: str | None = Field(default=None, description="A Stripe customer to adopt.")
    trial_days: int = Field(default=0, ge=0)


class EventStreamSpec(Record):
    """The tenant's own topics, which the relays of booking, notification and billing copy its events to."""

    enabled: bool
    topic: str
    dead_letter_topic: str


class TenantChanged(TenantEvent):
    """The whole desired record of one business."""

    TYPE: ClassVar[str] = "platform.tenant.changed.v1"
    TOPIC: ClassVar[str] = "platform.tenants.v1"

    slug: Slug
    generation: int = Field(ge=1, description="Rises with each change; a service ignores an older one.")
    display_name: str
    owner: Owner
    timezone: str = Field(description="IANA zone.")
    locale: str = Field(description="BCP 47 tag.")
    currency: CurrencyCode
    plan: PlanSnapshot
    limits: Limits
    features: dict[str, bool] = Field(default_factory=dict)
    state: TenantState
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    billing: BillingSpec
    event_stream: EventStreamSpec

    @property
    def aggregate_id(self) -> str:
        return str(self.tenant_id)

    @property
    def key(self) -> str:
        return str(self.tenant_id)


class Component(StrEnum):
    """The services that answer for a tenant; the operator waits for each of them."""

    AUTH = "auth"
    BUSINESS = "business"
    BOOKING = "booking"
    SCHEDULER = "scheduler"
    NOTIFICATION = "notification"
    BILLING = "billing"
    ANALYTICS = "analytics"


class ComponentState(StrEnum):
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


UNAVAILABLE = "Unavailable"
"""How the reason of a failure ends that the component goes on trying to mend: a server that is away."""


class BillingDetails(Record):
    """Stripe's side of the tenant, as billing last saw it."""

    customer_id: str | None = None
    subscription_id: str | None = None
    state: str | None = Field(default=None, description="Stripe's subscription status, or `manual`.")
    current_period_end: Timestamp | None = None
    checkout_url: str | None = None
    product_id: str | None = None
    price_id: str | None = None


class StatusDetails(Record):
    """What a component tells beyond its state; a field that is None was not told."""

    billing: BillingDetails | None = None
    usage: dict[str, int] | None = Field(
        default=None, description="Metric (a field of Limits) to what is used of it in the current period."
    )
    usage_observed_at: Timestamp | None = None
    erased: dict[str, int] | None = Field(default=None, description="Table to rows erased.")
    archived: dict[str, int] | None = Field(default=None, description="Table to rows kept.")
    owner_invited: bool | None = None
    owner_accepted: bool | None = None


class TenantStatusReported(TenantEvent):
    """One component's whole answer about one tenant."""

    TYPE: ClassVar[str] = "platform.tenant-status.reported.v1"
    TOPIC: ClassVar[str] = "platform.tenant-status.v1"

    component: Component
    generation: int = Field(ge=0, description="The generation of the record that this answers.")
    state: ComponentState
    reason: str = Field(description="CamelCase, for a condition.")
    message: str = Field(description="A sentence that says what to do when something is wrong.")
    details: StatusDetails = StatusDetails()

    @property
    def aggregate_id(self) -> str:
        return self.component.value
