"""Brings Stripe to what a tenant's record asks for, and the tables to what Stripe holds. Called by the worker.

Level-triggered: whatever the reason (a new tenant, another plan, a webhook, a resync), the same steps are taken,
each of which looks first at what is there. Stripe is never called inside a transaction; each id is stored as soon
as it is known, and a crash between a call and its storing is covered by the call's idempotency key and by looking
for what is there. So a tenant never gets two customers or two subscriptions.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from billing import store
from billing.attempts import attempt_of
from billing.customers import Customers
from billing.domain import Account, FetchedSubscription, Subscription, Task, current, of_tenant, trial_left
from billing.errors import CannotProvision, StripeRefused
from billing.stripe_api import StripeApi
from billing.telling import is_answered, report_if_new, tell
from contracts.platform import BillingDetails, DeletionPolicy, PlanSnapshot, TenantChanged
from servicekit import removal
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.faults import reached

log = structlog.get_logger(__name__)

MANUAL = BillingDetails(state="manual")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The plan, and the product and price that it has at Stripe."""

    product_id: str
    price_id: str
    plan: PlanSnapshot


class Reconciler:
    """`return_url` is the page that hosted pages lead back to."""

    def __init__(self, db: Database, api: StripeApi, *, return_url: str, clock: Clock = utc_now) -> None:
        self._db = db
        self._api = api
        self._return_url = return_url
        self._clock = clock
        self._customers = Customers(db, api)
        # By the plan's name, whether its product was called so, and whether an adopted price was held already: what
        # the plan was before, it is no more at Stripe.
        self._prices: dict[tuple[str, bool, bool], _Wanted] = {}

    async def reconcile(self, tenant: TenantChanged) -> None:
        """Everything for a tenant that is served; ends with a report when there is news.

        Raises StripeUnavailable, StripeRefused, CannotProvision.
        """
        if tenant.billing.mode == "Manual":
            await self._leave_stripe(tenant)
            return
        if not self._api.configured:
            raise CannotProvision(
                "StripeNotConfigured",
                "This installation has no Stripe key; set one, or billing.mode: Manual.",
            )
        try:
            wanted = await self._price(tenant)
            reached("billing.price-known")
            account = await self._customers.of(tenant)
            found = await self._claimed(tenant, account, wanted)
            account = await self._customers.living(tenant, account, found)
            found = await self._subscriptions(tenant, account, wanted, found)
            found = await self._cards(tenant, account, wanted, found)
            await self._offer_checkout(tenant, account, wanted, current(account.subscription_id, found))
        except (StripeRefused, CannotProvision) as error:
            with suppress(StripeRefused):
                error.seen = await self._look(tenant)
            raise
        await self._save(tenant, account, wanted, found)

    async def _look(self, tenant: TenantChanged) -> BillingDetails | None:
        """What Stripe holds of a tenant that cannot be brought to what is wanted, stored and told but not answered.

        Else one would be served on who no longer pays, and a card that was given would not be charged.
        """
        async with self._db.tenant(tenant.tenant_id) as conn:
            account = await store.account(conn, tenant.tenant_id)
        if account is None:
            return None
        found = await self._fetched(account, None)
        found = of_tenant(tenant.tenant_id, account.subscription_id, found)
        return await self._save(tenant, account, None, await self._cards(tenant, account, None, found))

    async def remove(self, tenant: TenantChanged, task: Task) -> None:
        """Ends the subscription; has the rows erased or kept, which answers `deleted`. Raises as `reconcile`.

        The customer is let go, for another tenant to adopt, or erased where billing made it and nothing is kept.
        The task is done with that, once: what was asked for meanwhile is a task of its own.
        """
        async with self._db.tenant(tenant.tenant_id) as conn:
            account = await store.account(conn, tenant.tenant_id)
        if self._api.configured:
            left = await self._customers.not_stored(tenant, account)
            if left is not None:
                await self._let_go(tenant, left, adopted=tenant.billing.customer_id is not None)
            if account is not None:
                await self._end(tenant, account, copy=False)
                await self._let_go(tenant, account.customer_id, adopted=account.customer_adopted)
        async with self._db.tenant(tenant.tenant_id) as conn:
            await store.end_linking(conn, tenant.tenant_id)
            await store.release_customer(conn, tenant.tenant_id)
            if await store.finish_task(conn, task):
                await removal.begin(conn, tenant, {"task": 1})

    async def _let_go(self, tenant: TenantChanged, customer_id: str, *, adopted: bool) -> None:
        if tenant.deletion_policy is DeletionPolicy.DELETE and not adopted:
            await self._api.delete_customer(tenant.tenant_id, customer_id)
        else:
            await self._api.release_customer(tenant.tenant_id, customer_id)
            reached("billing.customer-released")

    async def _leave_stripe(self, tenant: TenantChanged) -> None:
        """Manual mode: what was subscribed before ends, so that nobody is charged twice."""
        async with self._db.tenant(tenant.tenant_id) as conn:
            account = await store.account(conn, tenant.tenant_id)
        if account is not None and self._api.configured:
            await self._end(tenant, account, copy=True)
            invoices = await self._api.invoices(account.customer_id)
            async with self._db.tenant(tenant.tenant_id) as conn:
                for invoice in invoices:  # one that was open may be paid since
                    await store.save_invoice(conn, tenant.tenant_id, invoice)
                await store.update_account(
                    conn,
                    tenant.tenant_id,
                    product_id=account.product_id,
                    price_id=account.price_id,
                    subscription_id=None,
                    has_payment_method=account.has_payment_method,
                    payment_url=None,
                )
        async with self._db.tenant(tenant.tenant_id) as conn:
            await report_if_new(conn, tenant, MANUAL, self._clock)

    async def _end(self, tenant: TenantChanged, account: Account, *, copy: bool) -> None:
        """Ends the tenant's subscriptions and tells it; what else an adopted customer subscribes to goes on.

        Pages that would subscribe anew are closed before, as they could be paid after.
        """
        await self._close_pages(tenant.tenant_id)
        found = await self._fetched(account, None)
        for item in of_tenant(tenant.tenant_id, account.subscription_id, found):
            if item.stored.live:
                await self._api.cancel(item.stored.subscription_id)
        reached("billing.subscription-cancelled")
        found = await self._fetched(account, None)
        async with self._db.tenant(tenant.tenant_id) as conn:
            for item in of_tenant(tenant.tenant_id, account.subscription_id, found):
                await tell(conn, tenant, item.stored, self._clock, copy=copy)

    async def _close_pages(self, tenant_id: UUID) -> None:
        async with self._db.tenant(tenant_id) as conn:
            sessions = await store.checkouts(conn, tenant_id)
        for session in sessions:
            if session.state == "open" and session.mode == "subscription":
                closed = await self._api.expire_checkout(session.session_id)
                async with self._db.tenant(tenant_id) as conn:
                    await store.close_checkout(
                        conn, tenant_id, session.session_id, "expired" if closed else "complete"
                    )

    async def _price(self, tenant: TenantChanged) -> _Wanted:
        """What the tenant's plan is at Stripe, called as the plan is by a record that is new.

        An older one, of a tenant that is paused, may have the plan's name from before.
        """
        plan = tenant.plan
        async with self._db.tenant(tenant.tenant_id) as conn:
            naming = not await is_answered(conn, tenant)
            account = await store.account(conn, tenant.tenant_id)
        held = account is not None and account.price_id == plan.stripe_price_id
        known = self._prices.get((plan.name, naming, held))
        if known is not None and known.plan == plan:
            return known
        try:
            product_id, price_id = await self._api.product_and_price(plan, naming=naming, held=held)
        except StripeRefused as error:
            raise CannotProvision("PriceRefused", f"The plan {plan.name}: {error}") from error
        wanted = self._prices[plan.name, naming, held] = _Wanted(product_id, price_id, plan)
        return wanted

    def forget_prices(self) -> None:
        """Now and then, and after Stripe has refused something: somebody may have archived one."""
        self._prices.clear()

    async def _subscriptions(
        self, tenant: TenantChanged, account: Account, wanted: _Wanted, found: list[FetchedSubscription]
    ) -> list[FetchedSubscription]:
        """The tenant's subscriptions once they are as wanted: one that lives, at the plan's price."""
        tenant_id = tenant.tenant_id
        present = current(account.subscription_id, found)
        changed = False
        for extra in found:  # two checkout pages, both paid
            if present is not None and extra.stored.live and extra is not present:
                log.warning("extra subscription cancelled", subscription=extra.stored.subscription_id)
                await self._api.cancel(extra.stored.subscription_id, credit=extra.stored.status == "active")
                changed = True
        if present is not None and present.stored.live and present.stored.price_id != wanted.price_id:
            changed = True
            if present.stored.status == "incomplete":  # Stripe does not reprice what was never paid
                await self._drop_unpaid(tenant_id, present.stored.subscription_id)
                await self._subscribe(tenant, account, wanted, found)
            else:
                await self._api.change_plan(present, wanted.price_id, tenant.plan.name)
                reached("billing.plan-changed")
        if present is None and account.subscription_id is None:
            await self._subscribe(tenant, account, wanted, found)
            changed = True
        if changed:
            found = await self._claimed(tenant, account, wanted)
        if (now := current(account.subscription_id, found)) is not None:
            async with self._db.tenant(tenant_id) as conn:
                await store.link_subscription(conn, tenant_id, now.stored.subscription_id)
            reached("billing.subscription-stored")
        return found

    async def _drop_unpaid(self, tenant_id: UUID, subscription_id: str) -> None:
        """Ends a subscription that another is to follow.

        Unlinked first: were it linked still, and what follows failed, it would pass for one that someone has ended,
        and be left at that. Ended before the next begins, as a customer's are all of one currency.
        """
        async with self._db.tenant(tenant_id) as conn:
            await store.link_subscription(conn, tenant_id, None)
        await self._api.cancel(subscription_id)
        reached("billing.unpaid-cancelled")

    async def _subscribe(
        self, tenant: TenantChanged, account: Account, wanted: _Wanted, earlier: list[FetchedSubscription]
    ) -> None:
        async with attempt_of(self._db, tenant.tenant_id) as attempt:
            await self._api.subscribe(
                tenant.tenant_id,
                account.customer_id,
                wanted.price_id,
                tenant.plan.name,
                trial_left(tenant.billing.trial_days, earlier, self._clock()),
                len(earlier),
                attempt,
            )
        reached("billing.subscription-made")

    async def _fetched(self, account: Account, wanted: _Wanted | None) -> list[FetchedSubscription]:
        """The customer's subscriptions, at the plan's price or at the one that it had."""
        prices = (wanted.price_id if wanted else None, account.price_id)
        return await self._api.subscriptions(account.customer_id, prices)

    async def _claimed(
        self, tenant: TenantChanged, account: Account, wanted: _Wanted
    ) -> list[FetchedSubscription]:
        """The customer's subscriptions that are the tenant's.

        Where none of them lives, an adopted customer's own at this price becomes so. Raises CannotProvision where
        there are several of those: the tenant's are ended but for one, and whose they are is not ours to say.
        """
        found = await self._fetched(account, wanted)
        ours = of_tenant(tenant.tenant_id, account.subscription_id, found)
        if not account.customer_adopted or any(item.stored.live for item in ours):
            return ours
        own = [
            item
            for item in found
            if item.tenant_id is None and item.stored.live and item.stored.price_id == wanted.price_id
        ]
        if len(own) > 1:
            names = ", ".join(item.stored.subscription_id for item in own)
            raise CannotProvision(
                "SubscriptionUnclear",
                f"The customer has several subscriptions at the price of the plan {tenant.plan.name}: {names}."
                f" Give this business's the metadata tenant_id = {tenant.tenant_id} at Stripe.",
            )
        if not own:
            return ours
        await self._api.claim_subscription(own[0].stored.subscription_id, tenant.tenant_id)
        return [replace(own[0], tenant_id=str(tenant.tenant_id)), *ours]

    async def _cards(
        self,
        tenant: TenantChanged,
        account: Account,
        wanted: _Wanted | None,
        found: list[FetchedSubscription],
    ) -> list[FetchedSubscription]:
        """Looks at the open checkout sessions: a card that was given becomes the one that is charged."""
        async with self._db.tenant(tenant.tenant_id) as conn:
            sessions = await store.checkouts(conn, tenant.tenant_id)
        given = False
        for session in (item for item in sessions if item.state == "open"):
            state, card = await self._api.completed_checkout(session.session_id)
            if state == "complete" and session.mode == "setup" and card is not None:
                try:
                    await self._api.use_card(account.customer_id, card, found)
                except StripeRefused as error:
                    if error.code != "resource_missing":
                        raise
                    log.warning("card was taken away again", customer=account.customer_id)
                given = True
            if state in {"complete", "expired"}:
                async with self._db.tenant(tenant.tenant_id) as conn:
                    await store.close_checkout(
                        conn,
                        tenant.tenant_id,
                        session.session_id,
                        "complete" if state == "complete" else "expired",
                    )
        if not given:
            return found
        mine = {item.stored.subscription_id for item in found}
        fetched = await self._fetched(account, wanted)
        return [item for item in fetched if item.stored.subscription_id in mine]

    async def _offer_checkout(
        self, tenant: TenantChanged, account: Account, wanted: _Wanted, present: FetchedSubscription | None
    ) -> None:
        """The first page on which the owner gives a card; later ones are made when the owner asks."""
        if present is None or not present.stored.live or present.has_payment_method:
            return
        if not wanted.plan.price.amount:
            return
        async with self._db.tenant(tenant.tenant_id) as conn:
            if await store.checkouts(conn, tenant.tenant_id):
                return
        async with attempt_of(self._db, tenant.tenant_id) as attempt:
            session_id, url, expires_at = await self._api.checkout(
                tenant.tenant_id,
                account.customer_id,
                "setup",
                price_id=wanted.price_id,
                plan=tenant.plan.name,
                currency=tenant.plan.price.currency,
                return_url=self._return_url,
                key=present.stored.subscription_id,
                attempt=attempt,
            )
        reached("billing.checkout-made")
        async with self._db.tenant(tenant.tenant_id) as conn:
            await store.add_checkout(conn, tenant.tenant_id, session_id, "setup", url, expires_at)

    async def _save(
        self,
        tenant: TenantChanged,
        account: Account,
        wanted: _Wanted | None,
        found: list[FetchedSubscription],
    ) -> BillingDetails:
        """Stores what was fetched, tells what has changed, and answers the operator: one transaction.

        Without `wanted`, which was not reached, the operator is left to be answered.
        """
        tenant_id = tenant.tenant_id
        invoices = await self._api.invoices(account.customer_id)
        now = current(account.subscription_id, found)
        async with self._db.tenant(tenant_id) as conn:
            for item in found:
                plan = item.stored.plan or tenant.plan.name
                await tell(conn, tenant, replace(item.stored, plan=plan), self._clock)
            for invoice in invoices:
                await store.save_invoice(conn, tenant_id, invoice)
            linked = now.stored if now else await self._linked(conn, tenant_id, account)
            await store.update_account(
                conn,
                tenant_id,
                product_id=wanted.product_id if wanted else account.product_id,
                price_id=wanted.price_id if wanted else account.price_id,
                subscription_id=linked.subscription_id if linked else None,
                has_payment_method=now.has_payment_method if now else account.has_payment_method,
                payment_url=now.payment_url if now else None,
            )
            details = BillingDetails(
                customer_id=account.customer_id,
                subscription_id=linked.subscription_id if linked else None,
                state=linked.status if linked else None,
                current_period_end=linked.current_period_end if linked else None,
                checkout_url=await self._checkout_url(conn, tenant_id, now),
                product_id=wanted.product_id if wanted else account.product_id,
                price_id=wanted.price_id if wanted else account.price_id,
            )
            if wanted is not None:
                await report_if_new(conn, tenant, details, self._clock)
        return details

    async def _linked(self, conn: Connection, tenant_id: UUID, account: Account) -> Subscription | None:
        """The subscription that ended with a customer who was deleted at Stripe, where none has followed."""
        key = account.subscription_id
        return await store.subscription(conn, tenant_id, key) if key else None

    async def _checkout_url(
        self, conn: Connection, tenant_id: UUID, now: FetchedSubscription | None
    ) -> str | None:
        """Where the owner can pay or give a card: an open checkout page, else an open invoice's."""
        for session in await store.checkouts(conn, tenant_id):
            if session.state == "open" and session.expires_at > self._clock():
                return session.url
        return now.payment_url if now else None
