"""The tables of notification.rules: functions that take the transaction's connection and never commit.

Called by notification.rules, notification.delivery and notification.drafts, and by notification.store when a person
is erased.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.booking import Channel
from notification.quiet import QuietHours
from notification.suppression import Reason, Scope, Suppression, holds_back
from notification.wording import TemplateKind, Wording
from servicekit.db import Connection
from servicekit.ids import new_id
from servicekit.queries import Queries

_SQL = Queries("notification", "rules.sql")


async def _one(conn: Connection, statement: bytes, **values: Any) -> dict[str, Any] | None:
    return await (await conn.execute(statement, values)).fetchone()


async def lock(conn: Connection, tenant_id: UUID) -> None:
    """Until the transaction's end nobody else changes the business's rules: what is read from now on stays."""
    await conn.execute(_SQL.lock_rules, {"tenant_id": tenant_id})


async def wording(
    conn: Connection, tenant_id: UUID, kind: TemplateKind, channel: Channel, language: str
) -> Wording:
    """The business's own; of version 0 when it never had any."""
    row = await _one(
        conn, _SQL.wording, tenant_id=tenant_id, kind=kind, channel=channel.value, language=language
    )
    return Wording(**row) if row else Wording()


async def put_wording(
    conn: Connection,
    tenant_id: UUID,
    kind: TemplateKind,
    channel: Channel,
    language: str,
    wanted: Wording,
    expected: int | None,
) -> int | None:
    """The new version; None when what is there is not `expected` (None for any)."""
    row = await _one(
        conn,
        _SQL.put_wording,
        tenant_id=tenant_id,
        kind=kind,
        channel=channel.value,
        language=language,
        subject=wanted.subject,
        lead=wanted.lead,
        text=wanted.text,
        expected=expected,
    )
    return row["version"] if row else None


async def quiet_hours(conn: Connection, tenant_id: UUID, *, lock: bool = False) -> QuietHours | None:
    """With `lock` they stay as they are until the transaction's end; lock them before any message."""
    row = await _one(conn, _SQL.lock_quiet_hours if lock else _SQL.quiet_hours, tenant_id=tenant_id)
    if row is None:
        return None
    return QuietHours(**row | {"channels": frozenset(Channel(name) for name in row["channels"])})


async def put_quiet_hours(
    conn: Connection, tenant_id: UUID, wanted: QuietHours, expected: int | None
) -> int | None:
    """As `put_wording`; the version of `wanted` does not count."""
    row = await _one(
        conn,
        _SQL.put_quiet_hours,
        tenant_id=tenant_id,
        begins=wanted.begins,
        ends=wanted.ends,
        channels=sorted(channel.value for channel in wanted.channels),
        notices=wanted.notices,
        expected=expected,
    )
    return row["version"] if row else None


async def release_held(conn: Connection, tenant_id: UUID, now: datetime) -> None:
    """Makes messages due that wait for the end of quiet hours, so that they are decided about anew."""
    await conn.execute(_SQL.release_held, {"tenant_id": tenant_id, "now": now})


async def unwanted(
    conn: Connection, tenant_id: UUID, channel: Channel, digests: Sequence[bytes], *, reminder: bool
) -> Reason | None:
    """Why no such message goes to the address any more; None when it may."""
    entries = await suppressed_for(conn, tenant_id, channel, digests)
    return next((reason for reason, scope in entries if holds_back(scope, reminder=reminder)), None)


async def suppressed_for(
    conn: Connection, tenant_id: UUID, channel: Channel, digests: Sequence[bytes]
) -> list[tuple[Reason, Scope]]:
    """Why, and how far, an address is on the suppression list; the weightiest reason first."""
    values = {"tenant_id": tenant_id, "channel": channel.value, "digests": list(digests)}
    rows = await (await conn.execute(_SQL.suppressed_for, values)).fetchall()
    return [(row["reason"], row["scope"]) for row in rows]


async def put_suppression(
    conn: Connection,
    tenant_id: UUID,
    channel: Channel,
    digests: Sequence[bytes],
    reason: Reason,
    scope: Scope,
    now: datetime,
    *,
    customer_id: UUID | None,
    hint: str | None,
) -> tuple[Scope | None, Suppression]:
    """Adds an address to the list, or sets the scope of an entry it has for this reason: (scope before, entry now).

    A new entry has the first of the digests.
    """
    await lock(conn, tenant_id)
    before = await _one(
        conn,
        _SQL.lock_scope,
        tenant_id=tenant_id,
        channel=channel.value,
        digests=list(digests),
        reason=reason,
    )
    row = await _one(
        conn,
        _SQL.put_suppression,
        tenant_id=tenant_id,
        suppression_id=new_id(),
        channel=channel.value,
        digest=before["digest"] if before else digests[0],
        reason=reason,
        scope=scope,
        customer_id=customer_id,
        hint=hint,
        now=now,
    )
    assert row is not None  # noqa: S101 - the statement answers one
    return before["scope"] if before else None, _suppression(row)


async def suppressions(
    conn: Connection,
    tenant_id: UUID,
    *,
    channel: Channel | None,
    reason: Reason | None,
    after: UUID | None,
    limit: int,
) -> list[Suppression]:
    """The newest first, `limit` at most, older than the one with the id `after`."""
    values = {
        "tenant_id": tenant_id,
        "channel": channel.value if channel else None,
        "reason": reason,
        "after": after,
        "limit": limit,
    }
    return [_suppression(row) for row in await (await conn.execute(_SQL.suppressions, values)).fetchall()]


async def delete_suppression(conn: Connection, tenant_id: UUID, suppression_id: UUID) -> Suppression | None:
    """What it was; None when there was none."""
    row = await _one(conn, _SQL.delete_suppression, tenant_id=tenant_id, suppression_id=suppression_id)
    return _suppression(row) if row else None


async def resubscribe(
    conn: Connection, tenant_id: UUID, channel: Channel, digests: Sequence[bytes]
) -> list[Suppression]:
    """Removes the entries of an address's holder who unsubscribed, and answers them; other reasons stay."""
    values = {"tenant_id": tenant_id, "channel": channel.value, "digests": list(digests)}
    return [_suppression(row) for row in await (await conn.execute(_SQL.resubscribe, values)).fetchall()]


async def erase_hints(conn: Connection, tenant_id: UUID, customer_id: UUID, digests: Sequence[bytes]) -> None:
    """Removes from entries what shows whom they are about; the addresses stay suppressed."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "digests": list(digests)}
    await conn.execute(_SQL.erase_hints, values)


def _suppression(row: dict[str, Any]) -> Suppression:
    return Suppression(**row | {"channel": Channel(row["channel"])})
