"""Checkout sessions: a page on which a customer subscribes, or gives a card for later. See `pages` for the page."""

from typing import Annotated, Any, Literal

from pydantic import Field

from stripe_standin import lifecycle, payments, subscriptions
from stripe_standin.customers import blank
from stripe_standin.errors import ApiError
from stripe_standin.requests import (
    Call,
    ListParams,
    Metadata,
    Nested,
    NoParams,
    Params,
    Route,
    listed,
)
from stripe_standin.store import Object, new_id
from stripe_standin.subscription_params import NewItem, TrialSettings
from stripe_standin.world import World

_DAY = 24 * 3600
_LINE = "_checkout_data"


class CheckoutLine(Nested):
    price: str
    quantity: Annotated[int, Field(ge=1)] = 1


class SubscriptionData(Nested):
    metadata: Metadata = Field(default_factory=dict)
    trial_period_days: Annotated[int | None, Field(ge=1, le=730)] = None
    trial_settings: TrialSettings | None = None
    description: str | None = None


class SetupIntentData(Nested):
    metadata: Metadata = Field(default_factory=dict)


class SessionCreate(Params):
    mode: Literal["setup", "subscription"]
    success_url: Annotated[str, Field(pattern="^https?://")]
    cancel_url: Annotated[str | None, Field(pattern="^https?://")] = None
    customer: str | None = None
    customer_email: str | None = None
    client_reference_id: Annotated[str | None, Field(max_length=200)] = None
    currency: str | None = None
    line_items: Annotated[list[CheckoutLine] | None, Field(max_length=20)] = None
    metadata: Metadata = Field(default_factory=dict)
    payment_method_types: list[Literal["card"]] | None = None
    payment_method_collection: Literal["always", "if_required"] = "always"
    subscription_data: SubscriptionData | None = None
    setup_intent_data: SetupIntentData | None = None
    expires_at: int | None = None
    locale: str | None = None


class SessionList(ListParams):
    customer: str | None = None
    subscription: str | None = None
    status: Literal["complete", "expired", "open"] | None = None


def create(call: Call) -> Object:
    params = call.read(SessionCreate)
    world = call.world
    if params.mode == "subscription" and not params.line_items:
        raise ApiError("You must provide `line_items` in subscription mode.", param="line_items")
    if params.mode == "setup":
        if params.line_items:
            raise ApiError("You can not pass `line_items` in `setup` mode.", param="line_items")
        if params.currency is None and params.payment_method_types is None:
            raise ApiError("Missing required param: currency.", code="parameter_missing", param="currency")
    if params.expires_at is not None and not 1800 <= params.expires_at - world.now <= _DAY:
        raise ApiError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    if params.customer is not None:
        world.store.get("customer", params.customer, param="customer")
    lines = [
        (NewItem(price=line.price, quantity=line.quantity), f"line_items[{number}][price]")
        for number, line in enumerate(params.line_items or ())
    ]
    prices = [(world.store.get("price", item.price, param=param), item) for item, param in lines]
    trial = params.subscription_data and params.subscription_data.trial_period_days
    total = sum(price["unit_amount"] * item.quantity for price, item in prices)
    session = _blank(world, params)
    if params.mode == "setup":
        metadata = params.setup_intent_data.metadata if params.setup_intent_data else {}
        session["setup_intent"] = payments.new_setup_intent(world, params.customer, metadata)["id"]
    else:
        session |= {
            "amount_subtotal": 0 if trial else total,
            "amount_total": 0 if trial else total,
            "currency": prices[0][0]["currency"],
            "payment_status": "unpaid",
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        }
    world.store.put(session)
    world.store.put({"id": session["id"], "params": params.model_dump()}, _LINE)
    return session


def _blank(world: World, params: SessionCreate) -> dict[str, Any]:
    key = new_id("cs_test", 58)
    return {
        "id": key,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.cancel_url,
        "client_reference_id": params.client_reference_id,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": world.now,
        "currency": params.currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.customer,
        "customer_creation": None if params.customer or params.mode == "setup" else "always",
        "customer_details": None,
        "customer_email": params.customer_email,
        "discounts": [],
        "expires_at": params.expires_at or world.now + _DAY,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": None,
        "metadata": params.metadata,
        "mode": params.mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.payment_method_collection,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": params.success_url,
        "total_details": None,
        "ui_mode": "hosted_page",
        "url": f"{world.settings.base_url}/c/pay/{key}",
        "wallet_options": None,
    }


def complete(world: World, session: Object, number: str) -> bool:
    """Submits the page with a card. False when the card is declined; nothing is kept then."""
    if session["mode"] == "subscription" and number == payments.DECLINED_CARD:
        return False
    data = world.store.get(_LINE, session["id"])["params"]
    params = SessionCreate.model_validate(data)
    customer = world.store.find("customer", session["customer"] or "")
    if customer is None:
        customer = blank(world.now) | {"email": params.customer_email}
        world.store.put(customer)
        world.emit("customer.created", customer)
    method = payments.save_card(world, customer, number)
    session |= {
        "status": "complete",
        "url": None,
        "customer": customer["id"],
        "customer_details": {
            "address": None,
            "business_name": None,
            "email": customer["email"],
            "individual_name": None,
            "name": customer["name"],
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    }
    if session["mode"] == "setup":
        intent = world.store.get("setup_intent", session["setup_intent"])
        intent |= {"status": "succeeded", "payment_method": method["id"], "customer": customer["id"]}
        world.store.put(intent)
        world.emit("setup_intent.succeeded", intent)
    else:
        _subscribe(world, session, params, customer, method)
    world.store.put(session)
    world.emit("checkout.session.completed", session)
    return True


def _subscribe(
    world: World, session: Object, params: SessionCreate, customer: Object, method: Object
) -> None:
    extra = params.subscription_data or SubscriptionData()
    trial_days = extra.trial_period_days
    items = [
        (
            world.store.get("price", line.price),
            NewItem(price=line.price, quantity=line.quantity),
        )
        for line in params.line_items or ()
    ]
    subscription = subscriptions.begin(
        world,
        customer,
        items,
        trial_end=world.now + trial_days * _DAY if trial_days else None,
        trial_settings=extra.trial_settings,
        metadata=extra.metadata,
        default_payment_method=method["id"],
        description=extra.description,
    )
    session |= {
        "subscription": subscription["id"],
        "invoice": subscription["latest_invoice"],
        "payment_status": "no_payment_required" if trial_days else "paid",
    }


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("checkout.session", call.path["session"])


def list_(call: Call) -> Object:
    params = call.read(SessionList)

    def wanted(session: Object) -> bool:
        return (
            params.customer in {None, session["customer"]}
            and params.subscription in {None, session["subscription"]}
            and params.status in {None, session["status"]}
        )

    return listed(call.world.store.all("checkout.session", wanted), params, "/v1/checkout/sessions")


def expire(call: Call) -> Object:
    call.read(NoParams)
    session = call.world.store.get("checkout.session", call.path["session"])
    if session["status"] != "open":
        raise ApiError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{session['status']}`."
        )
    lifecycle.expire(call.world, session)
    return session


ROUTES = (
    Route("POST", "/v1/checkout/sessions", SessionCreate, create),
    Route("GET", "/v1/checkout/sessions", SessionList, list_),
    Route("GET", "/v1/checkout/sessions/{session}", NoParams, retrieve),
    Route("POST", "/v1/checkout/sessions/{session}/expire", NoParams, expire),
)
