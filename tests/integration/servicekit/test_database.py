"""Transactions of servicekit.db: what a pipelined one sends when, and what is left when something in it fails."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import psycopg
import pytest

from contracts.platform import TenantState
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.ids import new_id
from servicekit.tenants import tenant_in_scope
from support.databases import Databases, ServiceDatabase
from support.tenants import know, new_tenant

_LOCK = b"SELECT pg_advisory_xact_lock(7)"
_USE = b"INSERT INTO usage (tenant_id, metric, period, used) VALUES (%s, 'things', '', %s)"
_USED = b"SELECT used FROM usage WHERE tenant_id = %s"


@pytest.fixture(scope="module")
def database(databases: Databases) -> ServiceDatabase:
    return databases.for_service("booking")


@pytest.fixture
async def db(database: ServiceDatabase) -> AsyncIterator[Database]:
    """One connection at a time: what a failure leaves on it is found by the next transaction."""
    made = Database(database.settings.model_copy(update={"database_pool_size": 2}), application="test")
    await made.open()
    yield made
    await made.close()


def locked(database: ServiceDatabase) -> bool:
    """Whether somebody holds the lock of these tests."""
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    return bool(row and row[0])


async def test_a_pipelined_statement_is_sent_with_the_next_fetch(
    db: Database, database: ServiceDatabase
) -> None:
    async with db.tenant(new_id(), pipelined=True) as conn:
        await conn.execute(_LOCK)
        assert not locked(database)
        row = await (await conn.execute(b"SELECT 1 AS one")).fetchone()
        assert row == {"one": 1}
        assert locked(database)
    assert not locked(database)


async def test_what_pipelined_transactions_ask_alike_is_planned_once(db: Database) -> None:
    asked = b"SELECT count(*) FROM usage WHERE tenant_id = ANY(%s)"
    for _ in range(20):
        async with db.tenant(new_id(), pipelined=True) as conn:
            await (await conn.execute(asked, ([new_id()],))).fetchone()
    # Its length is what a plan for one array knows: left to choose, PostgreSQL makes one each time.
    async with db.tenant(new_id()) as conn:
        plans = await conn.execute(
            b"SELECT custom_plans, generic_plans > 0 AS planned_once FROM pg_prepared_statements"
            b" WHERE statement LIKE 'SELECT count(*) FROM usage%%'"
        )
        assert await plans.fetchall() == [{"custom_plans": 0, "planned_once": True}]


async def test_a_pipelined_transaction_commits_what_nothing_was_fetched_of(db: Database) -> None:
    tenant_id = new_id()
    async with db.tenant(tenant_id, pipelined=True) as conn:
        await conn.execute(_USE, (tenant_id, 3))
    async with db.tenant(tenant_id, pipelined=True) as conn:
        assert await (await conn.execute(_USED, (tenant_id,))).fetchall() == [{"used": 3}]
    async with db.tenant(new_id(), pipelined=True) as conn:
        assert await (await conn.execute(_USED, (tenant_id,))).fetchall() == []


async def test_how_many_rows_changed_cannot_be_asked_before_it_is_known(db: Database) -> None:
    tenant_id = new_id()
    async with db.tenant(tenant_id, pipelined=True) as conn:
        cursor = await conn.execute(_USE, (tenant_id, 3))
        with pytest.raises(psycopg.ProgrammingError, match="RETURNING"):
            _ = cursor.rowcount
        await (await conn.execute(_USED, (tenant_id,))).fetchone()
        assert cursor.rowcount == 1


async def test_the_first_error_of_a_pipeline_is_raised_by_the_next_fetch_and_nothing_stays(
    db: Database,
) -> None:
    tenant_id = new_id()
    with pytest.raises(psycopg.errors.CheckViolation):
        async with db.tenant(tenant_id, pipelined=True) as conn:
            await conn.execute(_USE, (tenant_id, 3))
            await conn.execute(_USE, (tenant_id, -1))
            await conn.execute(_USE, (tenant_id, 4))
            await (await conn.execute(_USED, (tenant_id,))).fetchone()
            pytest.fail("the fetch told nothing of the statement before it")
    async with db.tenant(tenant_id, pipelined=True) as conn:
        assert await (await conn.execute(_USED, (tenant_id,))).fetchall() == []


async def test_an_error_that_no_fetch_told_is_raised_at_the_end(db: Database) -> None:
    tenant_id = new_id()
    with pytest.raises(psycopg.errors.CheckViolation):
        async with db.tenant(tenant_id, pipelined=True) as conn:
            await conn.execute(_USE, (tenant_id, 3))
            await conn.execute(_USE, (tenant_id, -1))
    async with db.tenant(tenant_id, pipelined=True) as conn:
        assert await (await conn.execute(_USED, (tenant_id,))).fetchall() == []


async def test_an_error_of_ours_takes_back_what_was_written(db: Database) -> None:
    tenant_id = new_id()
    with pytest.raises(LookupError):
        async with db.tenant(tenant_id, pipelined=True) as conn:
            await conn.execute(_USE, (tenant_id, 3))
            raise LookupError
    async with db.tenant(tenant_id, pipelined=True) as conn:
        assert await (await conn.execute(_USED, (tenant_id,))).fetchall() == []


async def test_a_task_that_is_cancelled_while_it_waits_leaves_nothing_locked(
    db: Database, database: ServiceDatabase
) -> None:
    async def wait() -> None:
        async with db.tenant(new_id(), pipelined=True) as conn:
            await conn.execute(_LOCK)
            await (await conn.execute(b"SELECT pg_sleep(60)")).fetchone()

    task = asyncio.create_task(wait())
    while not locked(database):  # noqa: ASYNC110 - another process holds it
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not locked(database)
    async with db.tenant(new_id(), pipelined=True) as conn:
        assert await (await conn.execute(b"SELECT 1 AS one")).fetchone() == {"one": 1}


@pytest.mark.parametrize("pipelined", [False, True])
async def test_of_two_that_wait_for_each_other_one_comes_through_and_one_is_told_to_come_again(
    db: Database, *, pipelined: bool
) -> None:
    both = asyncio.Barrier(2)

    async def locking(first: int, second: int) -> str:
        async with db.tenant(new_id(), pipelined=pipelined) as conn:
            await (await conn.execute(b"SELECT pg_advisory_xact_lock(%s)", (first,))).fetchone()
            await both.wait()
            await (await conn.execute(b"SELECT pg_advisory_xact_lock(%s)", (second,))).fetchone()
        return "through"

    ends = await asyncio.gather(locking(1, 2), locking(2, 1), return_exceptions=True)
    assert [end for end in ends if end == "through"] == ["through"]
    (told,) = (end for end in ends if end != "through")
    assert isinstance(told, Unavailable)
    assert told.headers["Retry-After"]


async def test_a_transaction_that_cannot_be_put_in_order_is_told_as_unavailable(db: Database) -> None:
    with pytest.raises(Unavailable):
        async with db.tenant(new_id()) as conn:
            await conn.execute(b"DO 'BEGIN RAISE SQLSTATE ''40001''; END'")


async def test_a_pipelined_transaction_whose_connection_is_lost_is_told_as_unavailable(
    db: Database, database: ServiceDatabase
) -> None:
    with pytest.raises(Unavailable, match="lost on the way"):
        async with db.tenant(new_id(), pipelined=True) as conn:
            end(database, conn.info.backend_pid)
            await (await conn.execute(b"SELECT 1")).fetchone()
    async with db.tenant(new_id(), pipelined=True) as conn:
        assert await (await conn.execute(b"SELECT 1 AS one")).fetchone() == {"one": 1}


async def test_a_connection_that_was_closed_while_nobody_used_it_is_not_given_out(
    db: Database, database: ServiceDatabase
) -> None:
    async with db.public() as conn:
        pid = conn.info.backend_pid
        assert await (await conn.execute(b"SELECT 1 AS one")).fetchone() == {"one": 1}
    end(database, pid)
    async with db.public() as conn:
        assert conn.info.backend_pid != pid
        assert await (await conn.execute(b"SELECT 1 AS one")).fetchone() == {"one": 1}


def end(database: ServiceDatabase, pid: int) -> None:
    """Ends a session, and waits until it has gone."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        assert admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)


