"""One effect for each Idempotency-Key: the answer is kept in the transaction of the effect.

Source: IETF draft-ietf-httpapi-idempotency-key-header. A replay gets the first answer, marked
`Idempotent-Replayed: true`; the same key with another request gets a 422 problem; of two at once the second waits
for the first's row. A request that fails leaves nothing and may be sent again with the same key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from servicekit.db import Connection
from servicekit.errors import IdempotencyMismatch

_CLAIM = b"""
INSERT INTO idempotency (tenant_id, route, key, request_hash) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
RETURNING 1
"""
_READ = b"SELECT request_hash, status, body FROM idempotency WHERE tenant_id = %s AND route = %s AND key = %s"
_STORE = b"UPDATE idempotency SET status = %s, body = %s WHERE tenant_id = %s AND route = %s AND key = %s"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key with the route and the hash (SHA-256) of the request that it stands for."""

    route: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer to be sent as it is: JSON bytes."""

    status: int
    body: bytes
    replayed: bool = False


async def answered(conn: Connection, tenant_id: UUID, key: IdempotencyKey | None) -> Outcome | None:
    """The answer that the key has got already, if any. Raises IdempotencyMismatch.

    `once` does this by itself; this is for callers that first do something which no rollback can undo.
    """
    if key is None:
        return None
    row = await (await conn.execute(_READ, (tenant_id, key.route, key.key))).fetchone()
    if row is None:
        return None
    if bytes(row["request_hash"]) != key.request_hash:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used for a request with another body; take a new key."
        )
    return Outcome(row["status"], bytes(row["body"]), replayed=True)


async def once(
    conn: Connection,
    tenant_id: UUID,
    key: IdempotencyKey | None,
    effect: Callable[[], Awaitable[BaseModel]],
    *,
    status: int = 201,
) -> Outcome:
    """Runs `effect` unless the key has an answer already; without a key it always runs.

    Raises IdempotencyMismatch, and whatever the effect raises.
    """
    if key is None:
        return Outcome(status, (await effect()).model_dump_json().encode())
    claim = (tenant_id, key.route, key.key, key.request_hash)
    while await (await conn.execute(_CLAIM, claim)).fetchone() is None:
        replay = await answered(conn, tenant_id, key)
        if replay is not None:  # else housekeeping has just removed it
            return replay
    body = (await effect()).model_dump_json().encode()
    await conn.execute(_STORE, (status, body, tenant_id, key.route, key.key))
    return Outcome(status, body)
