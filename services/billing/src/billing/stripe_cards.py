"""A card that was given: it is the one that is charged from now on, and what waited for it is paid.

Called by stripe_api alone.
"""

import stripe
import structlog

from billing.domain import FetchedSubscription

log = structlog.get_logger(__name__)


async def use_card(
    client: stripe.StripeClient, customer_id: str, card: str, subscriptions: list[FetchedSubscription]
) -> None:
    """Makes a saved card the one that is charged, and pays what is open, the oldest first.

    Stripe retries a declined charge.
    """
    await client.v1.customers.update_async(
        customer_id, {"invoice_settings": {"default_payment_method": card}}
    )
    for item in subscriptions:
        if not item.stored.live:
            continue
        key = item.stored.subscription_id
        found = await client.v1.subscriptions.update_async(
            key, {"default_payment_method": card, "expand": ["latest_invoice"]}
        )
        await _take_up(client, found)
        owed = await client.v1.invoices.list_async({"subscription": key, "status": "open", "limit": 100})
        for invoice in reversed(owed.data):
            try:
                await client.v1.invoices.pay_async(str(invoice.id), {"payment_method": card})
            except (stripe.CardError, stripe.InvalidRequestError):
                continue


async def _take_up(client: stripe.StripeClient, found: stripe.Subscription) -> None:
    """Has a subscription billed again that Stripe does not bill by itself: one that is `paused` or `unpaid`.

    An `unpaid` one is active again once its latest invoice is paid, which is left a draft
    (docs.stripe.com/billing/subscriptions/overview#unpaid-subscriptions): that of the period under way. Drafts of
    the periods between stay what they are, as nothing could be booked in those.
    """
    latest = found.latest_invoice
    try:
        if found.status == "paused":
            await client.v1.subscriptions.resume_async(found.id)
        elif found.status == "unpaid" and isinstance(latest, stripe.Invoice) and latest.status == "draft":
            await client.v1.invoices.finalize_invoice_async(str(latest.id), {"auto_advance": True})
    except stripe.InvalidRequestError as error:  # resumed already, and not paid yet
        log.warning("not taken up", subscription=found.id, error=error.user_message)
