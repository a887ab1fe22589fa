"""Customers: create, read, update, delete, list, search by metadata or e-mail."""

import re
from typing import Any

from pydantic import Field

from stripe_standin import lifecycle
from stripe_standin.errors import ApiError
from stripe_standin.requests import (
    Bare,
    Call,
    ListParams,
    Metadata,
    Nested,
    NoParams,
    Params,
    Route,
    Text,
    listed,
    merged,
)
from stripe_standin.store import Object, new_id

_INDEX_SECONDS = 60
"""Source: docs.stripe.com/search#data-freshness."""
_CLAUSE = re.compile(
    r"""^\s*(?:(?P<field>email|name)|metadata\[(?P<q>['"])(?P<key>[^'"]+)(?P=q)\])\s*:\s*(['"])(?P<value>.*)\4\s*$"""
)


class InvoiceSettings(Nested):
    default_payment_method: Text = None
    footer: Text = None


class CustomerParams(Params):
    email: Text = None
    name: Text = None
    description: Text = None
    phone: Text = None
    metadata: Metadata | None = None
    invoice_settings: InvoiceSettings | None = None
    preferred_locales: list[str] | None = None


class CustomerList(ListParams):
    email: str | None = None


class CustomerSearch(Params):
    query: str
    limit: int = Field(default=10, ge=1, le=100)
    page: str | None = None


def create(call: Call) -> Object:
    params = call.read(CustomerParams)
    customer = blank(call.world.now)
    _apply(call, customer, params)
    call.world.store.put(customer)
    call.world.emit("customer.created", customer)
    return customer


def blank(now: int) -> Object:
    """A customer with nothing known of them."""
    return {
        "id": new_id("cus", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_id("x", 8).removeprefix("x_").upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def _apply(call: Call, customer: Object, params: CustomerParams) -> dict[str, Any]:
    given = params.model_dump(exclude_unset=True, exclude={"expand", "metadata", "invoice_settings"})
    given["metadata"] = merged(customer["metadata"], params.metadata)
    if params.invoice_settings is not None:
        method = params.invoice_settings.default_payment_method
        if method is not None:
            attached = call.world.store.get(
                "payment_method", method, param="invoice_settings[default_payment_method]"
            )
            if attached["customer"] != customer["id"]:
                raise ApiError(
                    "The customer does not have a payment method with the ID "
                    f"{method}. The payment method must be attached to the customer.",
                    code="resource_missing",
                    param="invoice_settings[default_payment_method]",
                )
        settings = params.invoice_settings.model_dump(exclude_unset=True)
        given["invoice_settings"] = customer["invoice_settings"] | settings
    previous = {name: customer[name] for name, value in given.items() if customer[name] != value}
    customer.update(given)
    return previous


def living(call: Call, *, param: str | None = None, key: str | None = None) -> Object:
    """The customer of the path or of a parameter, unless deleted. Raises ApiError."""
    return call.world.store.get("customer", key or call.path["customer"], param=param)


def update(call: Call) -> Object:
    customer = living(call)
    previous = _apply(call, customer, call.read(CustomerParams))
    call.world.store.put(customer)
    if previous:
        call.world.emit("customer.updated", customer, previous)
    return customer


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    gone = call.world.store.find("_deleted_customer", call.path["customer"])
    return {key: gone[key] for key in ("id", "object", "deleted")} if gone else living(call)


def delete(call: Call) -> Object:
    """Cancels what the customer subscribes to, as Stripe does."""
    call.read(Bare)
    world = call.world
    customer = living(call)
    for subscription in world.store.all(
        "subscription", lambda thing: bool(thing["customer"] == customer["id"])
    ):
        if subscription["status"] not in lifecycle.ENDED:
            lifecycle.end(world, subscription, "canceled")
    world.store.remove("customer", customer["id"])
    answer = {"id": customer["id"], "object": "customer", "deleted": True}
    world.store.put(dict(answer), "_deleted_customer")
    world.emit("customer.deleted", customer)
    return answer


def list_(call: Call) -> Object:
    params = call.read(CustomerList)
    found = call.world.store.all("customer", lambda thing: params.email in {None, thing["email"]})
    return listed(found, params, "/v1/customers")


def search(call: Call) -> Object:
    """Clauses of equality joined by AND; Stripe's other operators are refused. The index is a minute behind."""
    params = call.read(CustomerSearch)
    wanted: list[tuple[str, str, str]] = []
    for clause in re.split(r"\s+AND\s+", params.query):
        match = _CLAUSE.match(clause)
        if match is None:
            raise ApiError(f"We were unable to parse your search query: {params.query}", param="query")
        wanted.append((match["field"] or "", match["key"] or "", match["value"]))

    def matches(customer: Object) -> bool:
        return customer["created"] <= call.world.now - _INDEX_SECONDS and all(
            (customer[field] if field else customer["metadata"].get(key)) == value
            for field, key, value in wanted
        )

    found = call.world.store.all("customer", matches)[: params.limit]
    return {
        "object": "search_result",
        "url": "/v1/customers/search",
        "has_more": False,
        "next_page": None,
        "data": found,
    }


ROUTES = (
    Route("POST", "/v1/customers", CustomerParams, create),
    Route("GET", "/v1/customers", CustomerList, list_),
    Route("GET", "/v1/customers/search", CustomerSearch, search),
    Route("GET", "/v1/customers/{customer}", NoParams, retrieve),
    Route("POST", "/v1/customers/{customer}", CustomerParams, update),
    Route("DELETE", "/v1/customers/{customer}", Bare, delete),
)
