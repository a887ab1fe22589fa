"""The service's half of the operator protocol: follow platform.tenants.v1, answer on platform.tenant-status.v1.

A service gives `TenantFollower` its `TenantHooks`. Each record is put into effect and answered in one
transaction. Deletion archives or erases every table that has a `tenant_id`, found in the catalogue, so that a new
table cannot be forgotten.
"""

from graphlib import TopologicalSorter
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import (
    Component,
    ComponentState,
    DeletionPolicy,
    StatusDetails,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from servicekit import outbox, usage
from servicekit.clock import Clock, utc_now
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.periodic import Periodic
from servicekit.settings import KafkaSettings
from servicekit.tenants import take_no_more

_UPSERT = b"""
INSERT INTO tenants (tenant_id, slug, generation, state, record)
VALUES (%(tenant_id)s, %(slug)s, %(generation)s, %(state)s, %(record)s)
ON CONFLICT (tenant_id) DO UPDATE SET slug = excluded.slug, generation = excluded.generation,
    state = excluded.state, record = excluded.record, updated_at = now()
WHERE tenants.generation < excluded.generation OR tenants.record = '{}' AND excluded.state = 'deleting'
"""
_GONE = b"""
INSERT INTO tenants (tenant_id, slug, generation, state, record) VALUES (%s, '', 0, 'deleted', '{}')
ON CONFLICT (tenant_id) DO UPDATE SET state = 'deleted', updated_at = now()
"""
_STRIP = b"""
UPDATE tenants SET slug = '', record = '{}' WHERE tenant_id = %s AND record->>'deletion_policy' = 'Delete'
"""
_UNLIMITED = b"SET LOCAL statement_timeout = 0"
_SCOPE = b"SELECT set_config('app.tenant_id', %s, true)"
_STATUS = b"SELECT status FROM tenant_status WHERE tenant_id = %s"
# No row where a newer generation has been answered, or the tenant is gone.
_SAVE_STATUS = b"""
INSERT INTO tenant_status AS said (tenant_id, status) SELECT %(tenant_id)s, %(status)s
WHERE NOT EXISTS (SELECT FROM tenants WHERE tenant_id = %(tenant_id)s AND state = 'deleted')
ON CONFLICT (tenant_id) DO UPDATE SET status = excluded.status, updated_at = now()
WHERE (said.status->>'generation')::bigint <= (excluded.status->>'generation')::bigint
RETURNING 1
"""
_ANSWER_ALONE = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_UNREPORTED = b"SELECT DISTINCT tenant_id FROM usage WHERE unreported LIMIT 500"
_OF_AN_EARLIER_MONTH = b"""
SELECT tenant_id FROM tenant_status JOIN tenants USING (tenant_id)
WHERE tenants.state IN ('active', 'suspended')
    AND (status #>> '{details,usage_observed_at}')::timestamptz < %s LIMIT 500
"""
_REPORTED = b"UPDATE usage SET unreported = false WHERE tenant_id = %s AND unreported"
_TENANT_TABLES = b"""
SELECT c.oid::regclass::text AS name, coalesce(array_agg(DISTINCT f.confrelid::regclass::text)
       FILTER (WHERE f.confrelid IS NOT NULL AND f.confrelid <> c.oid), '{}') AS parents
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
LEFT JOIN pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
  AND c.relname NOT IN ('tenants', 'tenant_status')
GROUP BY c.oid
"""

_ERASURE_SECONDS = 1800.0
"""What a large business's erasure may take: some ten thousand rows go in a second."""


class TenantHooks:
    """What a service does when a tenant comes, changes or goes; the defaults suit one that does nothing."""

    async def provision(self, _conn: Connection, _tenant: TenantChanged) -> StatusDetails | None:
        """Puts an active or suspended tenant's record into effect; called again on each change.

        Answers the details to report as ready, or None when the service reports by itself later.
        """
        return StatusDetails()

    async def remove(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        """Archives or erases; answers the counts, or None when the service reports by itself later.

        Nothing else is under way for the tenant then, and nothing is taken after.
        """
        return await archive_or_erase(conn, tenant)


class TenantFollower:
    """Follows the tenants topic for one component. `consumer` and `reporter` are loops for the runtime."""

    def __init__(
        self,
        component: Component,
        db: Database,
        kafka: KafkaSettings,
        hooks: TenantHooks,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._component = component
        self._hooks = hooks
        self._clock = clock
        self.consumer = EventConsumer(
            component.value,
            "tenants",
            db,
            kafka,
            topics=[TenantChanged.TOPIC],
            handlers={TenantChanged: self._on_changed},
            on_tombstone=self._on_tombstone,
            across_tenants=True,
            longest=_ERASURE_SECONDS,
        )
        self.reporter = UsageReporter(component, db, clock=clock)

    async def _on_changed(self, conn: Connection, event: Event, _envelope: Envelope) -> None:
        assert isinstance(event, TenantChanged)  # noqa: S101 - the consumer dispatches by type
        row = {
            "tenant_id": event.tenant_id,
            "slug": event.slug,
            "generation": event.generation,
            "state": event.state.value,
            "record": Jsonb(event.model_dump(mode="json")),
        }
        cursor = await conn.execute(_UPSERT, row)
        if not cursor.rowcount:
            return
        await conn.execute(_SCOPE, (str(event.tenant_id),))
        if event.state is TenantState.DELETING:
            await take_no_more(conn, event.tenant_id)
            details = await self._hooks.remove(conn, event)
            if details is not None:
                await report_deleted(conn, self._component, event, details, clock=self._clock)
            return
        details = await self._hooks.provision(conn, event)
        if details is not None:
            await report(
                conn,
                self._component,
                event.tenant_id,
                event.generation,
                ComponentState.READY,
                "Provisioned",
                f"{self._component.value} serves this business.",
                details,
                clock=self._clock,
            )

    async def _on_tombstone(self, conn: Connection, gone: UUID, _aggregate: str) -> None:
        """Of an erased tenant a bare row stays, so that what is still heard of it has no effect.

        servicekit.housekeeping removes it once nothing can be heard any more.
        """
        await conn.execute(_SCOPE, (str(gone),))
        await conn.execute(_GONE, (gone,))
        await conn.execute(_STRIP, (gone,))
        await _answer_alone(conn, gone)
        await conn.execute(b"DELETE FROM tenant_status WHERE tenant_id = %s", (gone,))


async def report(
    conn: Connection,
    component: Component,
    tenant_id: UUID,
    generation: int,
    state: ComponentState,
    reason: str,
    message: str,
    details: StatusDetails,
    *,
    clock: Clock = utc_now,
) -> None:
    """Answers the operator about one tenant, with the use as it is now.

    Needs a transaction that sees the tenant's rows. Everything said before about the tenant is replaced; nothing is
    said of a generation older than the last answer's, or once the tenant is gone.
    """
    await _answer_alone(conn, tenant_id)
    now = clock()
    used = await usage.snapshot(conn, tenant_id, now)
    status = TenantStatusReported(
        tenant_id=tenant_id,
        component=component,
        generation=generation,
        state=state,
        reason=reason,
        message=message,
        details=details.model_copy(update={"usage": used, "usage_observed_at": now} if used else {}),
    )
    row = {"tenant_id": tenant_id, "status": Jsonb(status.model_dump(mode="json"))}
    if await (await conn.execute(_SAVE_STATUS, row)).fetchone() is not None:
        await outbox.publish(conn, component.value, status, time=now)


async def _answer_alone(conn: Connection, tenant_id: UUID) -> None:
    """Until this transaction ends nobody else answers for the tenant here; what was answered before can be seen.

    A lock by name, as there may be no row yet to lock, or none any more.
    """
    await conn.execute(_ANSWER_ALONE, (f"{tenant_id}/answer",))


async def report_deleted(
    conn: Connection,
    component: Component,
    tenant: TenantChanged,
    details: StatusDetails,
    *,
    clock: Clock = utc_now,
) -> None:
    """Answers that nothing is left to do for a tenant that is being deleted, with the counts."""
    counts = details.erased if details.erased is not None else details.archived or {}
    verb = "erased" if tenant.deletion_policy is DeletionPolicy.DELETE else "kept"
    await report(
        conn,
        component,
        tenant.tenant_id,
        tenant.generation,
        ComponentState.DELETED,
        "Erased" if verb == "erased" else "Archived",
        f"{sum(counts.values())} rows {verb}.",
        details,
        clock=clock,
    )


async def archive_or_erase(conn: Connection, tenant: TenantChanged) -> StatusDetails:
    """Retain keeps every row, out of reach as the tenant is no longer served; Delete erases. Counts by table.

    The transaction may then take as long as that takes, the checks at its commit included: one that was ended by a
    timeout would begin anew for ever.
    """
    await conn.execute(_UNLIMITED)
    erase = tenant.deletion_policy is DeletionPolicy.DELETE
    counts: dict[str, int] = {}
    for table in await _tables_children_first(conn):
        name = sql.Identifier(table)
        if erase:
            statement = sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(name)
            counts[table] = (await conn.execute(statement, (tenant.tenant_id,))).rowcount
        else:
            statement = sql.SQL("SELECT count(*) AS n FROM {} WHERE tenant_id = %s").format(name)
            row = await (await conn.execute(statement, (tenant.tenant_id,))).fetchone()
            counts[table] = row["n"] if row else 0
    counts = {table: count for table, count in sorted(counts.items()) if count}
    return StatusDetails(erased=counts) if erase else StatusDetails(archived=counts)


async def _tables_children_first(conn: Connection) -> list[str]:
    cursor = await conn.execute(_TENANT_TABLES)
    parents = {row["name"]: set(row["parents"]) for row in await cursor.fetchall()}
    graph = {name: {parent for parent in ups if parent in parents} for name, ups in parents.items()}
    parents_first: list[str] = list(TopologicalSorter(graph).static_order())
    return parents_first[::-1]


class UsageReporter(Periodic):
    """Answers again for tenants whose use has changed, or begins anew with a month: a loop, about every second."""

    def __init__(
        self, component: Component, db: Database, *, clock: Clock = utc_now, every: float = 1
    ) -> None:
        super().__init__(f"{component.value}.usage", every=every)
        self._component = component
        self._db = db
        self._clock = clock
        self._month = ""
        """Nothing that is told of use is older than this."""

    async def turn(self) -> None:
        async with self._db.worker() as conn:
            cursor = await conn.execute(_UNREPORTED)
            due = {row["tenant_id"] for row in await cursor.fetchall()}
            due |= await self._of_an_earlier_month(conn)
        for tenant_id in due:
            await self.report(tenant_id)

    async def _of_an_earlier_month(self, conn: Connection) -> set[UUID]:
        """Asked for once a month, and until there are none: some at a time, as they are everybody."""
        now = self._clock()
        if self._month == usage.month_of(now):
            return set()
        begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        cursor = await conn.execute(_OF_AN_EARLIER_MONTH, (begin,))
        found = {row["tenant_id"] for row in await cursor.fetchall()}
        if not found:
            self._month = usage.month_of(now)
        return found

    async def report(self, tenant_id: UUID) -> None:
        """Answers again for one tenant, if it was answered for before."""
        async with self._db.tenant(tenant_id) as conn:
            await conn.execute(_REPORTED, (tenant_id,))
            await _answer_alone(conn, tenant_id)
            row = await (await conn.execute(_STATUS, (tenant_id,))).fetchone()
            if row is None:
                return
            last = TenantStatusReported.model_validate(row["status"])
            await report(
                conn,
                self._component,
                tenant_id,
                last.generation,
                last.state,
                last.reason,
                last.message,
                last.details,
                clock=self._clock,
            )
