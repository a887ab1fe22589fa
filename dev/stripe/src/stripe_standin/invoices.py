"""Invoices: made by subscriptions, paid from a saved card or on their hosted page, voided, listed."""

from typing import Any, Literal

from stripe_standin import payments
from stripe_standin.errors import ApiError
from stripe_standin.requests import Call, ListParams, NoParams, Params, Route, listed
from stripe_standin.store import Object, new_id
from stripe_standin.world import World

RETRY_SECONDS = 3 * 24 * 3600
MAX_ATTEMPTS = 4
_PENDING = "_pending_line"


class InvoiceList(ListParams):
    customer: str | None = None
    subscription: str | None = None
    status: Literal["draft", "open", "paid", "uncollectible", "void"] | None = None


class FinalizeParams(Params):
    auto_advance: bool | None = None


class PayParams(Params):
    payment_method: str | None = None


def line(
    price: Object, quantity: int, amount: int, description: str, period: tuple[int, int], *, proration: bool
) -> Object:
    """A line for one price, without its invoice, which `draft` sets."""
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": proration,
                "proration_details": None,
                "subscription": None,
                "subscription_item": None,
            },
        },
        "period": {"start": period[0], "end": period[1]},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "subtotal": amount,
        "taxes": [],
    }


def hold_back(world: World, subscription: Object, pending: Object) -> None:
    """Keeps a proration line for the subscription's next invoice."""
    world.store.put(pending | {"_subscription": subscription["id"]}, _PENDING)


def take_pending(world: World, subscription: Object) -> list[Object]:
    """The lines held back, in order; they are not held any more."""
    held = world.store.all(_PENDING, lambda item: item["_subscription"] == subscription["id"])[::-1]
    for item in held:
        world.store.remove(_PENDING, item["id"])
    return [{key: value for key, value in item.items() if key != "_subscription"} for item in held]


def draft(
    world: World, subscription: Object, lines: list[Object], reason: str, *, auto_advance: bool = True
) -> Object:
    """A draft invoice for the subscription; `subscription.latest_invoice` is set, not saved."""
    customer = world.store.get("customer", subscription["customer"])
    item = subscription["items"]["data"][0]
    total = sum(entry["amount"] for entry in lines)
    due = max(0, total + customer["balance"])
    key = new_id("in")
    for entry in lines:
        entry["invoice"] = key
        details = entry["parent"]["subscription_item_details"]
        details["subscription"] = subscription["id"]
        details["subscription_item"] = details["subscription_item"] or item["id"]
    invoice: dict[str, Any] = {
        "id": key,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Stripe stand-in",
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": {
            "enabled": False,
            "disabled_reason": None,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "created": world.now,
        "currency": subscription["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_address": None,
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "url": f"/v1/invoices/{key}/lines",
        },
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": world.now,
        "period_start": item["current_period_start"],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": customer["balance"],
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        ),
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": world.now,
    }
    world.store.put(invoice)
    world.emit("invoice.created", invoice)
    subscription["latest_invoice"] = key
    return invoice


def finalize(world: World, invoice: Object) -> None:
    """Opens a draft: it gets its number and its page. What a credit covers goes to the customer's balance."""
    customer = world.store.get("customer", invoice["customer"])
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    customer["balance"] = min(0, customer["balance"] + invoice["total"])
    world.store.put(customer)
    page = f"{world.settings.base_url}/i/{invoice['id']}"
    invoice |= {
        "status": "open",
        "number": number,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "effective_at": world.now,
        "ending_balance": customer["balance"],
    }
    invoice["status_transitions"]["finalized_at"] = world.now
    world.store.put(invoice)
    world.emit("invoice.finalized", invoice)


def attempt(world: World, invoice: Object, method_id: str | None) -> bool:
    """Charges an open invoice; without a card the attempt fails, as it does at Stripe. Answers whether paid."""
    invoice["attempted"] = True
    if invoice["amount_due"] > 0:
        invoice["attempt_count"] += 1
    if invoice["amount_due"] == 0 or (method_id is not None and payments.charges(world, method_id)):
        invoice |= {
            "status": "paid",
            "amount_paid": invoice["amount_due"],
            "amount_remaining": 0,
            "auto_advance": False,
            "next_payment_attempt": None,
        }
        invoice["status_transitions"]["paid_at"] = world.now
        world.store.put(invoice)
        world.emit("invoice.paid", invoice)
        world.emit("invoice.payment_succeeded", invoice)
        return True
    again = world.now + RETRY_SECONDS if invoice["attempt_count"] < MAX_ATTEMPTS else None
    invoice["next_payment_attempt"] = again
    world.store.put(invoice)
    world.emit("invoice.payment_failed", invoice)
    return False


def void(world: World, invoice: Object) -> None:
    """Closes an open invoice for good."""
    invoice |= {"status": "void", "auto_advance": False, "next_payment_attempt": None}
    invoice["status_transitions"]["voided_at"] = world.now
    world.store.put(invoice)
    world.emit("invoice.voided", invoice)


def subscription_of(world: World, invoice: Object) -> Object | None:
    """The subscription that an invoice bills."""
    return world.store.find("subscription", invoice["parent"]["subscription_details"]["subscription"])


def retrieve(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("invoice", call.path["invoice"])


def list_(call: Call) -> Object:
    params = call.read(InvoiceList)

    def wanted(invoice: Object) -> bool:
        details = invoice["parent"]["subscription_details"]
        return (
            params.customer in {None, invoice["customer"]}
            and params.subscription in {None, details["subscription"]}
            and params.status in {None, invoice["status"]}
        )

    return listed(call.world.store.all("invoice", wanted), params, "/v1/invoices")


def finalize_route(call: Call) -> Object:
    """Opens a draft; the stand-in charges it only when it is asked to."""
    params = call.read(FinalizeParams)
    invoice = call.world.store.get("invoice", call.path["invoice"])
    if invoice["status"] != "draft":
        raise ApiError("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    if params.auto_advance is not None:
        invoice["auto_advance"] = params.auto_advance
    finalize(call.world, invoice)
    return invoice


def void_route(call: Call) -> Object:
    call.read(NoParams)
    invoice = _open(call, "void")
    void(call.world, invoice)
    return invoice


def _open(call: Call, verb: str) -> Object:
    invoice = call.world.store.get("invoice", call.path["invoice"])
    if invoice["status"] == "paid" and verb == "pay":
        raise ApiError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open":
        raise ApiError(f"You can only {verb} an open invoice. This invoice is {invoice['status']}.")
    return invoice


def payable(call: Call) -> Object:
    """The open invoice of the path. Raises ApiError when it is paid, void or a draft."""
    return _open(call, "pay")


ROUTES = (
    Route("GET", "/v1/invoices", InvoiceList, list_),
    Route("GET", "/v1/invoices/{invoice}", NoParams, retrieve),
    Route("POST", "/v1/invoices/{invoice}/finalize", FinalizeParams, finalize_route),
    Route("POST", "/v1/invoices/{invoice}/void", NoParams, void_route),
)
