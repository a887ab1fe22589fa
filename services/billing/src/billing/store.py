"""billing's tables: functions that take the transaction's connection and never commit.

Called by the service layer, the reconciler, the worker and the consumers.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg

from billing.domain import Account, Checkout, CheckoutMode, Invoice, Subscription, Task
from billing.errors import CannotProvision
from contracts.platform import TenantChanged, TenantStatusReported
from servicekit.db import Connection, constraint_of
from servicekit.queries import Queries

_SQL = Queries("billing")


async def _row(conn: Connection, statement: bytes, **values: Any) -> dict[str, Any] | None:
    return await (await conn.execute(statement, values)).fetchone()


async def tenant(conn: Connection, tenant_id: UUID) -> TenantChanged | None:
    """The tenant's record in any state but deleted."""
    row = await _row(conn, _SQL.tenant_record, tenant_id=tenant_id)
    return TenantChanged.model_validate(row["record"]) if row else None


async def last_status(conn: Connection, tenant_id: UUID) -> TenantStatusReported | None:
    """What billing last answered the operator."""
    row = await _row(conn, _SQL.last_status, tenant_id=tenant_id)
    return TenantStatusReported.model_validate(row["status"]) if row else None


async def account(conn: Connection, tenant_id: UUID) -> Account | None:
    row = await _row(conn, _SQL.account, tenant_id=tenant_id)
    return Account(**row) if row else None


async def add_account(conn: Connection, tenant_id: UUID, customer_id: str, *, adopted: bool) -> None:
    """Stores the customer. Raises CannotProvision when it is another tenant's."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "adopted": adopted}
    try:
        await conn.execute(_SQL.insert_account, values)
    except psycopg.errors.UniqueViolation as error:
        if constraint_of(error) != "account_customer":
            raise
        raise CannotProvision(
            "CustomerTaken", f"The Stripe customer {customer_id} belongs to another business."
        ) from error


async def release_customer(conn: Connection, tenant_id: UUID) -> None:
    """Lets another tenant adopt the customer that this one had."""
    await conn.execute(_SQL.release_customer, {"tenant_id": tenant_id})


async def replace_customer(conn: Connection, tenant_id: UUID, gone: str, customer_id: str) -> None:
    """Another customer in place of one that was deleted at Stripe; the subscription that ended stays linked."""
    values = {"tenant_id": tenant_id, "gone": gone, "customer_id": customer_id}
    await conn.execute(_SQL.replace_customer, values)


async def begin_linking(conn: Connection, tenant_id: UUID) -> bool:
    """Before Stripe is asked for a customer; False when it was asked before, and nothing stored since."""
    return bool((await conn.execute(_SQL.begin_linking, {"tenant_id": tenant_id})).rowcount)


async def end_linking(conn: Connection, tenant_id: UUID) -> None:
    """The customer is stored, or surely not there."""
    await conn.execute(_SQL.end_linking, {"tenant_id": tenant_id})


async def is_linking(conn: Connection, tenant_id: UUID) -> bool:
    """Whether Stripe was asked for a customer that is not stored."""
    return bool((await conn.execute(_SQL.linking, {"tenant_id": tenant_id})).rowcount)


async def is_touched(conn: Connection, tenant_id: UUID) -> bool:
    """Whether there may be something of the tenant's at Stripe, now or soon."""
    row = await _row(conn, _SQL.touched, tenant_id=tenant_id)
    return bool(row and row["touched"])


async def describe_customer(conn: Connection, tenant_id: UUID, name: str, email: str) -> None:
    await conn.execute(_SQL.describe_customer, {"tenant_id": tenant_id, "name": name, "email": email})


async def attempt(conn: Connection, tenant_id: UUID) -> int:
    """The number that the tenant's next creating call at Stripe has."""
    row = await _row(conn, _SQL.attempt, tenant_id=tenant_id)
    return int(row["attempt"]) if row else 0


async def attempt_failed(conn: Connection, tenant_id: UUID, number: int, *, replayed: bool) -> None:
    """Notes a failure that Stripe may keep under the attempt's keys; one that it gave again changes nothing."""
    values = {"tenant_id": tenant_id, "attempt": number, "replayed": replayed}
    await conn.execute(_SQL.attempt_failed, values)


async def link_subscription(conn: Connection, tenant_id: UUID, subscription_id: str | None) -> None:
    values = {"tenant_id": tenant_id, "subscription_id": subscription_id}
    await conn.execute(_SQL.link_subscription, values)


