"""The stand-in takes what Stripe takes and answers what Stripe answers: held to Stripe's own OpenAPI.

stripe_spec.json is cut from it by dev/stripe/trim_spec.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Response
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from stripe_standin.app import ROUTES
from stripe_standin.requests import Route
from stripe_standin.settings import API_VERSION

from .conftest import Api

SPEC: dict[str, Any] = json.loads(Path(__file__).with_name("stripe_spec.json").read_text("utf-8"))


def _faults(schema: dict[str, Any], value: Any, what: str) -> set[str]:
    """What is wrong with a value, one line each, with the reason that lies deepest."""
    validator = Draft202012Validator(schema | {"$defs": SPEC["$defs"]})
    return {
        f"{what}: {'/'.join(str(part) for part in deepest.absolute_path)}: {deepest.message[:200]}"
        for error in validator.iter_errors(value)
        if (deepest := best_match([error]))
    }


class CheckedApi(Api):
    """Holds each request and answer to the spec, notes what is wrong and which operations were used."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.http)
        self.used: set[str] = set()
        self.faults: set[str] = set()

    def call(self, method: str, path: str, params: dict[str, Any] | None = None, **headers: str) -> Response:
        answer = super().call(method, path, params, **headers)
        name = next(
            f"{route.method} {route.path}"
            for route in ROUTES
            if route.method == method and _fits(route, path)
        )
        operation = SPEC["operations"][name]
        self.faults |= _faults(operation["request"], params or {}, f"request {name}")
        if answer.status_code == 200:
            self.faults |= _faults(operation["answer"], answer.json(), f"answer {name}")
            self.used.add(name)
        return answer


def _fits(route: Route, path: str) -> bool:
    wanted, given = route.path.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        a == b or (a.startswith("{") and b not in {"search"}) for a, b in zip(wanted, given, strict=True)
    )


def test_the_version_is_that_of_the_spec() -> None:
    assert SPEC["version"] == API_VERSION


