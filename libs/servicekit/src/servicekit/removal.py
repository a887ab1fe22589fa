"""What becomes of a tenant's rows when it is deleted: they are counted and kept, or erased, some at a time.

Called by servicekit.tenancy: its consumer begins a removal (`begin`; in billing, billing.reconcile does so later),
and its loop does one batch after the other. A batch and its counts are one transaction, so that a crash rolls back
both. Every table with a `tenant_id` is found in the catalogue, so that a new one cannot be forgotten. `count` and
`erase` need a transaction that is a worker's and the tenant's at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from contracts.platform import DeletionPolicy, TenantChanged
from servicekit.db import Connection

# When it is asked for again, what was erased stays counted, and an erasure that has begun remains one.
_BEGIN = b"""
INSERT INTO removal AS r (tenant_id, generation, erase, counts)
VALUES (%(tenant_id)s, %(generation)s, %(erase)s, %(counts)s)
ON CONFLICT (tenant_id) DO UPDATE SET generation = excluded.generation, erase = r.erase OR excluded.erase
"""
_NEXT = b"""
SELECT r.tenant_id, r.generation, r.erase, r.withdrawn, r.counts
FROM removal r JOIN tenants t ON t.tenant_id = r.tenant_id AND t.state IN ('deleting', 'deleted')
WHERE r.turn_at <= clock_timestamp() ORDER BY r.turn_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED
"""
_SAVE = b"UPDATE removal SET withdrawn = %s, counts = %s, turn_at = clock_timestamp() WHERE tenant_id = %s"
_POSTPONE = b"UPDATE removal SET turn_at = clock_timestamp() + make_interval(secs => %s) WHERE tenant_id = %s"
_END = b"DELETE FROM removal WHERE tenant_id = %s"
_TENANT_TABLES = b"""
SELECT c.oid::regclass::text AS name, coalesce(array_agg(DISTINCT f.confrelid::regclass::text)
       FILTER (WHERE f.confrelid IS NOT NULL AND f.confrelid <> c.oid), '{}') AS parents
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
LEFT JOIN pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
  AND c.relname NOT IN ('tenants', 'tenant_status', 'removal')
GROUP BY c.oid
"""
_COUNT = sql.SQL("SELECT count(*) AS n FROM {} WHERE tenant_id = %s")
_ERASE = sql.SQL("DELETE FROM {table} WHERE tenant_id = %(tenant_id)s")
# In a partitioned table a ctid may name a row of each partition: all of those are the tenant's, and are deleted.
_SOME = sql.SQL(
    " AND ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE tenant_id = %(tenant_id)s LIMIT %(limit)s))"
)
# Each batch would read from the table's beginning, past other tenants' rows and those that were erased before: of a
# large tenant's, each more slowly than the last. Every tenant table's primary key begins with the tenant.
_BY_INDEX = b"SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
_TELLING = sql.SQL(" RETURNING {} AS id")

Erasing = Callable[[str, list[Any]], Awaitable[Mapping[str, int]]]
"""Called with a table and the values of a column of its rows that have just been deleted; answers what else it has
erased, by table."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to be done for a tenant; `counts` is what has been erased by now, by table.

    Once `withdrawn`, nothing will be done because of its rows any more (see TenantHooks.withdraw).
    """

    tenant_id: UUID
    generation: int
    erase: bool
    withdrawn: bool
    counts: dict[str, int]


async def begin(conn: Connection, tenant: TenantChanged, counts: Mapping[str, int] | None = None) -> None:
    """Has the loop keep or erase a tenant's rows; nothing may be written for the tenant any more.

    `counts` is what this transaction has erased itself.
    """
    row = {
        "tenant_id": tenant.tenant_id,
        "generation": tenant.generation,
        "erase": tenant.deletion_policy is DeletionPolicy.DELETE,
        "counts": Jsonb(dict(counts or {})),
    }
    await conn.execute(_BEGIN, row)


async def next_removal(conn: Connection) -> Removal | None:
    """The one whose turn it is, locked until the transaction's end; needs a worker's transaction."""
    row = await (await conn.execute(_NEXT)).fetchone()
    return Removal(**row) if row else None


async def save(conn: Connection, job: Removal) -> None:
    """Stores how far it has come, for the next batch."""
    await conn.execute(_SAVE, (job.withdrawn, Jsonb(job.counts), job.tenant_id))


async def postpone(conn: Connection, tenant_id: UUID, seconds: float) -> None:
    """Puts it off by so many seconds; others have their turns meanwhile."""
    await conn.execute(_POSTPONE, (seconds, tenant_id))


async def end(conn: Connection, tenant_id: UUID) -> None:
    """Removes it from the list, when nothing is left to do."""
    await conn.execute(_END, (tenant_id,))


async def count(conn: Connection, tenant_id: UUID) -> dict[str, int]:
    """The tenant's rows by table."""
    counts = {}
    for table in await _tables_children_first(conn):
        row = await (await conn.execute(_COUNT.format(sql.Identifier(table)), (tenant_id,))).fetchone()
        counts[table] = row["n"] if row else 0
    return counts


async def erase(
    conn: Connection, tenant_id: UUID, limit: int | None, columns: Mapping[str, str], erasing: Erasing
) -> dict[str, int]:
    """Erases `limit` rows or so, or all, children first; answers how many of each table.

    With a limit, rows that somebody else is changing may be left. `columns` are the tables for which `erasing` is
    called, each with the column whose values it gets.
    """
    erased: dict[str, int] = {}
    await conn.execute(_BY_INDEX)
    for table in await _tables_children_first(conn):
        left = None if limit is None else limit - sum(erased.values())
        if left is not None and left <= 0:
            break
        statement = _ERASE.format(table=sql.Identifier(table))
        if left is not None:
            statement += _SOME.format(table=sql.Identifier(table))
        if table in columns:
            statement += _TELLING.format(sql.Identifier(columns[table]))
        cursor = await conn.execute(statement, {"tenant_id": tenant_id, "limit": left})
        if not cursor.rowcount:
            continue
        erased = added(erased, {table: cursor.rowcount})
        if table in columns:
            ids = [row["id"] for row in await cursor.fetchall()]
            erased = added(erased, await erasing(table, ids))
    return erased


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """The sum by table."""
    return {table: counts.get(table, 0) + more.get(table, 0) for table in {*counts, *more}}


async def _tables_children_first(conn: Connection) -> list[str]:
    cursor = await conn.execute(_TENANT_TABLES)
    parents = {row["name"]: set(row["parents"]) for row in await cursor.fetchall()}
    graph = {name: {parent for parent in ups if parent in parents} for name, ups in parents.items()}
    parents_first: list[str] = list(TopologicalSorter(graph).static_order())
    return parents_first[::-1]
