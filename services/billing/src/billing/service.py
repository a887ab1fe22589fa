"""The service layer: what the routes can ask for. Stripe is called between transactions, never inside one."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import stripe
import structlog
from pydantic import BaseModel, Field

from billing import store
from billing.attempts import attempt_of
from billing.domain import Account, Checkout, CheckoutMode, Invoice, Subscription
from billing.errors import (
    BillingNotReady,
    NotBilledByStripe,
    RefusedByStripe,
    StripeRefused,
    StripeUnavailable,
)
from billing.settings import BillingSettings
from billing.stripe_api import StripeApi
from contracts.platform import TenantChanged
from servicekit.clock import Clock, utc_now
from servicekit.db import Database
from servicekit.errors import BadRequest, Unavailable
from servicekit.faults import reached
from servicekit.idempotency import IdempotencyKey, Outcome, answered, once
from servicekit.ids import new_id
from servicekit.tenants import tenant_by_id, tenant_to_change
from servicekit.usage import month_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a business stands: its record, and its account and subscription once there are."""

    tenant: TenantChanged
    account: Account | None
    subscription: Subscription | None
    checkout_url: str | None


class BillingService:
    """What the routes can ask for."""

    def __init__(
        self, db: Database, api: StripeApi, settings: BillingSettings, *, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._api = api
        self._clock = clock
        self._public_url = settings.public_url.rstrip("/")
        secret = settings.stripe_webhook_secret
        self._webhook_secret = secret.get_secret_value() if secret else None

    async def standing(self, tenant_id: UUID) -> Standing:
        """Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            account = await store.account(conn, tenant_id)
            key = account.subscription_id if account else None
            subscription = await store.subscription(conn, tenant_id, key) if key else None
            sessions = await store.checkouts(conn, tenant_id)
        usable = (item.url for item in sessions if self._usable(item))
        url = next(usable, account.payment_url if account else None)
        return Standing(tenant, account, subscription, url)

    def _usable(self, session: Checkout) -> bool:
        return session.state == "open" and session.expires_at > self._clock()

    async def _billed(self, tenant_id: UUID) -> tuple[Standing, Account]:
        standing = await self.standing(tenant_id)
        if standing.tenant.billing.mode != "Stripe":
            raise NotBilledByStripe(f"{standing.tenant.display_name} is billed by hand.")
        if standing.account is None or standing.account.price_id is None:
            raise BillingNotReady("The Stripe customer is still being set up; try again in a moment.")
        return standing, standing.account

    async def open_checkout(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        return_path: str,
        answer: Callable[[Checkout], BaseModel],
    ) -> Outcome:
        """Opens a page to give a card, or to subscribe anew where the subscription has ended.

        Raises NotBilledByStripe, BillingNotReady, Unavailable, RefusedByStripe, IdempotencyMismatch.
        """
        standing, account = await self._billed(tenant_id)
        async with self._db.tenant(tenant_id) as conn:
            others = await store.checkouts(conn, tenant_id)
            # Asked behind them: if one is of this very request, there is an answer.
            replay = await answered(conn, tenant_id, key)
        if replay is not None:
            return replay
        subscription = standing.subscription
        mode: CheckoutMode = "setup" if subscription is not None and subscription.live else "subscription"
        if mode == "subscription":
            await self._close(tenant_id, others)
        asked = f"{key.key}:{key.request_hash.hex()}" if key else str(new_id())
        async with _as_problems(), attempt_of(self._db, tenant_id, guard=tenant_to_change) as attempt:
            session_id, url, expires_at = await self._api.checkout(
                tenant_id,
                account.customer_id,
                mode,
                price_id=account.price_id or "",
                plan=standing.tenant.plan.name,
                currency=standing.tenant.plan.price.currency,
                return_url=f"{self._public_url}{return_path}",
                key=asked,
                attempt=attempt,
            )
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)

            async def effect() -> BaseModel:
                await store.add_checkout(conn, tenant_id, session_id, mode, url, expires_at)
                return answer(Checkout(session_id, mode, "open", url, expires_at))

            return await once(conn, tenant_id, key, effect)

    async def _close(self, tenant_id: UUID, sessions: Sequence[Checkout]) -> None:
        """Closes open pages that subscribe: two could both be paid. Raises BillingNotReady when one has been."""
        for session in sessions:
            if session.mode == "subscription" and self._usable(session):
                async with _as_problems():
                    closed = await self._api.expire_checkout(session.session_id)
                if not closed:
                    async with self._db.tenant(tenant_id) as conn:
                        await tenant_to_change(conn, tenant_id)
                        await store.want(conn, tenant_id, "reconcile")
                    raise BillingNotReady(
                        "A page was paid just now, and is being taken in; try again in a moment."
                    )

    async def open_portal(
        self,
        tenant_id: UUID,
        key: IdempotencyKey | None,
        return_path: str,
        answer: Callable[[str, str], BaseModel],
    ) -> Outcome:
        """Opens Stripe's portal; `answer` gets its id and URL. Raises as open_checkout."""
        _standing, account = await self._billed(tenant_id)
        async with self._db.tenant(tenant_id) as conn:
            replay = await answered(conn, tenant_id, key)
        if replay is not None:
            return replay
        async with _as_problems():
            session_id, url = await self._api.portal(account.customer_id, f"{self._public_url}{return_path}")
        async with self._db.tenant(tenant_id) as conn:
            await tenant_to_change(conn, tenant_id)

            async def effect() -> BaseModel:
                return answer(session_id, url)

            return await once(conn, tenant_id, key, effect)

    async def invoices(
        self, tenant_id: UUID, before: tuple[datetime, str] | None, limit: int
    ) -> list[Invoice]:
        """Newest first, older than `before`. Raises NotFound."""
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            return await store.invoices(conn, tenant_id, before, limit)

    async def usage(self, tenant_id: UUID, month: str | None) -> tuple[TenantChanged, str, dict[str, int]]:
        """The record with its limits, the month, and what happened to appointments in it. Raises NotFound."""
        month = month or month_of(self._clock())
        async with self._db.tenant(tenant_id) as conn:
            tenant = await tenant_by_id(conn, tenant_id)
            return tenant, month, await store.appointment_counts(conn, tenant_id, month)

    async def receive_webhook(self, body: bytes, signature: str | None) -> None:
        """Takes one of Stripe's events in; the worker fetches what it is about. Raises BadRequest, Unavailable."""
        if self._webhook_secret is None:
            raise Unavailable("This installation has no webhook secret.", retry_after=60)
        try:
            stripe.WebhookSignature.verify_header(
                body, signature, self._webhook_secret, stripe.Webhook.DEFAULT_TOLERANCE
            )
            event = _Event.model_validate_json(body)
        except (stripe.StripeError, ValueError, TypeError):  # the last for a signature beyond ASCII
            raise BadRequest("The signature does not fit, or the body is no event of Stripe's.") from None
        async with self._db.public() as conn:
            await store.add_event(conn, event.id, event.type, _customer_of(event.data.object))
        reached("billing.event-stored")


class _EventData(BaseModel):
    object: dict[str, Any]


class _Event(BaseModel):
    """The part of a Stripe event that is used: what it is about. The rest is fetched from Stripe."""

    id: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(min_length=1, max_length=255)]
    data: _EventData


def _customer_of(thing: dict[str, Any]) -> str | None:
    """The customer that an event's object is, or is about."""
    customer = thing.get("id") if thing.get("object") == "customer" else thing.get("customer")
    if isinstance(customer, dict):
        customer = customer.get("id")
    return customer if isinstance(customer, str) else None


@asynccontextmanager
async def _as_problems() -> AsyncIterator[None]:
    try:
        yield
    except StripeUnavailable as error:
        raise Unavailable("Stripe cannot be reached at the moment.", retry_after=5) from error
    except StripeRefused as error:
        if error.ours:  # its words name the key
            log.error("Stripe does not take the key", error=str(error))
            raise Unavailable("Stripe cannot be reached at the moment.", retry_after=60) from error
        raise RefusedByStripe(str(error)) from error