def _names(schema: dict[str, Any], defs: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named properties of a schema, through refs, choices and lists."""
    if "$ref" in schema:
        yield from _names(defs[schema["$ref"].rpartition("/")[2]], defs)
    for choice in schema.get("anyOf", ()):
        yield from _names(choice, defs)
    if "items" in schema:
        yield from _names(schema["items"], defs)
    yield from schema.get("properties", {}).items()


def _unknown(
    ours: dict[str, Any], defs: dict[str, Any], theirs: list[dict[str, Any]], path: str
) -> list[str]:
    known: dict[str, list[dict[str, Any]]] = {}
    for schema in theirs:
        for name, below in _names(schema, SPEC["$defs"]):
            known.setdefault(name, []).append(below)
    found: list[str] = []
    for name, schema in _names(ours, defs):
        if name not in known:
            found.append(f"{path}{name}")
        else:
            found += _unknown(schema, defs, known[name], f"{path}{name}.")
    return found


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_parameter_is_one_of_stripes(route: Route) -> None:
    ours = route.params.model_json_schema()
    theirs = SPEC["operations"][f"{route.method} {route.path}"]["request"]
    assert _unknown(ours, ours.get("$defs", {}), [theirs], "") == []


def test_a_story_over_every_operation(api: Api) -> None:
    stripe = CheckedApi(api)
    price, dear = _catalog(stripe)
    card = _trial(stripe, price, dear)
    other = _other_ways(stripe, price, card)
    _pages_and_meters(stripe, price, other)
    _end(stripe, other)
    assert not stripe.faults, "\n".join(sorted(stripe.faults))
    missed = {f"{route.method} {route.path}" for route in ROUTES} - stripe.used
    assert missed == set()


def _catalog(stripe: CheckedApi) -> tuple[str, str]:
    """Two prices, of 29 and 59 a month."""
    product = stripe.post("/v1/products", id="plan_pro", name="Pro", metadata={"plan": "pro"})
    stripe.post(f"/v1/products/{product['id']}", name="Pro!")
    assert stripe.get(f"/v1/products/{product['id']}")["name"] == "Pro!"
    assert len(stripe.get("/v1/products", active=True)["data"]) == 1
    price = stripe.post(
        "/v1/prices",
        product=product["id"],
        currency="eur",
        unit_amount=2900,
        recurring={"interval": "month"},
        lookup_key="pro",
        nickname="pro",
    )
    stripe.get(f"/v1/prices/{price['id']}", expand=["product"])
    stripe.post(f"/v1/prices/{price['id']}", metadata={"a": "b"})
    assert stripe.get("/v1/prices", lookup_keys=["pro"], active=True, limit=1)["data"][0]["id"] == price["id"]
    dear = stripe.post(
        "/v1/prices",
        product_data={"name": "Team"},
        currency="eur",
        unit_amount=5900,
        recurring={"interval": "month"},
    )
    return price["id"], dear["id"]


def _trial(stripe: CheckedApi, price: str, dear: str) -> str:
    """A trial that pauses, a card, another price; answers the card."""
    customer = stripe.post("/v1/customers", email="ada@riverside.example", metadata={"tenant_id": "t1"})
    stripe.post(f"/v1/customers/{customer['id']}", name="Ada")
    stripe.get(f"/v1/customers/{customer['id']}")
    stripe.get("/v1/customers", email="ada@riverside.example")
    stripe.control("POST", "/clock/advance", seconds=61)
    found = stripe.get("/v1/customers/search", query="metadata['tenant_id']:'t1'", limit=1)
    assert [item["id"] for item in found["data"]] == [customer["id"]]

    subscription = stripe.post(
        "/v1/subscriptions",
        customer=customer["id"],
        items=[{"price": price}],
        trial_period_days=14,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
        payment_behavior="allow_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        metadata={"tenant_id": "t1"},
        expand=["latest_invoice", "customer"],
    )
    path = f"/v1/subscriptions/{subscription['id']}"
    setup = stripe.post(
        "/v1/checkout/sessions",
        mode="setup",
        customer=customer["id"],
        currency="eur",
        success_url="http://shop.example/?session={CHECKOUT_SESSION_ID}",
        cancel_url="http://shop.example/",
        client_reference_id="t1",
    )
    stripe.http.post(setup["url"], data={"card": "4242424242424242"}, follow_redirects=False)
    done = stripe.get(f"/v1/checkout/sessions/{setup['id']}", expand=["setup_intent"])
    intent = stripe.get(f"/v1/setup_intents/{done['setup_intent']['id']}")
    card = stripe.get(f"/v1/payment_methods/{intent['payment_method']}")
    stripe.get("/v1/payment_methods", customer=customer["id"])
    stripe.control("POST", "/clock/advance", days=20)
    assert stripe.get(path)["status"] == "paused"
    stripe.post(path, default_payment_method=card["id"], cancel_at_period_end=False)
    assert stripe.post(f"/v1/subscriptions/{subscription['id']}/resume")["status"] == "active"
    item = subscription["items"]["data"][0]["id"]
    stripe.post(path, items=[{"id": item, "price": dear}], proration_behavior="always_invoice")
    stripe.get(
        "/v1/subscriptions",
        customer=customer["id"],
        status="all",
        limit=20,
        expand=["data.customer", "data.latest_invoice"],
    )
    invoices = stripe.get("/v1/invoices", customer=customer["id"], limit=100)["data"]
    stripe.get(f"/v1/invoices/{invoices[0]['id']}")

    return str(card["id"])


def _other_ways(stripe: CheckedApi, price: str, card: str) -> str:
    """A first payment by hand, a refusal to pay; answers the customer."""
    other = stripe.post("/v1/customers", email="bob@example.org")
    waiting = stripe.post("/v1/subscriptions", customer=other["id"], items=[{"price": price}])
    assert waiting["status"] == "incomplete"
    stripe.post(f"/v1/payment_methods/{card}/detach")
    stripe.post(f"/v1/payment_methods/{card}/attach", customer=other["id"])
    stripe.post(f"/v1/invoices/{waiting['latest_invoice']}/pay", payment_method=card)
    assert stripe.get(f"/v1/subscriptions/{waiting['id']}")["status"] == "active"
    third = stripe.post("/v1/subscriptions", customer=other["id"], items=[{"price": price}])
    fourth = stripe.post(
        "/v1/subscriptions",
        customer=stripe.post("/v1/customers")["id"],
        items=[{"price": price}],
        payment_behavior="default_incomplete",
    )
    stripe.post(f"/v1/invoices/{fourth['latest_invoice']}/void")
    stripe.delete(f"/v1/subscriptions/{third['id']}")
    _unpaid(stripe, price)

    return str(other["id"])


def _unpaid(stripe: CheckedApi, price: str) -> None:
    """One whose next invoice waits as a draft."""
    left = stripe.post(
        "/v1/subscriptions",
        customer=stripe.post("/v1/customers")["id"],
        items=[{"price": price}],
        trial_period_days=1,
    )
    stripe.control("PUT", "/dunning", after_retries="unpaid")
    stripe.control("POST", "/clock/advance", days=33)
    found = stripe.get(f"/v1/subscriptions/{left['id']}")
    assert found["status"] == "unpaid"
    done = stripe.post(f"/v1/invoices/{found['latest_invoice']}/finalize", auto_advance=True)
    assert done["status"] == "open"
    stripe.control("PUT", "/dunning")


def _pages_and_meters(stripe: CheckedApi, price: str, other: str) -> None:
    anew = stripe.post(
        "/v1/checkout/sessions",
        mode="subscription",
        customer=other,
        success_url="http://shop.example/",
        line_items=[{"price": price, "quantity": 1}],
        subscription_data={"metadata": {"tenant_id": "t2"}},
    )
    stripe.post(f"/v1/checkout/sessions/{anew['id']}/expire")
    stripe.get("/v1/checkout/sessions", customer=other, status="expired")
    stripe.post("/v1/billing_portal/sessions", customer=other, return_url="http://shop.example/dashboard")

    meter = stripe.post(
        "/v1/billing/meters",
        display_name="Bookings",
        event_name="bookings",
        default_aggregation={"formula": "sum"},
        customer_mapping={"type": "by_id", "event_payload_key": "customer"},
        value_settings={"event_payload_key": "value"},
    )
    stripe.get(f"/v1/billing/meters/{meter['id']}")
    stripe.get("/v1/billing/meters", status="active")
    event = stripe.post(
        "/v1/billing/meter_events",
        event_name="bookings",
        identifier="one",
        payload={"customer": other, "value": "3"},
    )
    summed = stripe.get(
        f"/v1/billing/meters/{meter['id']}/event_summaries",
        customer=other,
        start_time=event["timestamp"] - 60,
        end_time=event["timestamp"] + 60,
    )
    assert summed["data"][0]["aggregated_value"] == 3


def _end(stripe: CheckedApi, other: str) -> None:
    """The customer goes; every event so far is one of Stripe's."""
    assert stripe.delete(f"/v1/customers/{other}")["deleted"] is True
    assert stripe.get(f"/v1/customers/{other}")["deleted"] is True
    told = stripe.get("/v1/events", types=["customer.*", "invoice.*"], limit=100)["data"]
    stripe.get(f"/v1/events/{told[0]['id']}")
    for one in stripe.get("/v1/events", limit=100)["data"]:
        thing = one["data"]["object"]
        stripe.faults |= _faults({"$ref": f"#/$defs/{thing['object']}"}, thing, f"event {one['type']}")
