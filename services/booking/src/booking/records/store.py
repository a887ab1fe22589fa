"""The business's customers as records, exports and calendar feeds: statements, in the caller's transaction.

Called by booking.records.service and booking.records.feeds. What a booking itself writes is in booking.store.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from booking.domain import Customer
from booking.store import customer_of
from servicekit.db import Connection, affected
from servicekit.queries import Queries

_SQL = Queries("booking.records")

_ROWS_AT_ONCE = 500
LAST = "\U0010ffff"
"""The last of all characters, which is none and stands in no text."""


async def lock_customer(conn: Connection, tenant_id: UUID, customer_id: UUID) -> Customer | None:
    """The customer, locked until the transaction's end."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id}
    row = await (await conn.execute(_SQL.lock_customer, values)).fetchone()
    return customer_of(row) if row else None


async def update_customer(conn: Connection, tenant_id: UUID, customer: Customer) -> None:
    """Writes a locked customer; the row's version rises by one. Raises psycopg.errors.UniqueViolation."""
    consent = {"consent_email": customer.consent.email, "consent_sms": customer.consent.sms}
    values = asdict(customer) | consent | {"tenant_id": tenant_id}
    del values["consent"]
    await conn.execute(_SQL.update_customer, values)


async def raise_customers(
    conn: Connection, tenant_id: UUID, step: int, after: UUID | None, limit: int
) -> list[Customer]:
    """Raises the versions of the next ones by id; answers them in that order."""
    values = {"tenant_id": tenant_id, "step": step, "after": after, "limit": limit}
    rows = await (await conn.execute(_SQL.raise_customers, values)).fetchall()
    return sorted(map(customer_of, rows), key=lambda customer: customer.customer_id)


async def customers_page(
    conn: Connection, tenant_id: UUID, begins: str | None, after: UUID | None, limit: int
) -> list[Customer]:
    """Customers by id; with `begins`, those whose name or address begins so, in any case."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "after": after, "limit": limit}
    if begins is None:
        asked = await conn.execute(_SQL.customers_page, values)
    else:
        asked = await conn.execute(_SQL.customers_found, values | {"begins": begins, "last": LAST})
    return [customer_of(row) for row in await asked.fetchall()]


async def open_appointments(conn: Connection, tenant_id: UUID, customer_id: UUID, now: datetime) -> int:
    """How many of the customer's appointments are still to take place."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "now": now}
    row = await (await conn.execute(_SQL.open_appointments, values)).fetchone()
    return row["count"] if row else 0


async def clear_notes(conn: Connection, tenant_id: UUID, customer_id: UUID) -> None:
    """Empties notes and answers of the customer's appointments."""
    await conn.execute(_SQL.clear_notes, {"tenant_id": tenant_id, "customer_id": customer_id})


async def answers_about(conn: Connection, tenant_id: UUID, customer_id: UUID) -> list[tuple[str, str, bytes]]:
    """(route, key, JSON) of the kept answers to requests that name the customer."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id}
    rows = await (await conn.execute(_SQL.answers_about, values)).fetchall()
    return [(row["route"], row["key"], bytes(row["body"])) for row in rows]


async def replace_answer(conn: Connection, tenant_id: UUID, route: str, key: str, body: bytes) -> None:
    """Writes another JSON in the place of an answer."""
    values = {"tenant_id": tenant_id, "route": route, "key": key, "body": body}
    await conn.execute(_SQL.replace_answer, values)


async def lock_entries(conn: Connection, tenant_id: UUID, customer_id: UUID) -> None:
    """Locks the customer's entries in the waitlist until the transaction's end; before the customer."""
    await conn.execute(_SQL.lock_entries, {"tenant_id": tenant_id, "customer_id": customer_id})


async def leave_waitlist(conn: Connection, tenant_id: UUID, customer_id: UUID) -> None:
    """Takes the customer's entries off the list."""
    await conn.execute(_SQL.leave_waitlist, {"tenant_id": tenant_id, "customer_id": customer_id})


def exported_appointments(
    conn: Connection, tenant_id: UUID, begin: datetime, end: datetime
) -> AsyncGenerator[dict[str, Any]]:
    """Rows by start, a few hundred in memory at a time; `begin` inclusive, `end` exclusive.

    To be closed before the transaction ends.
    """
    return _streamed(conn, _SQL.export_appointments, {"tenant_id": tenant_id, "begin": begin, "end": end})


def exported_customers(conn: Connection, tenant_id: UUID) -> AsyncGenerator[dict[str, Any]]:
    """The same of the customers, by id."""
    return _streamed(conn, _SQL.export_customers, {"tenant_id": tenant_id})


async def _streamed(
    conn: Connection, statement: bytes, values: Mapping[str, Any]
) -> AsyncGenerator[dict[str, Any]]:
    async with conn.cursor(name="export") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        await cursor.execute(statement, values)
        async for row in cursor:
            yield row


async def save_feed(conn: Connection, tenant_id: UUID, resource_id: UUID, token_hash: bytes) -> None:
    """Makes this the feed's only token."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id, "token_hash": token_hash}
    await conn.execute(_SQL.save_feed, values)


async def delete_feed(conn: Connection, tenant_id: UUID, resource_id: UUID) -> bool:
    """False when there was none."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    return affected(await conn.execute(_SQL.delete_feed, values))


async def feed(conn: Connection, tenant_id: UUID, resource_id: UUID) -> tuple[bytes, str] | None:
    """(hash of the token, the staff member's name); None without a feed, or once the member is gone."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id}
    row = await (await conn.execute(_SQL.feed, values)).fetchone()
    return (bytes(row["token_hash"]), row["name"]) if row and not row["deleted"] else None


async def feed_appointments(
    conn: Connection, tenant_id: UUID, resource_id: UUID, begin: datetime, end: datetime
) -> list[dict[str, Any]]:
    """What a feed tells of each appointment, cancelled ones too, by start."""
    values = {"tenant_id": tenant_id, "resource_id": resource_id, "begin": begin, "end": end}
    return await (await conn.execute(_SQL.feed_appointments, values)).fetchall()
