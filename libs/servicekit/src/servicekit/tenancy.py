"""The service's half of the operator protocol: follow platform.tenants.v1, answer on platform.tenant-status.v1.

A service gives `TenantFollower` its `TenantHooks`. Each record is put into effect and answered in one
transaction. Only a deletion is answered later: with its record nobody writes for the tenant any more; the rows are
kept or erased by a loop of its own, in batches (servicekit.removal), so that a large business holds up no other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from contracts.envelope import Envelope
from contracts.model import Event
from contracts.platform import (
    Component,
    ComponentState,
    StatusDetails,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from servicekit import outbox, removal, usage
from servicekit.clock import Clock, utc_now
from servicekit.consumer import EventConsumer
from servicekit.db import Connection, Database
from servicekit.faults import reached
from servicekit.periodic import Periodic
from servicekit.settings import KafkaSettings
from servicekit.tenants import take_no_more

log = structlog.get_logger(__name__)

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
# From a tenant that is gone, though nobody has said so (docs/tenants.md, Deleting): the topic belongs to the slug's
# new tenant, and is deleted with that one. servicekit.relay drops what is still to be copied there.
_TAKE_STREAM = b"""
UPDATE tenants SET record = jsonb_set(record, '{event_stream,enabled}', 'false')
WHERE slug = %(slug)s AND tenant_id <> %(tenant_id)s AND state IN ('active', 'suspended')
    AND record->'event_stream'->>'enabled' = 'true'
"""
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
_LOCK_ANSWER = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_REPORTS = 50
"""Tenants reported in one turn; the loop beats between two turns."""
_UNREPORTED = b"SELECT DISTINCT tenant_id FROM usage WHERE unreported LIMIT %s"
_OF_AN_EARLIER_MONTH = b"""
SELECT tenant_id FROM tenant_status JOIN tenants USING (tenant_id)
WHERE tenants.state IN ('active', 'suspended')
    AND (status #>> '{details,usage_observed_at}')::timestamptz < %s LIMIT %s
"""
_REPORTED = b"UPDATE usage SET unreported = false WHERE tenant_id = %s AND unreported"
_REMOVER_EVERY = 0.5
_REMOVER_PAUSE = 0.05
"""Between two batches: the database has others to serve."""
_AGAIN_SECONDS = 10.0
_BATCH = 1000


class TenantHooks:
    """What a service does when a tenant comes, changes or goes; the defaults suit one that does nothing."""

    async def provision(self, _conn: Connection, _tenant: TenantChanged) -> StatusDetails | None:
        """Puts an active or suspended tenant's record into effect; called again on each change.

        Answers the details to report as ready, or None when the service reports by itself later.
        """
        return StatusDetails()

    async def remove(self, _conn: Connection, _tenant: TenantChanged) -> bool:
        """Does what a tenant's deletion needs at once and takes little; True lets the removal of its rows begin.

        No other transaction is under way for the tenant then, and none will write for it. Where it answers False,
        the service calls servicekit.removal.begin later.
        """
        return True

    async def withdraw(self, _conn: Connection, _tenant_id: UUID, _limit: int) -> int:
        """Before rows are counted or erased: cancels what would still be done because of them, such as timers.

        Cancels `limit` of them at most and answers how many; called again until it answers 0.
        """
        return 0

    erases: ClassVar[Mapping[str, str]] = {}
    """The tables for whose deleted rows `erasing` is called, and the column whose values it gets."""

    async def erasing(
        self, _conn: Connection, _tenant_id: UUID, _table: str, _ids: list[Any]
    ) -> dict[str, int]:
        """Called in the transaction that erases these rows; answers how many others it has erased, by table."""
        return {}

    async def erased(self, _conn: Connection, _tenant_id: UUID) -> dict[str, int]:
        """Called once no row is left; erases what has the tenant's id in another way. Answers counts by table."""
        return {}

    def archived(self, counts: dict[str, int]) -> dict[str, int]:
        """The numbers of rows that are kept, by table, from the `counts` of all."""
        return counts


class TenantFollower:
    """Follows the tenants topic for one component.

    `consumer`, `remover` and, where the service counts use, `reporter` are loops for the runtime.
    """

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
        )
        self.remover = TenantRemover(component, db, hooks, clock=clock)
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
            if await self._hooks.remove(conn, event):
                await removal.begin(conn, event)
            return
        await conn.execute(_TAKE_STREAM, row)
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
        """Of an erased tenant only a row with its id stays, so that events which still come for it have no effect.

        servicekit.housekeeping removes it once none can come any more.
        """
        await conn.execute(_SCOPE, (str(gone),))
        await conn.execute(_GONE, (gone,))
        await conn.execute(_STRIP, (gone,))
        await _lock_answer(conn, gone)
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
    await _lock_answer(conn, tenant_id)
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


async def _lock_answer(conn: Connection, tenant_id: UUID) -> None:
    """Until this transaction ends no other of this service answers for the tenant; it sees the last answer.

    A lock by name, as there may be no row yet to lock, or none any more.
    """
    await conn.execute(_LOCK_ANSWER, (f"{tenant_id}/answer",))


