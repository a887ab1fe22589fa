"""The outbox: events written in the transaction of what they tell, so that neither exists without the other.

Called by service layers; servicekit.relay sends the rows. Order holds within a key, because writers of one
aggregate lock its row before they write here.
"""

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from contracts.model import Event
from contracts.platform import TenantChanged
from servicekit.clock import utc_now
from servicekit.db import Connection
from servicekit.ids import new_id
from servicekit.tracing import current_traceparent

SHARDS = 16

_INSERT = b"""INSERT INTO outbox
    (shard, topic, key, ce_id, ce_type, ce_time, ce_tenantid, traceparent, payload)
VALUES """
_ROW = b"(%s, %s, %s, %s, %s, %s, %s, %s, %b)"
_BURY = b"""INSERT INTO outbox (shard, topic, key, ce_id, ce_type, ce_time, ce_tenantid, traceparent)
SELECT shard, %s, key, id, %s, %s, %s::uuid, %s::text
FROM unnest(%s::smallint[], %s::text[], %s::uuid[]) AS buried (shard, key, id)"""
_MOST = 10
"""Rows in one statement: PostgreSQL plans a statement anew for each number of them."""


class _Row(NamedTuple):
    shard: int
    topic: str
    key: str
    ce_id: UUID
    ce_type: str
    ce_time: datetime
    ce_tenantid: UUID | None
    traceparent: str | None
    payload: bytes | None


def shard_of(key: str) -> int:
    """The shard that a key's events are relayed by, 0 … 15; the same in every process."""
    return zlib.crc32(key.encode()) % SHARDS


async def publish(
    conn: Connection,
    *events: Event,
    time: datetime | None = None,
    copy_to: TenantChanged | None = None,
    copied: type[Event] = Event,
) -> None:
    """Writes events, to be relayed in this order.

    With `copy_to` those of the type `copied`, ids and all, go to that tenant's own stream as well, if it has one.
    """
    now = time or utc_now()
    traceparent = current_traceparent()
    rows: list[_Row] = []
    for event in events:
        row = _Row(
            shard=shard_of(event.key),
            topic=event.TOPIC,
            key=event.key,
            ce_id=new_id(),
            ce_type=event.TYPE,
            ce_time=now,
            ce_tenantid=getattr(event, "tenant_id", None),
            traceparent=traceparent,
            payload=event.model_dump_json().encode(),
        )
        rows.append(row)
        if copy_to is not None and copy_to.event_stream.enabled and isinstance(event, copied):
            rows.append(row._replace(topic=copy_to.event_stream.topic))
    await _insert(conn, rows)


async def bury(conn: Connection, event: type[Event], key: str, tenant_id: UUID | None) -> None:
    """Writes a tombstone for `key` on the compacted topic of `event`: the last trace is compacted away."""
    await bury_all(conn, event, [key], tenant_id)


async def bury_all(conn: Connection, event: type[Event], keys: Sequence[str], tenant_id: UUID | None) -> None:
    """As `bury`, of any number of keys in one statement."""
    shards = [shard_of(key) for key in keys]
    ids = [new_id() for _ in keys]
    told = (event.TOPIC, event.TYPE, utc_now(), tenant_id, current_traceparent())
    await conn.execute(_BURY, (*told, shards, list(keys), ids))


async def _insert(conn: Connection, rows: Sequence[_Row]) -> None:
    """Their ids rise in the order given."""
    for begin in range(0, len(rows), _MOST):
        some = rows[begin : begin + _MOST]
        values = [value for row in some for value in row]
        await conn.execute(_INSERT + b", ".join([_ROW] * len(some)), values)
