"""Stripe, in billing's words: the calls that billing makes.

Called by the reconciler and the service layer, never inside a transaction. Each creating call takes a key of its
own making, so that a call repeated after a crash makes nothing twice (docs.stripe.com/api/idempotent_requests; keys
last 24 hours, which is why callers also look for what is there). A failure that was answered is kept under its key
for as long, so that the tenant's `attempt` is part of it; see billing.attempts.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import stripe

from billing.domain import CheckoutMode, FetchedSubscription, Invoice
from billing.errors import StripeRefused
from billing.settings import BillingSettings
from billing.stripe_calls import idempotency_key, translated
from billing.stripe_cards import use_card
from billing.stripe_objects import PLAN, TENANT, invoice_from, metadata_of, moment, subscription_from
from contracts.platform import PlanSnapshot

_TIMEOUT_SECONDS = 10


class StripeApi:
    """One client for the process. Raises StripeUnavailable or StripeRefused from every call."""

    def __init__(self, settings: BillingSettings) -> None:
        key = settings.stripe_api_key
        self.configured = key is not None
        self._settings = settings
        self._made: stripe.StripeClient | None = None
        logging.getLogger("stripe").setLevel(logging.WARNING)  # it logs each call, with customers' ids

    @property
    def _client(self) -> stripe.StripeClient:
        """Made on first use, as its session belongs to the running loop."""
        if self._made is None:
            key = self._settings.stripe_api_key
            base = self._settings.stripe_api_base
            self._made = stripe.StripeClient(
                key.get_secret_value() if key else "",
                base_addresses={"api": base} if base else {},
                http_client=stripe.AIOHTTPClient(timeout=_TIMEOUT_SECONDS),
                max_network_retries=1,
            )
        return self._made

    # plans

    async def product_and_price(
        self, plan: PlanSnapshot, *, naming: bool = True, held: bool = False
    ) -> tuple[str, str]:
        """The product's and the price's ids for a plan: adopted when it names a price, else found or made.

        `naming`: a product that is found is called as the plan is. `held`: who asks is on the adopted price
        already, and stays on it when it is archived.
        """
        async with translated():
            if plan.stripe_price_id is not None:
                price = await self._client.v1.prices.retrieve_async(plan.stripe_price_id)
                _check_price(price, plan, held=held)
                return str(price.product), price.id
            product_id = await self._product(plan, naming=naming)
            return product_id, await self._price(plan, product_id)

    async def _product(self, plan: PlanSnapshot, *, naming: bool) -> str:
        key = f"slotwright_plan_{plan.name}"
        products = self._client.v1.products
        try:
            product = await products.retrieve_async(key)
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
        else:
            name = plan.display_name if naming else product.name
            if (product.name, product.active) != (name, True):
                await products.update_async(key, {"name": name, "active": True})
            return key
        try:
            await products.create_async({"id": key, "name": plan.display_name, "metadata": {PLAN: plan.name}})
        except stripe.InvalidRequestError as error:  # another worker was quicker
            if error.code != "resource_already_exists":
                raise
        return key

    async def _price(self, plan: PlanSnapshot, product_id: str) -> str:
        """Prices cannot be changed at Stripe, so each amount is a price of its own, found by its lookup key.

        Which no second one can have: its creation needs no idempotency key to be made once. So one that somebody
        has archived is taken up again.
        """
        money = plan.price
        lookup = f"slotwright:{plan.name}:{money.amount}:{money.currency.lower()}:{plan.interval}"
        prices = self._client.v1.prices

        async def found() -> str | None:
            listed = await prices.list_async({"lookup_keys": [lookup], "limit": 1})
            for price in listed.data:
                if not price.active:
                    await prices.update_async(price.id, {"active": True})
                return price.id
            return None

        if (price_id := await found()) is not None:
            return price_id
        try:
            made = await prices.create_async(
                {
                    "product": product_id,
                    "currency": money.currency.lower(),
                    "unit_amount": money.amount,
                    "recurring": {"interval": plan.interval},
                    "lookup_key": lookup,
                    "nickname": plan.name,
                    "metadata": {PLAN: plan.name},
                }
            )
        except stripe.InvalidRequestError:
            if (price_id := await found()) is None:
                raise
            return price_id  # another task was quicker
        return made.id

    # customers

    async def customer_for(self, tenant_id: UUID, attempt: int, *, gone: str | None = None) -> str:
        """The one customer of a tenant, found by its metadata or made. Their name comes by describe_customer.

        The search is Stripe's index, a minute behind; the idempotency key covers that minute and a day more. `gone`
        is the one before, which was deleted.
        """
        parts = (str(tenant_id),) if gone is None else (str(tenant_id), gone)
        async with translated():
            found = await self._client.v1.customers.search_async(
                {"query": f"metadata['{TENANT}']:'{tenant_id}'", "limit": 1}
            )
            if found.data and found.data[0].id != gone:
                return found.data[0].id
            made = await self._client.v1.customers.create_async(
                {"metadata": {TENANT: str(tenant_id)}},
                {"idempotency_key": idempotency_key(attempt, "customer", *parts)},
            )
            return made.id

    async def adopt_customer(self, tenant_id: UUID, customer_id: str) -> None:
        """Marks someone's customer as the tenant's. Raises StripeRefused when it is gone or another tenant's."""
        async with translated():
            customer = await self._client.v1.customers.retrieve_async(customer_id)
            if getattr(customer, "deleted", False):
                raise StripeRefused(f"The customer {customer_id} is deleted.", "resource_missing")
            owner = metadata_of(customer).get(TENANT)
            if owner == str(tenant_id):
                return
            if owner is not None:
                raise StripeRefused(
                    f"The customer {customer_id} belongs to another business.", "customer_taken"
                )
            await self._client.v1.customers.update_async(customer_id, {"metadata": {TENANT: str(tenant_id)}})

    async def release_customer(self, tenant_id: UUID, customer_id: str) -> None:
        """Takes the tenant's mark away; fine when it is another's by now, or the customer is gone."""
        async with translated():
            if await self._owner(customer_id) == str(tenant_id):
                await self._client.v1.customers.update_async(customer_id, {"metadata": {TENANT: ""}})

    async def is_deleted(self, customer_id: str) -> bool:
        """Whether the customer was deleted; one that the key's account never had raises StripeRefused."""
        async with translated():
            customer = await self._client.v1.customers.retrieve_async(customer_id)
            return bool(getattr(customer, "deleted", False))

    async def describe_customer(self, customer_id: str, name: str, email: str) -> None:
        async with translated():
            await self._client.v1.customers.update_async(customer_id, {"name": name, "email": email})

    async def delete_customer(self, tenant_id: UUID, customer_id: str) -> None:
        """Erases the customer at Stripe; fine when it is gone, or another tenant's.

        The tenant may have let it go before, as its data was to be kept until somebody thought otherwise.
        """
        async with translated():
            if await self._owner(customer_id) in {str(tenant_id), None}:
                try:
                    await self._client.v1.customers.delete_async(customer_id)
                except stripe.InvalidRequestError as error:
                    if error.code != "resource_missing":
                        raise

    async def _owner(self, customer_id: str) -> str | None:
        """The tenant that a customer is marked as; None for nobody's, and for one that is gone."""
        try:
            customer = await self._client.v1.customers.retrieve_async(customer_id)
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return None
        return None if getattr(customer, "deleted", False) else metadata_of(customer).get(TENANT)

    # subscriptions

    async def subscriptions(
        self, customer_id: str, prices: Sequence[str | None]
    ) -> list[FetchedSubscription]:
        """All the customer's subscriptions, ended ones too, newest first; none for a customer that is gone.

        Of a subscription with several items the one counts that is at one of `prices`, the first before the next:
        what else somebody has put into it stays as it is.
        """
        async with translated():
            try:
                found = await self._client.v1.subscriptions.list_async(
                    {
                        "customer": customer_id,
                        "status": "all",
                        "limit": 100,
                        "expand": ["data.customer", "data.latest_invoice"],
                    }
                )
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return []
            return [subscription_from(item, prices) async for item in found.auto_paging_iter()]

    async def subscribe(
        self,
        tenant_id: UUID,
        customer_id: str,
        price_id: str,
        plan: str,
        trial_days: int,
        nth: int,
        attempt: int,
    ) -> None:
        """Makes the customer's `nth` subscription, with a trial when `trial_days` is above 0.

        Without a trial and a card it starts `incomplete`, with an open invoice whose page takes the payment.
        """
        params: dict[str, Any] = {
            "customer": customer_id,
            "items": [{"price": price_id}],
            "metadata": {TENANT: str(tenant_id), PLAN: plan},
            "payment_behavior": "allow_incomplete",
            "payment_settings": {"save_default_payment_method": "on_subscription"},
        }
        if trial_days:
            params["trial_period_days"] = trial_days
            params["trial_settings"] = {"end_behavior": {"missing_payment_method": "create_invoice"}}
        parts = (str(tenant_id), customer_id, price_id, plan, str(trial_days), str(nth))
        key = idempotency_key(attempt, "subscription", *parts)
        async with translated():
            await self._client.v1.subscriptions.create_async(params, {"idempotency_key": key})  # type: ignore[arg-type]  # built up in steps

    async def claim_subscription(self, subscription_id: str, tenant_id: UUID) -> None:
        """Marks an adopted customer's own subscription as the tenant's."""
        async with translated():
            await self._client.v1.subscriptions.update_async(
                subscription_id, {"metadata": {TENANT: str(tenant_id)}}
            )

    async def change_plan(self, subscription: FetchedSubscription, price_id: str, plan: str) -> None:
        """Moves a subscription to another price now, within its period; Stripe prorates."""
        async with translated():
            await self._client.v1.subscriptions.update_async(
                subscription.stored.subscription_id,
                {
                    "items": [{"id": subscription.item_id, "price": price_id}],
                    "proration_behavior": "create_prorations",
                    "metadata": {PLAN: plan},
                },
            )

    async def cancel(self, subscription_id: str, *, credit: bool = False) -> None:
        """Ends a subscription now; one that has ended is fine.

        With `credit` what was paid for the rest of its period goes to the customer's balance, for invoices to come.
        """
        async with translated():
            try:
                await self._client.v1.subscriptions.cancel_async(
                    subscription_id, {"prorate": True, "invoice_now": True} if credit else {}
                )
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise

    async def invoices(self, customer_id: str) -> list[Invoice]:
        """The customer's last 100 invoices but drafts, newest first; none for a customer that is gone."""
        async with translated():
            try:
                found = await self._client.v1.invoices.list_async({"customer": customer_id, "limit": 100})
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return []
            return [invoice_from(item) for item in found.data if item.status not in {None, "draft"}]

    # pages at Stripe

    async def checkout(
        self,
        tenant_id: UUID,
        customer_id: str,
        mode: CheckoutMode,
        *,
        price_id: str,
        plan: str,
        currency: str,
        return_url: str,
        key: str,
        attempt: int,
    ) -> tuple[str, str, datetime]:
        """Opens a checkout page: id, URL, and when it expires. `setup` takes a card, `subscription` subscribes."""
        metadata = {TENANT: str(tenant_id), PLAN: plan}
        params: dict[str, Any] = {
            "mode": mode,
            "customer": customer_id,
            "success_url": _with_query(return_url, "checkout=done"),
            "cancel_url": _with_query(return_url, "checkout=cancelled"),
            "client_reference_id": str(tenant_id),
            "metadata": metadata,
        }
        if mode == "setup":
            params["currency"] = currency.lower()
        else:
            params["line_items"] = [{"price": price_id, "quantity": 1}]
            params["subscription_data"] = {"metadata": metadata}
        async with translated():
            session = await self._client.v1.checkout.sessions.create_async(
                params,  # type: ignore[arg-type]  # built up in steps
                {
                    "idempotency_key": idempotency_key(
                        attempt, "checkout", str(tenant_id), customer_id, mode, price_id, return_url, key
                    )
                },
            )
            return session.id, session.url or "", moment(session.expires_at)

    async def completed_checkout(self, session_id: str) -> tuple[str, str | None]:
        """A session's state (`open`, `complete`, `expired`) and, for a completed setup, its card.

        One that Stripe has no longer counts as expired.
        """
        async with translated():
            try:
                session = await self._client.v1.checkout.sessions.retrieve_async(
                    session_id, {"expand": ["setup_intent"]}
                )
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return "expired", None
            intent = session.setup_intent
            card = intent.payment_method if isinstance(intent, stripe.SetupIntent) else None
            return session.status or "open", card.id if isinstance(card, stripe.PaymentMethod) else card

    async def expire_checkout(self, session_id: str) -> bool:
        """Closes an open session; one that has expired is fine. False when it is complete."""
        async with translated():
            try:
                await self._client.v1.checkout.sessions.expire_async(session_id)
            except stripe.InvalidRequestError:
                state, _card = await self.completed_checkout(session_id)
                if state == "open":
                    raise
                return state != "complete"
            return True

    async def use_card(self, customer_id: str, card: str, subscriptions: list[FetchedSubscription]) -> None:
        """Makes a saved card the one that is charged, and charges what is due; see billing.stripe_cards."""
        async with translated():
            await use_card(self._client, customer_id, card, subscriptions)

    async def portal(self, customer_id: str, return_url: str) -> tuple[str, str]:
        """Opens the billing portal: id and URL."""
        async with translated():
            session = await self._client.v1.billing_portal.sessions.create_async(
                {"customer": customer_id, "return_url": return_url}
            )
            return session.id, session.url


def _check_price(price: stripe.Price, plan: PlanSnapshot, *, held: bool) -> None:
    """Raises StripeRefused unless a price is what the plan says that its customers pay."""
    if price.recurring is None or not (price.active or held):
        raise StripeRefused(f"The price {price.id} is not an active recurring one.", "price_unusable")
    if price.unit_amount is None or price.recurring.usage_type == "metered":
        raise StripeRefused(
            f"The price {price.id} is of no fixed amount: it is metered, or has tiers or parts of a minor unit.",
            "price_unusable",
        )
    rhythm = (price.recurring.interval, price.recurring.interval_count)
    charged = (price.unit_amount, price.currency.upper(), *rhythm)
    if charged != (plan.price.amount, plan.price.currency, plan.interval, 1):
        raise StripeRefused(
            f"The price {price.id} is of {charged[0]} {charged[1]} every {rhythm[1]} {rhythm[0]}, "
            f"the plan of {plan.price.amount} {plan.price.currency} every 1 {plan.interval}.",
            "price_unusable",
        )


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"