class TenantRemover(Periodic):
    """Keeps or erases the rows of tenants that are being deleted, and answers: a loop that any number may run.

    A batch at a time, each of one tenant and in a transaction of its own; tenants take turns.
    """

    def __init__(
        self,
        component: Component,
        db: Database,
        hooks: TenantHooks,
        *,
        clock: Clock = utc_now,
        batch: int = _BATCH,
    ) -> None:
        super().__init__(f"{component.value}.removal", every=_REMOVER_EVERY, long=True)
        self._component = component
        self._db = db
        self._hooks = hooks
        self._clock = clock
        self._batch = batch

    async def turn(self) -> float | None:
        """One batch. A tenant with which it fails, whatever the reason, keeps none of the others waiting."""
        job = None
        try:
            async with self._db.worker(untimed=True) as conn:
                job = await removal.next_removal(conn)
                if job is None:
                    return None
                await self._batch_of(conn, job)
        except Exception as error:
            if job is None:
                raise
            log.error("removal put off", tenant_id=str(job.tenant_id), exc_info=error)
            async with self._db.worker() as conn:
                await removal.postpone(conn, job.tenant_id, _AGAIN_SECONDS)
        return _REMOVER_PAUSE

    async def _batch_of(self, conn: Connection, job: removal.Removal) -> None:
        """One batch, however long it takes: counting the rows that are kept of a large business is one, too."""
        await conn.execute(_SCOPE, (str(job.tenant_id),))
        details = await self._work(conn, job)
        if details is not None:
            await removal.end(conn, job.tenant_id)
            await self._report(conn, job, details)

    async def _work(self, conn: Connection, job: removal.Removal) -> StatusDetails | None:
        """Does some; answers the counts when nothing is left to do."""
        if not job.withdrawn:
            withdrawn = await self._hooks.withdraw(conn, job.tenant_id, self._batch)
            await removal.save(conn, replace(job, withdrawn=not withdrawn))
            return None
        if not job.erase:
            return StatusDetails(
                archived=_shown(self._hooks.archived(await removal.count(conn, job.tenant_id)))
            )
        # Nothing is left when a second run without a limit finds nothing either: it deletes rows that were being
        # changed, or that a loop of the service moved to another table between the deletions in both.
        erased = await self._erase(conn, job.tenant_id, self._batch)
        erased = erased or await self._erase(conn, job.tenant_id, None)
        if erased:
            await removal.save(conn, replace(job, counts=removal.added(job.counts, erased)))
            reached("removal.erased")
            return None
        return StatusDetails(
            erased=_shown(removal.added(job.counts, await self._hooks.erased(conn, job.tenant_id)))
        )

    async def _erase(self, conn: Connection, tenant_id: UUID, limit: int | None) -> dict[str, int]:
        async def erasing(table: str, ids: list[Any]) -> Mapping[str, int]:
            return await self._hooks.erasing(conn, tenant_id, table, ids)

        return await removal.erase(conn, tenant_id, limit, self._hooks.erases, erasing)

    async def _report(self, conn: Connection, job: removal.Removal, details: StatusDetails) -> None:
        counts = details.erased if details.erased is not None else details.archived or {}
        await report(
            conn,
            self._component,
            job.tenant_id,
            job.generation,
            ComponentState.DELETED,
            "Erased" if job.erase else "Archived",
            f"{sum(counts.values())} rows {'erased' if job.erase else 'kept'}.",
            details,
            clock=self._clock,
        )


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    return {table: count for table, count in sorted(counts.items()) if count}


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
        """No report of a tenant's use is of an earlier month than this."""

    async def turn(self) -> float | None:
        async with self._db.worker() as conn:
            cursor = await conn.execute(_UNREPORTED, (_REPORTS,))
            due = {row["tenant_id"] for row in await cursor.fetchall()}
            if len(due) < _REPORTS:
                due |= await self._of_an_earlier_month(conn)
        for tenant_id in due:
            await self.report(tenant_id)
        return 0 if len(due) >= _REPORTS else None

    async def _of_an_earlier_month(self, conn: Connection) -> set[UUID]:
        """Tenants whose use was last reported in an earlier month; some at a time, as each month begins with all.

        Once there are none, it does not ask again before the next month.
        """
        now = self._clock()
        if self._month == usage.month_of(now):
            return set()
        begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        cursor = await conn.execute(_OF_AN_EARLIER_MONTH, (begin, _REPORTS))
        found = {row["tenant_id"] for row in await cursor.fetchall()}
        if not found:
            self._month = usage.month_of(now)
        return found

    async def report(self, tenant_id: UUID) -> None:
        """Answers again for one tenant, if it was answered for before."""
        async with self._db.tenant(tenant_id) as conn:
            await conn.execute(_REPORTED, (tenant_id,))
            await _lock_answer(conn, tenant_id)
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
