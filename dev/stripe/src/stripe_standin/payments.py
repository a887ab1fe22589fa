"""Cards and setup intents. Cards are only ever given on a hosted page; their last four digits decide their fate."""

from stripe_standin.requests import Call, NoParams, PageParams, Params, Route, listed
from stripe_standin.store import Object, new_id
from stripe_standin.world import World

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
"""Stripe's test card that can be saved and declines each charge. Source: docs.stripe.com/testing."""


class PaymentMethodList(PageParams):
    customer: str | None = None
    type: str | None = None


class AttachParams(Params):
    customer: str


def save_card(world: World, customer: Object, number: str) -> Object:
    """Attaches a new card to the customer."""
    method = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": customer["email"],
            "name": customer["name"],
            "phone": customer["phone"],
            "tax_id": None,
        },
        "card": {
            "brand": "visa",
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": "visa",
            "exp_month": 12,
            "exp_year": 2040,
            "fingerprint": None,
            "funding": "credit",
            "generated_from": None,
            "last4": number[-4:],
            "networks": {"available": ["visa"], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": world.now,
        "customer": customer["id"],
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    world.store.put(method)
    world.emit("payment_method.attached", method)
    return method


def charges(world: World, method_id: str) -> bool:
    """Whether a charge of this card goes through."""
    method = world.store.get("payment_method", method_id)
    return bool(method["customer"]) and method["card"]["last4"] != DECLINED_CARD[-4:]


def new_setup_intent(world: World, customer: str | None, metadata: dict[str, str]) -> Object:
    key = new_id("seti")
    intent = {
        "id": key,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": new_id(f"{key}_secret"),
        "created": world.now,
        "customer": customer,
        "description": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }
    world.store.put(intent)
    world.emit("setup_intent.created", intent)
    return intent


def retrieve_method(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("payment_method", call.path["payment_method"])


def list_methods(call: Call) -> Object:
    params = call.read(PaymentMethodList)
    found = call.world.store.all(
        "payment_method",
        lambda method: (
            method["customer"] is not None
            and params.customer in {None, method["customer"]}
            and params.type in {None, method["type"]}
        ),
    )
    return listed(found, params, "/v1/payment_methods")


def attach(call: Call) -> Object:
    params = call.read(AttachParams)
    method = call.world.store.get("payment_method", call.path["payment_method"])
    customer = call.world.store.get("customer", params.customer, param="customer")
    method["customer"] = customer["id"]
    call.world.store.put(method)
    call.world.emit("payment_method.attached", method)
    return method


def detach(call: Call) -> Object:
    call.read(NoParams)
    method = call.world.store.get("payment_method", call.path["payment_method"])
    previous = {"customer": method["customer"]}
    for customer in call.world.store.all("customer", lambda thing: thing["id"] == method["customer"]):
        if customer["invoice_settings"]["default_payment_method"] == method["id"]:
            customer["invoice_settings"]["default_payment_method"] = None
            call.world.store.put(customer)
    method["customer"] = None
    call.world.store.put(method)
    call.world.emit("payment_method.detached", method, previous)
    return method


def retrieve_intent(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("setup_intent", call.path["intent"])


ROUTES = (
    Route("GET", "/v1/payment_methods", PaymentMethodList, list_methods),
    Route("GET", "/v1/payment_methods/{payment_method}", NoParams, retrieve_method),
    Route("POST", "/v1/payment_methods/{payment_method}/attach", AttachParams, attach),
    Route("POST", "/v1/payment_methods/{payment_method}/detach", NoParams, detach),
    Route("GET", "/v1/setup_intents/{intent}", NoParams, retrieve_intent),
)
