"""The tables of webhooks: functions that take the transaction's connection and never commit.

Called by the rest of notification.webhooks; by notification.delivery, which tells owners of disabled endpoints; and
by notification.consumers, which deletes the endpoints of a business that leaves. Whoever locks several rows locks
the endpoint's first, then the delivery's, then the attempt's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from notification.webhooks.claims import ClaimedDelivery
from notification.webhooks.domain import Attempt, Delivery, DeliveryStatus, DisabledFor, Endpoint, Reply
from servicekit.db import Connection, affected
from servicekit.ids import new_id
from servicekit.queries import Queries

_SQL = Queries("notification.webhooks")


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret of an endpoint as it is stored; it opens under its id only."""

    secret_id: UUID
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is queued for an endpoint and failed when that was disabled, at `failed_at`: all, or up to a number."""

    tenant_id: UUID
    endpoint_id: UUID
    failed_at: datetime
    up_to: int | None = None


def _endpoint(row: dict[str, Any]) -> Endpoint:
    reason = row["disabled_reason"]
    return Endpoint(
        **row | {"events": tuple(row["events"]), "disabled_reason": DisabledFor(reason) if reason else None}
    )


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(**row | {"status": DeliveryStatus(row["status"])})


async def _one(conn: Connection, statement: bytes, **values: Any) -> dict[str, Any] | None:
    return await (await conn.execute(statement, values)).fetchone()


# endpoints


async def lock_count(conn: Connection, tenant_id: UUID) -> int:
    """How many endpoints there are; none is added by others until the transaction's end."""
    await conn.execute(_SQL.lock_endpoints, {"tenant_id": tenant_id})
    row = await _one(conn, _SQL.count_endpoints, tenant_id=tenant_id)
    return row["n"] if row else 0


async def add_endpoint(
    conn: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    url: str,
    events: Sequence[str],
    description: str,
    now: datetime,
) -> Endpoint:
    values = {
        "tenant_id": tenant_id,
        "endpoint_id": endpoint_id,
        "url": url,
        "events": list(events),
        "description": description,
        "now": now,
    }
    row = await (await conn.execute(_SQL.add_endpoint, values)).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    return _endpoint(row)


async def endpoints(conn: Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[Endpoint]:
    """By id, `limit` at most, behind `after`."""
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_endpoint(row) for row in await (await conn.execute(_SQL.endpoints, values)).fetchall()]


async def endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    row = await _one(conn, _SQL.endpoint, tenant_id=tenant_id, endpoint_id=endpoint_id)
    return _endpoint(row) if row else None


async def lock_endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    row = await _one(conn, _SQL.lock_endpoint, tenant_id=tenant_id, endpoint_id=endpoint_id)
    return _endpoint(row) if row else None


async def update_endpoint(conn: Connection, changed: Endpoint) -> Endpoint:
    """Stores a locked endpoint as changed; answers it with its new version."""
    values = {
        "tenant_id": changed.tenant_id,
        "endpoint_id": changed.endpoint_id,
        "url": changed.url,
        "events": list(changed.events),
        "description": changed.description,
        "disabled_reason": changed.disabled_reason.value if changed.disabled_reason else None,
        "disabled_at": changed.disabled_at,
        "failing_since": changed.failing_since,
    }
    row = await (await conn.execute(_SQL.update_endpoint, values)).fetchone()
    assert row is not None  # noqa: S101 - it is locked
    return _endpoint(row)


async def mark_failing(conn: Connection, tenant_id: UUID, endpoint_id: UUID, now: datetime) -> None:
    """It is failing since now, unless it was before. Keeps the version: this is no edit."""
    await conn.execute(_SQL.mark_failing, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "now": now})


async def clear_failing(conn: Connection, tenant_id: UUID, endpoint_id: UUID, url: str) -> None:
    """Notes that `url` has answered well. An endpoint that was moved since, or disabled, stays as it is."""
    await conn.execute(_SQL.clear_failing, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "url": url})


async def delete_endpoints(
    conn: Connection, tenant_id: UUID, now: datetime, endpoint_id: UUID | None = None
) -> None:
    """Deletes one, or all of a business that leaves: secrets at once, deliveries later (`sweep_deleted`)."""
    values = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "now": now}
    for statement in (_SQL.hide_endpoints, _SQL.drop_secrets):
        await conn.execute(statement, values)


