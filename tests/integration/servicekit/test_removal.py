"""A tenant's rows are erased in batches: what is counted, what a crash between two takes back, who waits for whom.

On a real PostgreSQL: the databases of booking, which has tombstones, and of scheduler, which has a table in parts.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest

from booking.consumers import BookingHooks
from contracts.booking import CustomerChanged
from contracts.platform import Component, DeletionPolicy, TenantChanged, TenantStatusReported
from scheduler.consumers import SchedulerHooks
from servicekit import removal
from servicekit.db import Connection, Database
from servicekit.health import Heartbeat
from servicekit.tenancy import TenantHooks, TenantRemover
from support.databases import Databases, ServiceDatabase
from support.events import until
from support.tenants import know, leave, new_tenant

CUSTOMERS, COUNTERS = 7, 11


class Service:
    """One service's database, and what its loop does there."""

    def __init__(
        self, component: Component, database: ServiceDatabase, db: Database, hooks: TenantHooks
    ) -> None:
        self.component, self.database, self.db, self.hooks = component, database, db, hooks

    def remover(self, batch: int = 3, hooks: TenantHooks | None = None) -> TenantRemover:
        """As another process would have it."""
        return TenantRemover(self.component, self.db, hooks or self.hooks, batch=batch)

    async def to_the_end(self, batch: int = 3) -> int:
        """Each batch by another process, as if the one before had been killed behind it; answers how many."""
        batches = 0
        while await self.remover(batch).turn() is not None:
            batches += 1
        return batches

    def rows(self, statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.database.admin_url) as conn:
            return conn.execute(statement.encode(), values).fetchall()

    def change(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database.admin_url) as conn:
            conn.execute(statement.encode(), values)

    def count(self, table: str, tenant: TenantChanged) -> int:
        (found,) = self.rows(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", tenant.tenant_id)
        number: int = found[0]
        return number

    def answers(self, tenant: TenantChanged) -> list[TenantStatusReported]:
        rows = self.rows(
            "SELECT payload FROM outbox WHERE topic = %s AND key LIKE %s ORDER BY id",
            TenantStatusReported.TOPIC,
            f"{tenant.tenant_id}%",
        )
        return [TenantStatusReported.model_validate_json(payload) for (payload,) in rows]

    def erased(self, tenant: TenantChanged) -> dict[str, int] | None:
        (answer,) = self.answers(tenant)
        return answer.details.erased

    def buried(self, tenant: TenantChanged) -> list[str]:
        """The customers whose tombstones are written."""
        rows = self.rows(
            "SELECT key FROM outbox WHERE topic = %s AND payload IS NULL AND key LIKE %s ORDER BY key",
            CustomerChanged.TOPIC,
            f"{tenant.tenant_id}%",
        )
        return [key for (key,) in rows]


@asynccontextmanager
async def opened(component: Component, databases: Databases, hooks: TenantHooks) -> AsyncIterator[Service]:
    database = databases.for_service(component.value)
    db = Database(database.settings, application="test")
    await db.open()
    yield Service(component, database, db, hooks)
    await db.close()


@pytest.fixture
async def booking(databases: Databases) -> AsyncIterator[Service]:
    async with opened(Component.BOOKING, databases, BookingHooks()) as made:
        yield made


async def shop(service: Service, policy: DeletionPolicy = DeletionPolicy.DELETE) -> TenantChanged:
    """A business with customers, and what it has used."""
    tenant = new_tenant(deletion_policy=policy)
    await know(service.db, tenant)
    service.change(
        "INSERT INTO customer (tenant_id, customer_id, name, email, locale, consent_email, consent_sms)"
        " SELECT %s, gen_random_uuid(), n::text, n || '@customer.example', 'en', false, false"
        " FROM generate_series(1, %s) n",
        tenant.tenant_id,
        CUSTOMERS,
    )
    service.change(
        "INSERT INTO usage (tenant_id, metric, period, used)"
        " SELECT %s, 'm' || n, '', 1 FROM generate_series(1, %s) n",
        tenant.tenant_id,
        COUNTERS,
    )
    return tenant


async def test_rows_go_in_batches_and_the_receipt_is_their_sum(booking: Service) -> None:
    tenant, other = await shop(booking), await shop(booking)
    customers = sorted(
        f"{tenant.tenant_id}/{key}"
        for (key,) in booking.rows("SELECT customer_id FROM customer WHERE tenant_id = %s", tenant.tenant_id)
    )
    await leave(booking.db, booking.hooks, tenant)
    assert booking.answers(tenant) == []
    left = [CUSTOMERS + COUNTERS]
    while await booking.remover().turn() is not None:
        left.append(booking.count("customer", tenant) + booking.count("usage", tenant))
        gone = CUSTOMERS - booking.count("customer", tenant)
        assert len(booking.buried(tenant)) == gone
        assert bool(booking.answers(tenant)) is (booking.rows("SELECT 1 FROM removal") == [])
    assert all(before - after <= 3 for before, after in pairwise(left))
    assert left[-1] == 0
    assert booking.erased(tenant) == {"customer": CUSTOMERS, "usage": COUNTERS}
    assert booking.buried(tenant) == customers
    assert (booking.count("customer", other), booking.buried(other)) == (CUSTOMERS, [])


async def test_a_batch_that_breaks_off_takes_back_rows_counts_and_tombstones(booking: Service) -> None:
    """Behind its last statement, each time, for half of the batches."""

    class Killed(BookingHooks):
        async def erasing(
            self, conn: Connection, tenant_id: UUID, table: str, ids: list[Any]
        ) -> dict[str, int]:
            await super().erasing(conn, tenant_id, table, ids)
            raise psycopg.OperationalError("the process is gone")

    tenant = await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    tries = 0
    while True:
        before = (
            booking.count("customer", tenant),
            booking.buried(tenant),
            booking.rows("SELECT counts FROM removal"),
        )
        await booking.remover(hooks=Killed()).turn()
        if booking.count("customer", tenant) == 0:
            break
        if booking.rows("SELECT 1 FROM removal WHERE turn_at > clock_timestamp()"):
            tries += 1
            assert before == (
                booking.count("customer", tenant),
                booking.buried(tenant),
                booking.rows("SELECT counts FROM removal"),
            )
            booking.change("UPDATE removal SET turn_at = clock_timestamp()")
            assert await booking.remover().turn() is not None
    await booking.to_the_end()
    assert tries > 1
    assert booking.erased(tenant) == {"customer": CUSTOMERS, "usage": COUNTERS}
    assert len(set(booking.buried(tenant))) == len(booking.buried(tenant)) == CUSTOMERS


async def test_several_at_once_count_each_row_once(booking: Service) -> None:
    tenants = [await shop(booking) for _ in range(4)]
    for tenant in tenants:
        await leave(booking.db, booking.hooks, tenant)
    loops = [booking.remover() for _ in range(3)]
    while booking.rows("SELECT 1 FROM removal"):
        await asyncio.gather(*(loop.turn() for loop in loops))
    for tenant in tenants:
        assert booking.erased(tenant) == {"customer": CUSTOMERS, "usage": COUNTERS}


async def test_asked_for_again_in_the_middle_it_answers_that_and_keeps_its_counts(booking: Service) -> None:
    tenant = await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    for _ in range(4):
        await booking.remover().turn()
    assert 0 < booking.count("usage", tenant) + booking.count("customer", tenant) < CUSTOMERS + COUNTERS
    again = tenant.model_copy(update={"generation": 5, "deletion_policy": DeletionPolicy.RETAIN})
    await leave(booking.db, booking.hooks, again)
    await booking.to_the_end()
    assert booking.erased(tenant) == {"customer": CUSTOMERS, "usage": COUNTERS}
    assert booking.answers(tenant)[0].generation == 5


async def test_let_go_before_its_end_it_is_erased_all_the_same_and_not_answered(booking: Service) -> None:
    """The operator was told to abandon it: the tombstone comes before the rows have gone."""
    tenant = await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    await booking.remover().turn()
    booking.change("UPDATE tenants SET state = 'deleted', slug = '', record = '{}'")
    await booking.to_the_end()
    assert booking.count("customer", tenant) == booking.count("usage", tenant) == 0
    assert booking.answers(tenant) == []


async def test_a_tenant_that_is_served_is_left_alone(booking: Service) -> None:
    tenant = await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    await know(booking.db, tenant)
    assert await booking.to_the_end() == 0
    assert booking.count("customer", tenant) == CUSTOMERS


async def test_a_row_that_is_locked_holds_up_its_own_tenant_alone(booking: Service) -> None:
    stuck, other = await shop(booking), await shop(booking)
    for tenant in (stuck, other):
        await leave(booking.db, booking.hooks, tenant)
    first, second = booking.remover(batch=100), booking.remover(batch=100)
    for _ in range(2):
        await first.turn()  # nothing of either leads to anything any more
    with psycopg.connect(booking.database.admin_url) as conn:
        conn.execute(b"SELECT 1 FROM customer WHERE tenant_id = %s FOR UPDATE", [stuck.tenant_id])
        waiting = asyncio.create_task(first.turn())
        await somebody_waits(booking)
        while booking.answers(other) == []:
            assert await second.turn() is not None
        conn.rollback()
    await waiting
    await booking.to_the_end(100)
    for tenant in (stuck, other):
        assert booking.erased(tenant) == {"customer": CUSTOMERS, "usage": COUNTERS}


async def somebody_waits(service: Service) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await asyncio.to_thread(until, lambda: service.rows(waits), "a lock is waited for")


async def test_one_that_cannot_be_erased_is_put_off_and_the_others_go_on(booking: Service) -> None:
    class Refusing(BookingHooks):
        async def erasing(
            self, conn: Connection, tenant_id: UUID, table: str, ids: list[Any]
        ) -> dict[str, int]:
            if tenant_id == broken.tenant_id:
                raise ValueError("a fault of ours")
            return await super().erasing(conn, tenant_id, table, ids)

    broken, other = await shop(booking), await shop(booking)
    for tenant in (broken, other):
        await leave(booking.db, booking.hooks, tenant)
    loop = booking.remover(100, Refusing())
    while await loop.turn() is not None:
        pass
    assert booking.erased(other) == {"customer": CUSTOMERS, "usage": COUNTERS}
    assert booking.answers(broken) == []
    assert booking.count("customer", broken) == CUSTOMERS


async def test_no_timeout_ends_a_batch_for_good(booking: Service) -> None:
    """It would begin anew for ever."""
    seen = set()

    class Looking(BookingHooks):
        async def erasing(
            self, conn: Connection, tenant_id: UUID, table: str, ids: list[Any]
        ) -> dict[str, int]:
            row = await (await conn.execute(b"SHOW statement_timeout")).fetchone()
            seen.add(row and row["statement_timeout"])
            return await super().erasing(conn, tenant_id, table, ids)

    tenant = await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    while await booking.remover(hooks=Looking()).turn() is not None:
        pass
    assert seen == {"0"}


async def test_rows_that_are_kept_are_counted(booking: Service) -> None:
    tenant = await shop(booking, DeletionPolicy.RETAIN)
    await leave(booking.db, booking.hooks, tenant)
    await booking.to_the_end()
    (answer,) = booking.answers(tenant)
    assert answer.details.archived == {"customer": CUSTOMERS, "usage": COUNTERS}
    assert (booking.count("customer", tenant), booking.buried(tenant)) == (CUSTOMERS, [])


async def test_rows_of_a_table_in_parts_are_counted_once_and_timers_are_disarmed_first(
    databases: Databases,
) -> None:
    """As many are closed each day, so that places repeat."""
    async with opened(Component.SCHEDULER, databases, SchedulerHooks()) as scheduler:
        tenant, other = new_tenant(deletion_policy=DeletionPolicy.DELETE), new_tenant()
        for one in (tenant, other):
            await know(scheduler.db, one)
            scheduler.change(
                "INSERT INTO closed_timer (tenant_id, reminder_id, day, closed_at)"
                " SELECT %s, gen_random_uuid(), day, now() FROM generate_series(0, 9) day, generate_series(1, 3)",
                one.tenant_id,
            )
            scheduler.change(
                "INSERT INTO timer (tenant_id, reminder_id, due_at, request)"
                " SELECT %s, gen_random_uuid(), now() + interval '1 day', '{}' FROM generate_series(1, 8)",
                one.tenant_id,
            )
        await leave(scheduler.db, scheduler.hooks, tenant)
        armed = "SELECT count(*) FROM timer WHERE tenant_id = %s AND due_at IS NOT NULL"
        seen = []
        while scheduler.rows(armed, tenant.tenant_id) != [(0,)]:
            await scheduler.remover().turn()
            seen.append(scheduler.count("timer", tenant) + scheduler.count("closed_timer", tenant))
        assert seen == [38, 38, 38]
        await scheduler.to_the_end()
        assert scheduler.erased(tenant) == {"closed_timer": 30, "timer": 8}
        assert (scheduler.count("timer", other), scheduler.count("closed_timer", other)) == (8, 30)


async def test_what_is_moved_to_another_table_meanwhile_goes_too(databases: Databases) -> None:
    """As timers are that were withdrawn: to where the loop has looked already, from where it has not."""
    async with opened(Component.SCHEDULER, databases, SchedulerHooks()) as scheduler:
        tenant = new_tenant(deletion_policy=DeletionPolicy.DELETE)
        await know(scheduler.db, tenant)
        scheduler.change(
            "INSERT INTO timer (tenant_id, reminder_id, closed_at) VALUES (%s, gen_random_uuid(), now())",
            tenant.tenant_id,
        )
        await leave(scheduler.db, scheduler.hooks, tenant)
        await scheduler.remover().turn()  # nothing leads to anything any more
        with psycopg.connect(scheduler.database.admin_url) as conn:
            conn.execute(
                b"WITH gone AS (DELETE FROM timer RETURNING tenant_id, reminder_id, closed_at)"
                b" INSERT INTO closed_timer (tenant_id, reminder_id, day, closed_at)"
                b" SELECT tenant_id, reminder_id, 0, closed_at FROM gone"
            )
            erasing = asyncio.create_task(scheduler.remover().turn())
            await somebody_waits(scheduler)
            conn.commit()
        await erasing
        await scheduler.to_the_end()
        assert scheduler.erased(tenant) == {"closed_timer": 1}
        assert scheduler.count("timer", tenant) == scheduler.count("closed_timer", tenant) == 0


async def test_while_it_counts_for_long_it_is_not_taken_for_dead(booking: Service) -> None:
    now, stop, loop = 0.0, asyncio.Event(), booking.remover()
    heart = Heartbeat(loop.name, limit=60, monotonic=lambda: now)
    stop.set()
    await loop.run(stop, heart)
    now = 600
    assert heart.fault() is None


async def test_a_batch_reads_no_table_from_its_beginning(booking: Service) -> None:
    """There lie all the other tenants' rows, and those that were erased before: each batch would be slower."""
    tenant, _other = await shop(booking), await shop(booking)
    await leave(booking.db, booking.hooks, tenant)
    booking.change("ANALYZE")  # the planner sees that half of all rows are the tenant's
    whole = (
        b"SELECT relname FROM pg_class WHERE pg_stat_get_xact_numscans(oid) > 0 AND relkind IN ('r', 'p')"
        b" AND relnamespace = 'public'::regnamespace"
    )

    async def nothing_else(_table: str, _ids: list[Any]) -> dict[str, int]:
        return {}

    async with booking.db.worker() as conn:
        await conn.execute(b"SELECT set_config('app.tenant_id', %s, true)", [str(tenant.tenant_id)])
        erased = await removal.erase(conn, tenant.tenant_id, 3, {}, nothing_else)
        assert sum(erased.values()) == 3
        assert await (await conn.execute(whole)).fetchall() == []
