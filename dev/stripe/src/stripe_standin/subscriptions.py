"""Subscriptions: create with a trial, read, list, change price or settings, cancel, resume."""

from typing import Any

from stripe_standin import invoices, lifecycle
from stripe_standin.errors import ApiError
from stripe_standin.requests import (
    Call,
    Metadata,
    NoParams,
    Route,
    listed,
    merged,
)
from stripe_standin.store import Object, new_id
from stripe_standin.subscription_params import (
    CancelParams,
    NewItem,
    PaymentBehavior,
    ResumeParams,
    SubscriptionCreate,
    SubscriptionList,
    SubscriptionUpdate,
    TrialSettings,
)
from stripe_standin.world import World


def _recurring(world: World, key: str, param: str) -> Object:
    price = world.store.get("price", key, param=param)
    if price["recurring"] is None:
        raise ApiError(
            f"The price specified is set to `type=one_time` but this field only accepts prices with "
            f"`type=recurring`: {key}",
            param=param,
        )
    if not price["active"]:
        raise ApiError(f"The price specified is inactive: {key}", param=param)
    return price


def create(call: Call) -> Object:
    params = call.read(SubscriptionCreate)
    world = call.world
    if params.trial_end and params.trial_period_days:
        raise ApiError("You can't pass both `trial_end` and `trial_period_days`.", param="trial_end")
    if params.trial_end and params.trial_end <= world.now:
        raise ApiError(
            "Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end"
        )
    trial_end = params.trial_end or None
    if params.trial_period_days:
        trial_end = world.now + params.trial_period_days * 24 * 3600
    return begin(
        world,
        world.store.get("customer", params.customer, param="customer"),
        [(_recurring(world, item.price, f"items[{n}][price]"), item) for n, item in enumerate(params.items)],
        trial_end=trial_end,
        trial_settings=params.trial_settings,
        metadata=params.metadata,
        default_payment_method=params.default_payment_method,
        payment_behavior=params.payment_behavior,
        cancel_at_period_end=params.cancel_at_period_end,
        description=params.description,
    )


def begin(
    world: World,
    customer: Object,
    items: list[tuple[Object, NewItem]],
    *,
    trial_end: int | None,
    trial_settings: TrialSettings | None = None,
    metadata: Metadata,
    default_payment_method: str | None = None,
    payment_behavior: PaymentBehavior = "allow_incomplete",
    cancel_at_period_end: bool = False,
    description: str | None = None,
) -> Object:
    """Makes a subscription; also called when a checkout session is paid."""
    currencies = {price["currency"] for price, _item in items}
    if len(currencies) > 1 or customer["currency"] not in {None, *currencies}:
        raise ApiError(
            "You cannot combine currencies on a single customer. This customer has an active subscription "
            f"in {customer['currency']}.",
            param="items",
        )
    if default_payment_method is not None:
        world.store.get("payment_method", default_payment_method, param="default_payment_method")
    (currency,) = currencies
    customer["currency"] = currency
    world.store.put(customer)
    key = new_id("sub")
    ending = trial_settings.end_behavior.missing_payment_method if trial_settings else "create_invoice"
    made = [lifecycle.new_item(world, key, price, item.quantity) for price, item in items]
    subscription: dict[str, Any] = {
        "id": key,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "disabled_reason": None, "liability": None},
        "billing_cycle_anchor": trial_end or world.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"type": "flexible", "flexible": None},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": cancel_at_period_end,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": world.now,
        "currency": currency,
        "customer": customer["id"],
        "days_until_due": None,
        "default_payment_method": default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": description,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": made,
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={key}",
        },
        "latest_invoice": None,
        "livemode": False,
        "metadata": metadata,
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": world.now,
        "status": "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": ending}},
        "trial_start": world.now if trial_end else None,
    }
    due = any(price["unit_amount"] for price, _item in items) and not trial_end
    card = lifecycle.card_of(world, subscription)
    if payment_behavior == "error_if_incomplete" and due and card is None:
        raise ApiError(
            "This customer has no attached payment source or default payment method.",
            status=402,
            kind="invalid_request_error",
            code="resource_missing",
        )
    return lifecycle.start(world, subscription, wait_for_payment=payment_behavior == "default_incomplete")


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    return _of_path(call)


def _of_path(call: Call) -> Object:
    return call.world.store.get("subscription", call.path["subscription_exposed_id"])


def update(call: Call) -> Object:
    params = call.read(SubscriptionUpdate)
    subscription = _of_path(call)
    if subscription["status"] in lifecycle.ENDED:
        raise ApiError(
            "A canceled subscription can only update its cancellation_details and metadata.",
            param="items" if params.items else None,
        )
    world = call.world
    before = {name: subscription[name] for name in ("latest_invoice", "status", "billing_cycle_anchor")}
    given: dict[str, Any] = params.model_dump(
        exclude_unset=True, include={"cancel_at_period_end", "default_payment_method", "description"}
    )
    if given.get("default_payment_method"):
        world.store.get("payment_method", given["default_payment_method"], param="default_payment_method")
    if "cancel_at_period_end" in given:
        wanted = given["cancel_at_period_end"]
        given["cancel_at"] = subscription["items"]["data"][0]["current_period_end"] if wanted else None
        given["canceled_at"] = world.now if wanted else None
    if params.metadata is not None:
        given["metadata"] = merged(subscription["metadata"], params.metadata)
    if params.trial_settings is not None:
        given["trial_settings"] = params.trial_settings.model_dump()
    before |= {name: subscription[name] for name in given}
    repriced = _change_items(world, subscription, params) if params.items else {}
    subscription |= given
    if "trial_end" in params.model_fields_set:
        _end_trial(world, subscription, params.trial_end)
        before.setdefault("trial_end", None)
    previous = {name: value for name, value in before.items() if subscription[name] != value} | repriced
    world.store.put(subscription)
    if previous:
        world.emit("customer.subscription.updated", subscription, previous)
    return subscription