# secrets


async def add_secret(conn: Connection, tenant_id: UUID, endpoint_id: UUID, secret: SealedSecret) -> None:
    """Adds the present secret; the one before it must have been replaced."""
    values = {
        "tenant_id": tenant_id,
        "endpoint_id": endpoint_id,
        "secret_id": secret.secret_id,
        "sealed": secret.sealed,
    }
    await conn.execute(_SQL.add_secret, values)


async def replace_secret(conn: Connection, tenant_id: UUID, endpoint_id: UUID, ends_at: datetime) -> None:
    """Has the present secret sign until `ends_at`, beside the one that is added next."""
    await conn.execute(
        _SQL.replace_secret, {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "ends_at": ends_at}
    )


async def secrets(conn: Connection, tenant_id: UUID, endpoint_id: UUID, now: datetime) -> list[SealedSecret]:
    """Those that sign now, the present one first."""
    values = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "now": now}
    rows = await (await conn.execute(_SQL.secrets, values)).fetchall()
    return [SealedSecret(row["secret_id"], bytes(row["sealed"])) for row in rows]


async def old_secrets(
    conn: Connection, tenant_id: UUID, now: datetime, endpoint_id: UUID | None = None
) -> dict[UUID, datetime]:
    """By endpoint, until when a replaced secret signs; without endpoints that have none."""
    values = {"tenant_id": tenant_id, "now": now, "endpoint_id": endpoint_id}
    rows = await (await conn.execute(_SQL.old_secrets, values)).fetchall()
    return {row["endpoint_id"]: row["ends_at"] for row in rows}


# deliveries


async def queue(
    conn: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    webhook_id: str,
    event_type: str,
    body: str,
    now: datetime,
) -> UUID | None:
    """Queues one delivery; None when the endpoint has had this event before."""
    delivery_id = new_id()
    values = {
        "tenant_id": tenant_id,
        "delivery_id": delivery_id,
        "endpoint_id": endpoint_id,
        "webhook_id": webhook_id,
        "type": event_type,
        "body": body,
        "now": now,
    }
    return delivery_id if affected(await conn.execute(_SQL.queue, values)) else None


async def interested(conn: Connection, tenant_id: UUID, event_type: str) -> list[UUID]:
    """The endpoints that an event goes to, whose rows stay until the transaction's end."""
    values = {"tenant_id": tenant_id, "type": event_type}
    return [row["endpoint_id"] for row in await (await conn.execute(_SQL.interested, values)).fetchall()]


async def lock_claimed(conn: Connection, claimed: ClaimedDelivery) -> Delivery | None:
    """None when it is not ours any more."""
    row = await _one(
        conn,
        _SQL.lock_claimed,
        tenant_id=claimed.tenant_id,
        delivery_id=claimed.delivery_id,
        lease_ends=claimed.lease_ends,
    )
    return _delivery(row) if row else None


async def begin(conn: Connection, delivery: Delivery, now: datetime) -> None:
    """Writes down that the next attempt begins."""
    values = {
        "tenant_id": delivery.tenant_id,
        "delivery_id": delivery.delivery_id,
        "number": delivery.attempts + 1,
        "now": now,
    }
    await conn.execute(_SQL.begin, values)
    await conn.execute(_SQL.add_attempt, values)


async def end_attempt(conn: Connection, delivery: Delivery, number: int, reply: Reply, took: float) -> None:
    """Writes down what came of an attempt; `took` is in seconds."""
    values = {
        "tenant_id": delivery.tenant_id,
        "delivery_id": delivery.delivery_id,
        "number": number,
        "milliseconds": round(took * 1000),
        "http_status": reply.http_status,
        "error": reply.error,
        "response": reply.response,
    }
    await conn.execute(_SQL.end_attempt, values)


async def postpone(conn: Connection, delivery: Delivery, attempts: int, next_attempt_at: datetime) -> bool:
    """`attempts` is the number of the attempt that failed; False when another has overtaken it."""
    values = {
        "tenant_id": delivery.tenant_id,
        "delivery_id": delivery.delivery_id,
        "attempts": attempts,
        "next_attempt_at": next_attempt_at,
    }
    return affected(await conn.execute(_SQL.postpone, values))


