"""The parameters of subscriptions' routes, of which checkout keeps some."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from stripe_standin.requests import ListParams, Metadata, Nested, Params, Text

Proration = Literal["create_prorations", "none", "always_invoice"]
PaymentBehavior = Literal[
    "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
]
TrialEnd = Annotated[
    int | None, BeforeValidator(lambda value: 0 if value == "now" else None if value == "" else value)
]


class NewItem(Nested):
    price: str
    quantity: Annotated[int, Field(ge=0)] = 1
    metadata: Metadata = Field(default_factory=dict)


class ChangedItem(Nested):
    id: str | None = None
    price: str | None = None
    quantity: Annotated[int | None, Field(ge=0)] = None
    deleted: bool = False


class EndBehavior(Nested):
    missing_payment_method: Literal["cancel", "create_invoice", "pause"]


class TrialSettings(Nested):
    end_behavior: EndBehavior


class PaymentSettings(Nested):
    save_default_payment_method: Literal["off", "on_subscription"] | None = None
    payment_method_types: list[str] | None = None


class SubscriptionCreate(Params):
    customer: str
    items: Annotated[list[NewItem], Field(min_length=1, max_length=20)]
    metadata: Metadata = Field(default_factory=dict)
    trial_period_days: Annotated[int | None, Field(ge=0, le=730)] = None
    trial_end: TrialEnd = None
    trial_settings: TrialSettings | None = None
    default_payment_method: str | None = None
    payment_behavior: PaymentBehavior = "allow_incomplete"
    payment_settings: PaymentSettings | None = None
    proration_behavior: Proration = "create_prorations"
    collection_method: Literal["charge_automatically"] = "charge_automatically"
    cancel_at_period_end: bool = False
    description: Text = None
    off_session: bool = False


class SubscriptionUpdate(Params):
    items: list[ChangedItem] | None = None
    metadata: Metadata | None = None
    cancel_at_period_end: bool | None = None
    default_payment_method: Text = None
    description: Text = None
    proration_behavior: Proration = "create_prorations"
    payment_behavior: PaymentBehavior = "allow_incomplete"
    trial_end: TrialEnd = None
    trial_settings: TrialSettings | None = None
    payment_settings: PaymentSettings | None = None
    off_session: bool = False


class CancelParams(Params):
    invoice_now: bool = False
    prorate: bool = False


class ResumeParams(Params):
    billing_cycle_anchor: Literal["now", "unchanged"] = "now"
    proration_behavior: Proration = "create_prorations"


class SubscriptionList(ListParams):
    customer: str | None = None
    price: str | None = None
    status: (
        Literal[
            "active",
            "all",
            "canceled",
            "ended",
            "incomplete",
            "incomplete_expired",
            "past_due",
            "paused",
            "trialing",
            "unpaid",
        ]
        | None
    ) = None