async def update_account(
    conn: Connection,
    tenant_id: UUID,
    *,
    product_id: str | None,
    price_id: str | None,
    subscription_id: str | None,
    has_payment_method: bool,
    payment_url: str | None,
) -> None:
    """Writes what a fetch has found; the account counts as fresh from now."""
    await conn.execute(
        _SQL.update_account,
        {
            "tenant_id": tenant_id,
            "product_id": product_id,
            "price_id": price_id,
            "subscription_id": subscription_id,
            "has_payment_method": has_payment_method,
            "payment_url": payment_url,
        },
    )


async def subscription(conn: Connection, tenant_id: UUID, subscription_id: str) -> Subscription | None:
    row = await _row(conn, _SQL.subscription, tenant_id=tenant_id, subscription_id=subscription_id)
    return Subscription(**row) if row else None


async def save_subscription(conn: Connection, tenant_id: UUID, fetched: Subscription) -> None:
    await conn.execute(_SQL.upsert_subscription, asdict(fetched) | {"tenant_id": tenant_id})


async def save_invoice(conn: Connection, tenant_id: UUID, fetched: Invoice) -> None:
    await conn.execute(_SQL.upsert_invoice, asdict(fetched) | {"tenant_id": tenant_id})


async def invoices(
    conn: Connection, tenant_id: UUID, before: tuple[datetime, str] | None, limit: int
) -> list[Invoice]:
    """Newest first, `limit` at most, older than `before` (creation time and id)."""
    moment, key = before or (None, None)
    values = {"tenant_id": tenant_id, "before": moment, "before_id": key, "limit": limit}
    return [Invoice(**row) for row in await (await conn.execute(_SQL.invoices, values)).fetchall()]


async def add_checkout(
    conn: Connection, tenant_id: UUID, session_id: str, mode: CheckoutMode, url: str, expires_at: datetime
) -> None:
    await conn.execute(
        _SQL.insert_checkout,
        {
            "tenant_id": tenant_id,
            "session_id": session_id,
            "mode": mode,
            "url": url,
            "expires_at": expires_at,
        },
    )


async def checkouts(conn: Connection, tenant_id: UUID) -> list[Checkout]:
    """The last sessions, the one that lasts longest first."""
    rows = await (await conn.execute(_SQL.checkouts, {"tenant_id": tenant_id})).fetchall()
    return [Checkout(**row) for row in rows]


async def close_checkout(
    conn: Connection, tenant_id: UUID, session_id: str, state: Literal["complete", "expired"]
) -> None:
    values = {"tenant_id": tenant_id, "session_id": session_id, "state": state}
    await conn.execute(_SQL.close_checkout, values)


async def want(conn: Connection, tenant_id: UUID, wanted: Literal["reconcile", "remove"]) -> None:
    """Asks the worker to see to a tenant, now."""
    await conn.execute(_SQL.want, {"tenant_id": tenant_id, "wanted": wanted})


async def due_tasks(conn: Connection, limit: int) -> list[Task]:
    rows = await (await conn.execute(_SQL.due_tasks, {"limit": limit})).fetchall()
    return [Task(**row) for row in rows]


async def finish_task(conn: Connection, task: Task) -> bool:
    """False when something was wished for meanwhile: the task stays due."""
    values = {"tenant_id": task.tenant_id, "version": task.version}
    return bool((await conn.execute(_SQL.finish_task, values)).rowcount)


async def postpone_task(conn: Connection, task: Task, seconds: float) -> None:
    values = {"tenant_id": task.tenant_id, "version": task.version, "seconds": seconds}
    await conn.execute(_SQL.postpone_task, values)


async def add_event(conn: Connection, event_id: str, event_type: str, customer_id: str | None) -> bool:
    """Puts one of Stripe's events into the inbox; False when it was there."""
    values = {"event_id": event_id, "type": event_type, "customer_id": customer_id}
    return bool((await conn.execute(_SQL.insert_event, values)).rowcount)


async def want_for_events(conn: Connection) -> None:
    """Turns unhandled events into tasks."""
    await conn.execute(_SQL.want_for_events)


async def want_stale(conn: Connection, seconds: int) -> int:
    """Asks for accounts not fetched for this long; answers how many."""
    return (await conn.execute(_SQL.want_stale, {"seconds": seconds})).rowcount


async def forget_events(conn: Connection, limit: int) -> None:
    """Removes up to `limit` events that were handled more than 60 days ago, the oldest first."""
    await conn.execute(_SQL.forget_events, {"limit": limit})


async def count_appointment(conn: Connection, tenant_id: UUID, month: str, kind: str) -> None:
    values = {"tenant_id": tenant_id, "month": month, "kind": kind}
    await conn.execute(_SQL.count_appointment, values)


async def appointment_counts(conn: Connection, tenant_id: UUID, month: str) -> dict[str, int]:
    values = {"tenant_id": tenant_id, "month": month}
    rows = await (await conn.execute(_SQL.appointment_counts, values)).fetchall()
    return {row["kind"]: row["count"] for row in rows}
