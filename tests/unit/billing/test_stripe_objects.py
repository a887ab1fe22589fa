"""Stripe's objects become billing's, whatever is missing from them."""

from typing import Any

import stripe

from billing.stripe_objects import invoice_from, subscription_from

RAW: dict[str, Any] = {
    "id": "sub_1",
    "object": "subscription",
    "status": "past_due",
    "customer": {
        "id": "cus_1",
        "object": "customer",
        "invoice_settings": {"default_payment_method": "pm_1"},
    },
    "default_payment_method": None,
    "cancel_at_period_end": False,
    "trial_end": None,
    "metadata": {"tenant_id": "t1", "plan": "pro"},
    "items": {
        "object": "list",
        "data": [
            {
                "id": "si_1",
                "object": "subscription_item",
                "price": {"id": "price_1", "object": "price"},
                "current_period_end": 1_800_000_000,
            }
        ],
    },
    "latest_invoice": {
        "id": "in_1",
        "object": "invoice",
        "status": "open",
        "hosted_invoice_url": "https://pay.example/i",
    },
}


def _made(**fields: Any) -> stripe.Subscription:
    return stripe.Subscription.construct_from(RAW | fields, "sk_test")


def test_an_open_invoice_is_where_to_pay() -> None:
    fetched = subscription_from(_made())
    assert fetched.tenant_id == "t1"
    assert fetched.has_payment_method
    assert (fetched.open_invoice_id, fetched.payment_url) == ("in_1", "https://pay.example/i")
    assert fetched.stored.current_period_end is not None
    assert fetched.stored.current_period_end.isoformat() == "2027-01-15T08:00:00+00:00"


def test_what_is_missing_is_none() -> None:
    fetched = subscription_from(_made(metadata={}, customer="cus_1", latest_invoice=None))
    assert (fetched.tenant_id, fetched.stored.plan, fetched.payment_url) == (None, "", None)
    assert not fetched.has_payment_method


def test_a_credit_keeps_its_sign() -> None:
    raw = {
        "id": "in_1",
        "object": "invoice",
        "created": 1_800_000_000,
        "number": None,
        "status": "paid",
        "currency": "eur",
        "total": -500,
        "amount_due": 0,
        "amount_paid": 0,
        "period_start": 1_800_000_000,
        "period_end": 1_800_000_000,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
    }
    invoice = invoice_from(stripe.Invoice.construct_from(raw, "sk_test"))
    assert (invoice.total, invoice.currency) == (-500, "EUR")
