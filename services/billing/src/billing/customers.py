"""A tenant's customer at Stripe: adopted or made once, described, and replaced when it was deleted there.

Called by the reconciler, and never inside a transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from billing import store
from billing.attempts import attempt_of
from billing.domain import Account, FetchedSubscription
from billing.errors import CannotProvision, StripeRefused
from billing.stripe_api import StripeApi
from contracts.platform import TenantChanged
from servicekit.db import Database
from servicekit.faults import reached


class Customers:
    """One for the process."""

    def __init__(self, db: Database, api: StripeApi) -> None:
        self._db = db
        self._api = api

    async def of(self, tenant: TenantChanged) -> Account:
        """The tenant's account, its customer adopted or made. Raises CannotProvision."""
        tenant_id, asked = tenant.tenant_id, tenant.billing.customer_id
        async with self._db.tenant(tenant_id) as conn:
            account = await store.account(conn, tenant_id)
        if account is not None and asked not in {None, account.customer_id}:
            raise CannotProvision(
                "CustomerConflict",
                f"This business is billed as {account.customer_id}; billing.customerId cannot become {asked}.",
            )
        if account is None:
            account = await self._link_customer(tenant_id, asked)
        return account

    async def living(
        self, tenant: TenantChanged, account: Account, found: list[FetchedSubscription]
    ) -> Account:
        """The account, with another customer where its own was deleted at Stripe, called as the tenant is.

        In this order: one that is deleted cannot be called anything. `found` are its subscriptions.
        """
        if not account.customer_adopted and await self._is_gone(account, found):
            account = await self._in_place_of(tenant, account)
        await self._describe(tenant, account)
        return account

    async def _is_gone(self, account: Account, found: list[FetchedSubscription]) -> bool:
        """Whether Stripe has deleted it, by its subscriptions or, before it has any, by the customer itself."""
        if found or account.subscription_id is not None:
            return any(item.customer_gone for item in found)
        return await self._api.is_deleted(account.customer_id)

    async def _describe(self, tenant: TenantChanged, account: Account) -> None:
        name, email = tenant.display_name, tenant.owner.email
        if not account.customer_adopted and (account.customer_name, account.customer_email) != (name, email):
            await self._api.describe_customer(account.customer_id, name, email)
            async with self._db.tenant(tenant.tenant_id) as conn:
                await store.describe_customer(conn, tenant.tenant_id, name, email)

    async def _in_place_of(self, tenant: TenantChanged, gone: Account) -> Account:
        """Another customer than the one that was deleted at Stripe, for the owner to subscribe anew."""
        async with self._linking(tenant.tenant_id), attempt_of(self._db, tenant.tenant_id) as attempt:
            made = await self._api.customer_for(tenant.tenant_id, attempt, gone=gone.customer_id)
        reached("billing.customer-replaced")
        async with self._db.tenant(tenant.tenant_id) as conn:
            await store.replace_customer(conn, tenant.tenant_id, gone.customer_id, made)
            await store.end_linking(conn, tenant.tenant_id)
            account = await store.account(conn, tenant.tenant_id)
        assert account is not None  # noqa: S101 - changed just now
        return account

    async def not_stored(self, tenant: TenantChanged, account: Account | None) -> str | None:
        """The customer that a tenant has beside its account, if billing was interrupted before it was stored.

        Whether it came to that is not known: one that is to be made is made then at the latest.
        """
        tenant_id, asked = tenant.tenant_id, tenant.billing.customer_id
        async with self._db.tenant(tenant_id) as conn:
            if not await store.is_linking(conn, tenant_id):
                return None
        if asked is not None:
            return asked
        async with attempt_of(self._db, tenant_id) as attempt:
            gone = account.customer_id if account is not None else None
            return await self._api.customer_for(tenant_id, attempt, gone=gone)

    @asynccontextmanager
    async def _linking(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Around the call that asks Stripe for a customer: notes it, and takes that back where Stripe said no.

        Not where it was asked before: that may have come through.
        """
        async with self._db.tenant(tenant_id) as conn:
            first = await store.begin_linking(conn, tenant_id)
        try:
            yield
        except StripeRefused:
            if first:
                async with self._db.tenant(tenant_id) as conn:
                    await store.end_linking(conn, tenant_id)
            raise

    async def _link_customer(self, tenant_id: UUID, asked: str | None) -> Account:
        if asked is None:
            async with self._linking(tenant_id), attempt_of(self._db, tenant_id) as attempt:
                customer_id = await self._api.customer_for(tenant_id, attempt)
        else:
            customer_id = asked
            try:
                async with self._linking(tenant_id):
                    await self._api.adopt_customer(tenant_id, asked)
            except StripeRefused as error:
                reason = "CustomerTaken" if error.code == "customer_taken" else "CustomerNotFound"
                raise CannotProvision(reason, f"billing.customerId: {error}") from error
        reached("billing.customer-made")
        async with self._db.tenant(tenant_id) as conn:
            await store.add_account(conn, tenant_id, customer_id, adopted=asked is not None)
            await store.end_linking(conn, tenant_id)
            account = await store.account(conn, tenant_id)
        reached("billing.customer-stored")
        assert account is not None  # noqa: S101 - inserted just now
        return account