def _change_items(world: World, subscription: Object, params: SubscriptionUpdate) -> dict[str, Any]:
    """Applies `items`; answers what they were, for the event."""
    present = {item["id"]: item for item in subscription["items"]["data"]}
    previous = [dict(item) for item in present.values()]
    for number, change in enumerate(params.items or ()):
        if change.id is None or change.deleted:
            raise ApiError(
                "The stand-in changes an item in place: name its id, and don't delete it.",
                param=f"items[{number}][id]",
            )
        item = present.get(change.id)
        if item is None:
            raise ApiError(
                f"No such subscription item: '{change.id}'",
                code="resource_missing",
                param=f"items[{number}][id]",
            )
        if change.quantity is not None:
            item["quantity"] = change.quantity
        if change.price is not None and change.price != item["price"]["id"]:
            price = _recurring(world, change.price, f"items[{number}][price]")
            if price["currency"] != subscription["currency"]:
                raise ApiError(
                    f"The price specified supports currencies of `{price['currency']}`. This doesn't match the "
                    f"expected currency: `{subscription['currency']}`.",
                    param=f"items[{number}][price]",
                )
            lifecycle.reprice(world, subscription, item, price, params.proration_behavior)
    changed = previous != subscription["items"]["data"]
    return {"items": subscription["items"] | {"data": previous}} if changed else {}


def _end_trial(world: World, subscription: Object, moment: int | None) -> None:
    if moment:
        if moment <= world.now:
            raise ApiError("Invalid timestamp: must be in the future.", param="trial_end")
        subscription["trial_end"] = moment
        subscription["status"] = "trialing"
        for item in subscription["items"]["data"]:
            item["current_period_end"] = moment
    elif subscription["status"] == "trialing":
        subscription["trial_end"] = world.now
        for item in subscription["items"]["data"]:
            item["current_period_end"] = world.now
        lifecycle.catch_up(world)


def cancel(call: Call) -> Object:
    params = call.read(CancelParams)
    subscription = _of_path(call)
    if subscription["status"] in lifecycle.ENDED:
        raise ApiError(
            f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing", param="id"
        )
    if params.prorate:
        lifecycle.credit_rest(call.world, subscription)
    if params.invoice_now:
        lifecycle.bill(call.world, subscription, [], "subscription_update")
    lifecycle.end(call.world, subscription, "canceled")
    return subscription


def resume(call: Call) -> Object:
    """Ends a pause; the period starts anew and is charged."""
    call.read(ResumeParams)
    subscription = call.world.store.get("subscription", call.path["subscription"])
    if subscription["status"] != "paused":
        raise ApiError("You can only resume a paused subscription.")
    for item in subscription["items"]["data"]:
        item["current_period_end"] = call.world.now
    subscription["status"] = "active"
    lifecycle.catch_up(call.world)
    return subscription


def list_(call: Call) -> Object:
    """Without `status` what has ended stays out, as at Stripe."""
    params = call.read(SubscriptionList)

    def wanted(subscription: Object) -> bool:
        status = subscription["status"]
        fits = {
            None: status not in lifecycle.ENDED,
            "all": True,
            "ended": status in lifecycle.ENDED,
        }.get(params.status, status == params.status)
        prices = {item["price"]["id"] for item in subscription["items"]["data"]}
        return (
            fits
            and params.customer in {None, subscription["customer"]}
            and (params.price is None or params.price in prices)
        )

    return listed(call.world.store.all("subscription", wanted), params, "/v1/subscriptions")


def pay_invoice(call: Call) -> Object:
    """Charges an open invoice; here, because it may bring a subscription back."""
    params = call.read(invoices.PayParams)
    world = call.world
    invoice = invoices.payable(call)
    subscription = invoices.subscription_of(world, invoice)
    card = params.payment_method
    if card is not None:
        world.store.get("payment_method", card, param="payment_method")
    elif subscription is not None:
        card = lifecycle.card_of(world, subscription)
    if not lifecycle.pay(world, invoice, card):
        raise ApiError(
            "Your card was declined." if card else "There is no default payment method for this customer.",
            status=402 if card else 400,
            kind="card_error" if card else "invalid_request_error",
            code="card_declined" if card else None,
        )
    return invoice


ROUTES = (
    Route("POST", "/v1/subscriptions", SubscriptionCreate, create),
    Route("GET", "/v1/subscriptions", SubscriptionList, list_),
    Route("GET", "/v1/subscriptions/{subscription_exposed_id}", NoParams, retrieve),
    Route("POST", "/v1/subscriptions/{subscription_exposed_id}", SubscriptionUpdate, update),
    Route("DELETE", "/v1/subscriptions/{subscription_exposed_id}", CancelParams, cancel),
    Route("POST", "/v1/subscriptions/{subscription}/resume", ResumeParams, resume),
    Route("POST", "/v1/invoices/{invoice}/pay", invoices.PayParams, pay_invoice),
)
