"""Stripe's objects become billing's, whatever is missing from them."""

from typing import Any

import pytest
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
    "cancel_at": None,
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


INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "created": 1_800_000_000,
    "number": None,
    "status": "paid",
    "currency": "eur",
    "total": 500,
    "amount_due": 0,
    "amount_paid": 0,
    "period_start": 1_800_000_000,
    "period_end": 1_800_000_000,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "lines": {"object": "list", "data": []},
}


def _made(**fields: Any) -> stripe.Subscription:
    return stripe.Subscription.construct_from(RAW | fields, "sk_test")


def test_an_open_invoice_is_where_to_pay() -> None:
    fetched = subscription_from(_made())
    assert fetched.tenant_id == "t1"
    assert fetched.has_payment_method
    assert fetched.payment_url == "https://pay.example/i"
    assert fetched.stored.current_period_end is not None
    assert fetched.stored.current_period_end.isoformat() == "2027-01-15T08:00:00+00:00"


def test_what_is_missing_is_none() -> None:
    fetched = subscription_from(_made(metadata={}, customer="cus_1", latest_invoice=None))
    assert (fetched.tenant_id, fetched.stored.plan, fetched.payment_url) == (None, "", None)
    assert not fetched.has_payment_method


@pytest.mark.parametrize("of", ["subscription", "customer"])
def test_a_card_from_before_payment_methods_is_one_too(of: str) -> None:
    """An adopted customer may have it as a source, which Stripe charges still."""
    customer = {"id": "cus_1", "object": "customer", "invoice_settings": {"default_payment_method": None}}
    assert not subscription_from(_made(customer=customer)).has_payment_method
    found = (
        _made(customer=customer, default_source="card_1")
        if of == "subscription"
        else _made(customer=customer | {"default_source": "card_1"})
    )
    assert subscription_from(found).has_payment_method


def test_a_deleted_customer_has_no_card() -> None:
    fetched = subscription_from(
        _made(status="canceled", customer={"id": "cus_1", "object": "customer", "deleted": True})
    )
    assert (fetched.stored.status, fetched.has_payment_method) == ("canceled", False)


@pytest.mark.parametrize(
    ("both", "leaves"),
    [
        ({"cancel_at_period_end": True, "cancel_at": 1_800_000_000}, True),
        ({"cancel_at": 1_800_000_000}, True),  # as Stripe's portal does
        ({"cancel_at": 1_900_000_000}, False),  # some periods later
    ],
)
def test_it_ends_with_its_period_by_either_field(both: dict[str, Any], leaves: bool) -> None:
    assert subscription_from(_made(**both)).stored.cancel_at_period_end is leaves


def _line(start: int, end: int, *, proration: bool) -> dict[str, Any]:
    details = {"proration": proration}
    return {
        "object": "line_item",
        "period": {"start": start, "end": end},
        "parent": {"subscription_item_details": details, "invoice_item_details": None},
    }


@pytest.mark.parametrize(
    ("lines", "period"),
    [
        ([], (1, 2)),
        ([_line(30, 60, proration=False)], (30, 60)),
        ([_line(20, 30, proration=True), _line(30, 60, proration=False)], (30, 60)),
        ([_line(20, 30, proration=True), _line(20, 31, proration=True)], (20, 31)),
    ],
    ids=["none", "renewal", "renewal after a change", "change"],
)
def test_an_invoices_period_is_what_it_is_for(lines: list[dict[str, Any]], period: tuple[int, int]) -> None:
    raw = INVOICE | {"period_start": 1, "period_end": 2, "lines": {"object": "list", "data": lines}}
    invoice = invoice_from(stripe.Invoice.construct_from(raw, "sk_test"))
    assert (invoice.period_start.timestamp(), invoice.period_end.timestamp()) == period


def test_a_credit_keeps_its_sign() -> None:
    raw = INVOICE | {"total": -500}
    invoice = invoice_from(stripe.Invoice.construct_from(raw, "sk_test"))
    assert (invoice.total, invoice.currency) == (-500, "EUR")
