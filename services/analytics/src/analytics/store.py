"""analytics's tables: functions that take the transaction's connection and never commit.

Called by the service layer and the consumers.
"""

from datetime import datetime
from uuid import UUID

from analytics.domain import Count, Span, Subscription
from contracts.billing import SubscriptionEvent
from contracts.booking import AppointmentEvent
from contracts.notification import MessageEvent
from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("analytics")


async def put_appointment(
    conn: Connection, event: AppointmentEvent, status: str, *, confirmed: bool, booked_at: datetime | None
) -> None:
    """Stores what the event tells; of two versions the later one counts, whichever comes last."""
    values = {
        "tenant_id": event.tenant_id,
        "appointment_id": event.appointment_id,
        "version": event.version,
        "status": status,
        "confirmed": confirmed,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "occurred_at": event.occurred_at,
        "booked_at": booked_at,
    }
    await conn.execute(_SQL.put_appointment, values)


async def put_reminder(conn: Connection, event: MessageEvent, outcome: str) -> None:
    """Keeps what became of a reminder: `sent` or `failed`."""
    values = {
        "tenant_id": event.tenant_id,
        "message_id": event.message_id,
        "outcome": outcome,
        "occurred_at": event.occurred_at,
    }
    await conn.execute(_SQL.put_reminder, values)


async def put_subscription(conn: Connection, event: SubscriptionEvent) -> None:
    """Stores what the event tells, unless a later event has been stored."""
    values = {
        "tenant_id": event.tenant_id,
        "subscription_id": event.subscription_id,
        "status": event.status,
        "plan": event.plan,
        "occurred_at": event.occurred_at,
    }
    await conn.execute(_SQL.put_subscription, values)


async def subscription(conn: Connection, tenant_id: UUID) -> Subscription | None:
    """The latest that has not ended, else the latest; None for a business never billed through Stripe."""
    row = await (await conn.execute(_SQL.subscription, {"tenant_id": tenant_id})).fetchone()
    return Subscription(**row) if row else None


async def counts(conn: Connection, tenant_id: UUID, span: Span, settle_by: datetime) -> list[Count]:
    """What happened on the span's days; an open appointment that ended before `settle_by` is unsettled."""
    midnights = span.midnights()
    values = {
        "tenant_id": tenant_id,
        "first": midnights[0],
        "last": midnights[-1],
        "midnights": midnights[:-1],
        "settle_by": settle_by,
    }
    rows = await (await conn.execute(_SQL.counts, values)).fetchall()
    return [Count(**row) for row in rows]
