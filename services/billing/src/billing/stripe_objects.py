"""Stripe's objects turned into billing's. Called by stripe_api alone."""

from collections.abc import Mapping, Sequence
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


def subscription_from(item: stripe.Subscription, prices: Sequence[str | None] = ()) -> FetchedSubscription:
    """From a subscription with customer and latest invoice expanded; `prices` as of StripeApi.subscriptions."""
    paid = _item_at(item, prices)
    period_end: int | None = paid.current_period_end
    metadata = metadata_of(item)
    customer = item.customer
    default = None
    gone = isinstance(customer, stripe.Customer) and bool(getattr(customer, "deleted", False))
    if isinstance(customer, stripe.Customer) and not gone:
        settings = customer.invoice_settings
        default = (settings.default_payment_method if settings is not None else None) or _source_of(customer)
    invoice = item.latest_invoice if isinstance(item.latest_invoice, stripe.Invoice) else None
    is_open = invoice is not None and invoice.status == "open"
    return FetchedSubscription(
        stored=Subscription(
            subscription_id=item.id,
            status=item.status,
            plan=metadata.get(PLAN, ""),
            price_id=paid.price.id,
            current_period_end=_maybe(period_end),
            trial_end=_maybe(item.trial_end),
            cancel_at_period_end=item.cancel_at_period_end or _before(item.cancel_at, period_end),
        ),
        tenant_id=metadata.get(TENANT),
        item_id=paid.id,
        customer_gone=gone,
        has_payment_method=bool(item.default_payment_method or _source_of(item) or default),
        payment_url=invoice.hosted_invoice_url if invoice is not None and is_open else None,
    )


def _item_at(item: stripe.Subscription, prices: Sequence[str | None]) -> stripe.SubscriptionItem:
    """The first that is at one of these prices, in their order; else the first of all."""
    items: list[stripe.SubscriptionItem] = item["items"].data
    at = {each.price.id: each for each in items}
    return next((at[price] for price in prices if price in at), items[0])


def _source_of(thing: stripe.Subscription | stripe.Customer) -> Any:
    """The card as accounts older than payment methods have it, which is charged where there is no such method."""
    return getattr(thing, "default_source", None)


def _before(cancel_at: int | None, period_end: int | None) -> bool:
    """Whether it ends with its period by `cancel_at`, which alone Stripe's portal sets.

    Source: docs.stripe.com/billing/subscriptions/billing-mode/compare.
    """
    return cancel_at is not None and period_end is not None and cancel_at <= period_end


def _period(item: stripe.Invoice) -> tuple[int, int]:
    """What the invoice is for: of its lines, those that are no prorations, if there are any.

    An invoice's own period is the one before, in which its items were gathered
    (docs.stripe.com/api/invoices/object#invoice_object-period_start).
    """
    lines = item.lines.data
    periods = [line.period for line in lines if not _is_proration(line)] or [line.period for line in lines]
    if not periods:
        return item.period_start, item.period_end
    return min(each.start for each in periods), max(each.end for each in periods)


def _is_proration(line: stripe.InvoiceLineItem) -> bool:
    parent = line.parent
    details = (parent.subscription_item_details or parent.invoice_item_details) if parent else None
    return details is not None and details.proration


def invoice_from(item: stripe.Invoice) -> Invoice:
    """From a finalized invoice."""
    start, end = _period(item)
    return Invoice(
        invoice_id=str(item.id),
        created_at=moment(item.created),
        number=item.number,
        status=str(item.status),
        currency=item.currency.upper(),
        total=item.total,
        amount_due=item.amount_due,
        amount_paid=item.amount_paid,
        period_start=moment(start),
        period_end=moment(end),
        hosted_invoice_url=item.hosted_invoice_url,
        invoice_pdf=item.invoice_pdf,
    )
