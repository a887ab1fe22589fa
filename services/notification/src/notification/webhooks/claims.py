"""Which deliveries are claimed next: functions that take a worker's transaction and never commit.

Called by notification.webhooks.delivery. A claim reads no more than the deliveries of endpoints that may have
something due, each from a time on, which its caller keeps from claim to claim: before it lies what was settled
(docs/adr/0025).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from servicekit.db import Connection
from servicekit.queries import Queries

_SQL = Queries("notification.webhooks", "claims.sql")

Waiting = dict[tuple[UUID, UUID], datetime]
"""Endpoints (tenant's id, own id) that may have a delivery that is due, each with a time before which none is."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that is ours until `lease_ends`."""

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    lease_ends: datetime


async def newly_due(conn: Connection, since: datetime, now: datetime) -> Waiting:
    """The endpoints with a delivery that is queued, and whose time came from `since` to `now`."""
    return await _waiting(conn, _SQL.newly_due, since=since, now=now)


async def waiting(conn: Connection, now: datetime) -> Waiting:
    """All endpoints with a delivery that is due, the lease of a sender that died included. May take long."""
    await conn.execute(_SQL.in_index_order)
    return await _waiting(conn, _SQL.waiting, now=now)


async def claim(
    conn: Connection,
    among: Mapping[tuple[UUID, UUID], datetime],
    now: datetime,
    lease_ends: datetime,
    *,
    places: int,
    share: int,
    limit: int,
    kept: int,
) -> tuple[list[ClaimedDelivery], Waiting]:
    """Deliveries whose turn it is, `limit` at most, of the endpoints `among`; and which of these may have more.

    With those under way, an endpoint has `places` at most, and a business `share` but for the first of each
    endpoint; `kept` of the `limit` go to such firsts alone.
    """
    if not among:
        return [], {}
    await conn.execute(_SQL.in_index_order)
    await conn.execute(_SQL.lock_claims)
    values = {
        "tenant_ids": [tenant_id for tenant_id, _ in among],
        "endpoint_ids": [endpoint_id for _, endpoint_id in among],
        "since": list(among.values()),
        "now": now,
        "lease_ends": lease_ends,
        "places": places,
        "share": share,
        "limit": limit,
        "kept": kept,
    }
    claimed: list[ClaimedDelivery] = []
    left: Waiting = {}
    for row in await (await conn.execute(_SQL.claim, values)).fetchall():
        tenant_id, endpoint_id = endpoint = row["tenant_id"], row["endpoint_id"]
        left[endpoint] = max(left.get(endpoint, row["since"]), row["due_at"] or row["since"])
        if row["delivery_id"] is not None:
            claimed.append(ClaimedDelivery(tenant_id, row["delivery_id"], endpoint_id, lease_ends))
    return claimed, left


async def overdue_since(conn: Connection) -> datetime | None:
    """When the delivery that is due first is, or was, to be sent; None while none is queued. May take long."""
    row = await (await conn.execute(_SQL.overdue)).fetchone()
    return row["since"] if row else None


async def _waiting(conn: Connection, statement: bytes, **values: datetime) -> Waiting:
    rows = await (await conn.execute(statement, values)).fetchall()
    return {(row["tenant_id"], row["endpoint_id"]): row["since"] for row in rows}