async def settle(
    conn: Connection,
    delivery: Delivery,
    attempts: int,
    status: DeliveryStatus,
    reason: str | None,
    now: datetime,
) -> bool:
    """False when another attempt has overtaken this one, or the endpoint is gone."""
    values = {
        "tenant_id": delivery.tenant_id,
        "delivery_id": delivery.delivery_id,
        "attempts": attempts,
        "status": status.value,
        "reason": reason,
        "now": now,
    }
    return affected(await conn.execute(_SQL.settle, values))


async def fail_queued(conn: Connection, backlog: Backlog, now: datetime, limit: int) -> int:
    """Marks what of a locked endpoint's queue has failed with it, `limit` at most; answers how many."""
    values = asdict(backlog) | {"now": now, "limit": limit}
    return (await conn.execute(_SQL.fail_queued, values)).rowcount


async def set_backlog(
    conn: Connection, tenant_id: UUID, endpoint_id: UUID, failed_at: datetime | None
) -> None:
    """Notes on a locked endpoint that what is queued by now failed at `failed_at`; None once all is marked."""
    values = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "failed_at": failed_at}
    await conn.execute(_SQL.set_backlog, values)


async def deliveries(
    conn: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    delivery_id: UUID | None = None,
    status: DeliveryStatus | None = None,
    event_type: str | None = None,
    after: UUID | None = None,
    limit: int = 1,
) -> list[Delivery]:
    """The newest first, `limit` at most, older than `after`; or one."""
    values = {
        "tenant_id": tenant_id,
        "endpoint_id": endpoint_id,
        "delivery_id": delivery_id,
        "status": status.value if status else None,
        "type": event_type,
        "after": after,
        "limit": limit,
    }
    await conn.execute(_SQL.in_log_order)
    return [_delivery(row) for row in await (await conn.execute(_SQL.deliveries, values)).fetchall()]


async def delivery(
    conn: Connection, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID
) -> Delivery | None:
    found = await deliveries(conn, tenant_id, endpoint_id, delivery_id=delivery_id)
    return found[0] if found else None


async def attempts(
    conn: Connection, tenant_id: UUID, delivery_ids: Sequence[UUID]
) -> dict[UUID, list[Attempt]]:
    """By delivery, in their order; a delivery without any is left out."""
    values = {"tenant_id": tenant_id, "delivery_ids": list(delivery_ids)}
    found: dict[UUID, list[Attempt]] = {}
    for row in await (await conn.execute(_SQL.attempts, values)).fetchall():
        found.setdefault(row.pop("delivery_id"), []).append(Attempt(**row))
    return found


async def resend(conn: Connection, found: Delivery, now: datetime) -> Delivery | None:
    """Queues it again; None when it is being sent at the moment."""
    row = await _one(conn, _SQL.resend, tenant_id=found.tenant_id, delivery_id=found.delivery_id, now=now)
    return _delivery(row) if row else None


# across tenants


async def sweep(conn: Connection, now: datetime, kept_since: datetime, limit: int) -> tuple[int, int]:
    """Removes deliveries settled before `kept_since`, `limit` at most, and secrets that sign no more."""
    gone = (await conn.execute(_SQL.sweep_deliveries, {"before": kept_since, "limit": limit})).rowcount
    ended = (await conn.execute(_SQL.sweep_secrets, {"now": now})).rowcount
    return gone, ended


async def lock_backlog(conn: Connection, now: datetime) -> Backlog | None:
    """The backlog of an endpoint that nobody else has locked; locks it until the transaction's end."""
    row = await _one(conn, _SQL.lock_backlog, now=now)
    return Backlog(**row) if row else None


async def sweep_deleted(conn: Connection, limit: int) -> int:
    """Removes deliveries of deleted endpoints, `limit` at most, and those endpoints that have none left.

    Answers how many deliveries there were.
    """
    gone = (await conn.execute(_SQL.sweep_deleted, {"limit": limit})).rowcount
    await conn.execute(_SQL.sweep_endpoints)
    return gone
