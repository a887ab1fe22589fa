"""Stripe's objects turned into billing's. Called by stripe_api alone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from billing.domain import FetchedSubscription, Invoice, Subscription

TENANT = "tenant_id"
PLAN = "plan"
"""Keys of the metadata that billing sets at Stripe."""


def moment(seconds: int) -> datetime:
    """A Unix time as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: int | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def metadata_of(thing: Any) -> Mapping[str, str]:
    """An object's metadata; empty when it has none."""
    found = thing["metadata"] if "metadata" in thing else None  # noqa: SIM401 - Stripe's objects have no `get`
    return found.to_dict() if isinstance(found, stripe.StripeObject) else dict(found or {})


def subscription_from(item: stripe.Subscription) -> FetchedSubscription:
    """From a subscription with customer and latest invoice expanded."""
    (first, *_others) = item["items"].data
    metadata = metadata_of(item)
    customer = item.customer
    default = None
    if isinstance(customer, stripe.Customer) and customer.invoice_settings is not None:
        default = customer.invoice_settings.default_payment_method
    invoice = item.latest_invoice if isinstance(item.latest_invoice, stripe.Invoice) else None
    is_open = invoice is not None and invoice.status == "open"
    return FetchedSubscription(
        stored=Subscription(
            subscription_id=item.id,
            status=item.status,
            plan=metadata.get(PLAN, ""),
            price_id=first.price.id,
            current_period_end=_maybe(first.current_period_end),
            trial_end=_maybe(item.trial_end),
            cancel_at_period_end=item.cancel_at_period_end,
        ),
        tenant_id=metadata.get(TENANT),
        item_id=first.id,
        has_payment_method=bool(item.default_payment_method or default),
        open_invoice_id=invoice.id if invoice is not None and is_open else None,
        payment_url=invoice.hosted_invoice_url if invoice is not None and is_open else None,
    )


def invoice_from(item: stripe.Invoice) -> Invoice:
    """From a finalized invoice."""
    return Invoice(
        invoice_id=str(item.id),
        created_at=moment(item.created),
        number=item.number,
        status=str(item.status),
        currency=item.currency.upper(),
        total=item.total,
        amount_due=item.amount_due,
        amount_paid=item.amount_paid,
        period_start=moment(item.period_start),
        period_end=moment(item.period_end),
        hosted_invoice_url=item.hosted_invoice_url,
        invoice_pdf=item.invoice_pdf,
    )
