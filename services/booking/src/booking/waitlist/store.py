"""The waitlist's tables: functions that take a connection and never commit.

Called by the rest of booking.waitlist; by booking.catalog, when any time may have become bookable; by
booking.holds, which leaves alone a hold that is an offer; and by booking.workers, to drop what has ended.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from booking.slots.hours import Span
from booking.waitlist.domain import MOST_OFFERS, Entry, EntryState, Outcome, SlotOffer
from servicekit.db import Connection
from servicekit.queries import Queries

SQL = Queries("booking.waitlist")

_EARLIEST = datetime.min.replace(year=2, tzinfo=UTC)
_LATEST = datetime.max.replace(year=9998, tzinfo=UTC)


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(**row | {"state": EntryState(row["state"])})


async def add_entry(conn: Connection, tenant_id: UUID, entry: Entry, client: bytes) -> None:
    """Adds it as the `client`'s, as booking.clients hides who that is."""
    values = asdict(entry) | {"tenant_id": tenant_id, "state": entry.state.value, "client": client}
    await conn.execute(SQL.add_entry, values)


async def in_line_of_client(
    conn: Connection, tenant_id: UUID, client: bytes, now: datetime
) -> tuple[int, datetime | None]:
    """How many entries of a client are in line, and when the first of their windows has passed.

    Until the transaction ends no other one is added: this locks the client.
    """
    values = {"tenant_id": tenant_id, "client": client, "now": now}
    await conn.execute(SQL.lock_client, values)
    row = await (await conn.execute(SQL.in_line_of_client, values)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    return row["waiting"], row["first_ends"]


async def waits(
    conn: Connection, tenant_id: UUID, customer_id: UUID, service_id: UUID, now: datetime
) -> bool:
    """Whether an entry of the customer's for the service is in line; certain with the customer's row locked."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "service_id": service_id, "now": now}
    return await (await conn.execute(SQL.in_line_of_customer, values)).fetchone() is not None


async def entry(conn: Connection, tenant_id: UUID, entry_id: UUID, *, lock: bool = False) -> Entry | None:
    """The entry, locked until the transaction's end when asked."""
    values = {"tenant_id": tenant_id, "entry_id": entry_id}
    row = await (await conn.execute(SQL.lock_entry if lock else SQL.entry, values)).fetchone()
    return _entry(row) if row else None


async def entries_page(
    conn: Connection,
    tenant_id: UUID,
    *,
    state: EntryState | None,
    service_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> list[Entry]:
    """Entries in the order in which they came, behind `after`."""
    values = {
        "tenant_id": tenant_id,
        "state": state.value if state else None,
        "service_id": service_id,
        "after": after,
        "limit": limit,
    }
    return [_entry(row) for row in await (await conn.execute(SQL.entries_page, values)).fetchall()]


async def set_state(conn: Connection, tenant_id: UUID, entry_id: UUID, state: EntryState) -> None:
    values = {"tenant_id": tenant_id, "entry_id": entry_id, "state": state.value}
    await conn.execute(SQL.set_state, values)


async def add_offer(conn: Connection, tenant_id: UUID, offer: SlotOffer) -> int:
    """Answers the version of the customer whom it is for."""
    values = asdict(offer) | {"tenant_id": tenant_id, "staff_ids": list(offer.staff_ids)}
    row = await (await conn.execute(SQL.add_offer, values)).fetchone()
    assert row is not None  # noqa: S101 - the statement inserts
    version: int = row["customer_version"]
    return version


async def offers(conn: Connection, tenant_id: UUID, entry_ids: Sequence[UUID]) -> list[SlotOffer]:
    """All that these entries were offered, by time."""
    values = {"tenant_id": tenant_id, "entry_ids": list(entry_ids)}
    rows = await (await conn.execute(SQL.offers, values)).fetchall()
    return [SlotOffer(**row | {"staff_ids": tuple(row["staff_ids"])}) for row in rows]


async def close_offer(conn: Connection, tenant_id: UUID, offer_id: UUID, outcome: Outcome) -> None:
    values = {"tenant_id": tenant_id, "offer_id": offer_id, "outcome": outcome}
    await conn.execute(SQL.close_offer, values)


async def is_offered(conn: Connection, tenant_id: UUID, hold_id: UUID) -> bool:
    """Whether an offer that waits for an answer stands on the hold."""
    values = {"tenant_id": tenant_id, "hold_id": hold_id}
    return await (await conn.execute(SQL.offer_on_hold, values)).fetchone() is not None


async def anything_free(conn: Connection, tenant_id: UUID) -> None:
    """Notes that any time may have become bookable: a time is searched for everyone in line."""
    await conn.execute(SQL.anything_free, {"tenant_id": tenant_id})


# by the worker


async def lapse(conn: Connection, now: datetime) -> int:
    """Ends the offers that have run out, across tenants; answers how many."""
    return (await conn.execute(SQL.lapse, {"now": now, "most": MOST_OFFERS})).rowcount


async def make_due(conn: Connection, now: datetime) -> int:
    """Makes due the entries that a freed time may serve, across tenants; answers how many entries."""
    return (await conn.execute(SQL.make_due, {"now": now})).rowcount


async def tenants_due(conn: Connection, now: datetime, after: UUID | None) -> list[UUID]:
    """Active businesses for which an entry is due, some at a time; those behind `after` first."""
    rows = await (await conn.execute(SQL.tenants_due, {"now": now, "after": after})).fetchall()
    return [row["tenant_id"] for row in rows]


async def try_lock_line(conn: Connection, tenant_id: UUID) -> bool:
    """Locks the business's line until the transaction's end; False when another process serves it now."""
    row = await (await conn.execute(SQL.try_lock_line, {"tenant_id": str(tenant_id)})).fetchone()
    return row is not None and bool(row["mine"])


async def next_in_line(conn: Connection, tenant_id: UUID, now: datetime) -> tuple[Entry, Span | None] | None:
    """The first entry that is due, locked, and what was freed; None where all of its window is to be searched."""
    row = await (await conn.execute(SQL.next_in_line, {"tenant_id": tenant_id, "now": now})).fetchone()
    if row is None:
        return None
    freed = row.pop("look_during")
    return _entry(row), (freed.lower or _EARLIEST, freed.upper or _LATEST) if freed else None


async def note_search(conn: Connection, tenant_id: UUID, entry_id: UUID, again: datetime | None) -> None:
    """Notes a search in vain; `again` is when to search in full again, None after a search of what was freed."""
    await conn.execute(SQL.note_search, {"tenant_id": tenant_id, "entry_id": entry_id, "again": again})


async def drop_ended(conn: Connection, before: datetime, limit: int) -> int:
    """Deletes entries that left the line before then, across tenants; answers how many, `limit` at most."""
    return (await conn.execute(SQL.drop_ended, {"before": before, "limit": limit})).rowcount
