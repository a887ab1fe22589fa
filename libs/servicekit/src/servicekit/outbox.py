"""The outbox: events written in the transaction of what they tell, so that neither exists without the other.

Called by service layers; servicekit.relay sends the rows. Order holds within a key, because writers of one
aggregate lock its row before they write here.
"""

import zlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import TenantChanged
from servicekit.clock import utc_now
from servicekit.db import Connection
from servicekit.errors import PayloadTooLarge
from servicekit.ids import new_id
from servicekit.tracing import current_traceparent

SHARDS = 16

_INSERT = b"INSERT INTO outbox (shard, topic, key, headers, payload) VALUES "
_ROW = b"(%s, %s, %s, %s, %b)"
_BURY = b"""INSERT INTO outbox (shard, topic, key, headers)
SELECT shard, %s, key, headers
FROM unnest(%s::smallint[], %s::text[], %s::jsonb[]) AS buried (shard, key, headers)"""
LARGEST = 950_000
"""Bytes of an event's data. Kafka's clients and topics take some 1,000,000 with headers, and an event that they
refused would keep its topic's later ones waiting for good."""
_MOST = 10
"""Rows in one statement: PostgreSQL plans a statement anew for each number of them."""
_Row = tuple[int, str, str, Jsonb, bytes | None]


def shard_of(key: str) -> int:
    """The shard that a key's events are relayed by, 0 … 15; the same in every process."""
    return zlib.crc32(key.encode()) % SHARDS


async def publish(
    conn: Connection,
    source: str,
    *events: Event,
    time: datetime | None = None,
    copy_to: TenantChanged | None = None,
    copied: type[Event] = Event,
) -> None:
    """Writes events, to be relayed in this order; `source` is the service's name.

    With `copy_to` those of the type `copied`, ids and all, go to that tenant's own stream as well, if it has one.

    Raises PayloadTooLarge past LARGEST, so that what it would tell does not come to be.
    """
    traceparent = current_traceparent()
    rows: list[_Row] = []
    for event in events:
        tenant_id: UUID | None = getattr(event, "tenant_id", None)
        key = event.key
        envelope = Envelope(
            id=str(new_id()),
            source=f"/slotwright/{source}",
            type=event.TYPE,
            time=time or utc_now(),
            subject=key,
            tenant_id=tenant_id,
            data=_data(event),
            traceparent=traceparent,
        )
        rows.append(_row(event.TOPIC, key, envelope))
        if copy_to is not None and copy_to.event_stream.enabled and isinstance(event, copied):
            rows.append(_row(copy_to.event_stream.topic, key, envelope))
    await _insert(conn, rows)


async def bury(conn: Connection, source: str, event: type[Event], key: str, tenant_id: UUID | None) -> None:
    """Writes a tombstone for `key` on the compacted topic of `event`: the last trace is compacted away."""
    await bury_all(conn, source, event, [key], tenant_id)


async def bury_all(
    conn: Connection, source: str, event: type[Event], keys: Sequence[str], tenant_id: UUID | None
) -> None:
    """As `bury`, for any number of keys in one statement."""
    now, traceparent = utc_now(), current_traceparent()
    headers = [
        Envelope(
            id=str(new_id()),
            source=f"/slotwright/{source}",
            type=event.TYPE,
            time=now,
            subject=key,
            tenant_id=tenant_id,
            data=None,
            traceparent=traceparent,
        ).headers()
        for key in keys
    ]
    shards = [shard_of(key) for key in keys]
    await conn.execute(_BURY, (event.TOPIC, shards, list(keys), [Jsonb(each) for each in headers]))


def _data(event: Event) -> bytes:
    data = event.model_dump_json().encode()
    if len(data) > LARGEST:
        raise PayloadTooLarge(f"What it makes ({event.TYPE}) has {len(data)} bytes; {LARGEST} are the most.")
    return data


def _row(topic: str, key: str, envelope: Envelope) -> _Row:
    return shard_of(key), topic, key, Jsonb(envelope.headers()), envelope.data


async def _insert(conn: Connection, rows: Sequence[_Row]) -> None:
    """Their ids rise in the order given."""
    for begin in range(0, len(rows), _MOST):
        some = rows[begin : begin + _MOST]
        values = [value for row in some for value in row]
        await conn.execute(_INSERT + b", ".join([_ROW] * len(some)), values)
