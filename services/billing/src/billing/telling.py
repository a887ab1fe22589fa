"""What billing tells of what it has fetched: events of the subscription, and answers to the operator.

Called by the reconciler, in its transactions.
"""

from dataclasses import replace

from billing import store
from billing.domain import Subscription, event_for
from contracts.platform import BillingDetails, Component, ComponentState, StatusDetails, TenantChanged
from servicekit import outbox
from servicekit.clock import Clock
from servicekit.db import Connection
from servicekit.tenancy import report


async def tell(
    conn: Connection, tenant: TenantChanged, fetched: Subscription, clock: Clock, *, copy: bool = True
) -> None:
    """Stores a fetched subscription and publishes what has changed; with `copy` to the tenant's own stream too."""
    tenant_id = tenant.tenant_id
    before = await store.subscription(conn, tenant_id, fetched.subscription_id)
    fetched = replace(fetched, plan=fetched.plan or (before.plan if before else tenant.plan.name))
    event = event_for(before, fetched)
    if event is None:
        return
    account = await store.account(conn, tenant_id)
    await store.save_subscription(conn, tenant_id, fetched)
    told = event(
        tenant_id=tenant_id,
        customer_id=account.customer_id if account else "",
        subscription_id=fetched.subscription_id,
        status=fetched.status,
        plan=fetched.plan,
        price_id=fetched.price_id,
        current_period_end=fetched.current_period_end,
        cancel_at_period_end=fetched.cancel_at_period_end,
        occurred_at=clock(),
    )
    await outbox.publish(conn, Component.BILLING.value, told, copy_to=tenant if copy else None)


async def is_answered(conn: Connection, tenant: TenantChanged) -> bool:
    """Whether `ready` was answered to this very record."""
    last = await store.last_status(conn, tenant.tenant_id)
    return last is not None and last.generation == tenant.generation and last.state is ComponentState.READY


async def report_if_new(
    conn: Connection, tenant: TenantChanged, billing: BillingDetails, clock: Clock
) -> None:
    """Answers `ready`, unless the same was answered before: a webhook that changed nothing stays quiet."""
    last = await store.last_status(conn, tenant.tenant_id)
    if (
        last is not None
        and last.generation == tenant.generation
        and last.state is ComponentState.READY
        and last.details.billing == billing
    ):
        return
    message = "Billed by hand." if billing.state == "manual" else f"The subscription is {billing.state}."
    await report(
        conn,
        Component.BILLING,
        tenant.tenant_id,
        tenant.generation,
        ComponentState.READY,
        "Manual" if billing.state == "manual" else "Linked",
        message,
        StatusDetails(billing=billing),
        clock=clock,
    )