async def test_either_side_gives_up_a_peer_that_has_vanished_in_half_a_minute(db: Database) -> None:
    """Else the locks of a machine that is gone would be kept for the two hours that TCP waits by default."""
    dedicated = await db.dedicated()
    async with db.worker() as pooled:
        for conn in (pooled, dedicated):
            told = [
                (await (await conn.execute(f"SHOW tcp_keepalives_{name}".encode())).fetchone() or {})[
                    f"tcp_keepalives_{name}"
                ]
                for name in ("idle", "interval", "count")
            ]
            assert told == ["15", "5", "3"]
            # Beside those, which say nothing to who waits for an acknowledgement: a quarter of an hour by default.
            shown = await (await conn.execute(b"SHOW tcp_user_timeout")).fetchone()
            assert shown == {"tcp_user_timeout": "30000"}
            # And to who waits for a connection: psycopg's own 130 s.
            assert conn.info.get_parameters()["connect_timeout"] == "5"
            own = socket.socket(fileno=os.dup(conn.fileno()))
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            own.close()
    await dedicated.close()


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_name_leads_to_its_new_bearer_alone(db: Database, *, pipelined: bool) -> None:
    """Of those before, one was let go without a word, and the end of another is heard of last."""
    let_go = new_tenant()
    heir, leaving = new_tenant(slug=let_go.slug), new_tenant(slug=let_go.slug, state=TenantState.DELETING)
    for tenant in (let_go, heir, leaving):
        await know(db, tenant)
    async with db.tenant(let_go.slug, pipelined=pipelined) as conn:
        assert (await tenant_in_scope(conn)).tenant_id == heir.tenant_id
