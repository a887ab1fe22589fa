"""A database that goes away and comes back: what a service says meanwhile, and that it goes on by itself.

The PostgreSQL is one of the test's own, as it is stopped and started.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from devstack.local_http import NO_TLS
from devstack.postgres import Postgres, ensure_service
from servicekit.db import Database
from servicekit.errors import Unavailable
from servicekit.ids import new_id
from servicekit.migrate import migrate
from servicekit.settings import DatabaseSettings
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.events import Topics, until
from support.processes import run_service, served_keys
from support.tenants import new_tenant


@pytest.fixture
def server() -> Iterator[Postgres]:
    home = Path(tempfile.mkdtemp(prefix="slotwright-test-"))
    home.chmod(0o711)
    made = Postgres(home / "postgres", settings={"fsync": "off"})
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


def settings_of(server: Postgres) -> DatabaseSettings:
    ensure_service(server.url(), "analytics", "secret")
    return DatabaseSettings(
        database_url=SecretStr(server.url("analytics", user="analytics_app", password="secret")),
        migration_database_url=SecretStr(server.url("analytics", user="analytics_owner", password="secret")),
    )


@asynccontextmanager
async def migrated(server: Postgres, *changes: LiteralString) -> AsyncIterator[Database]:
    """A service's database, changed so before anybody has connected."""
    settings = settings_of(server)
    migrate("analytics", settings)
    with psycopg.connect(server.url("analytics"), autocommit=True) as admin:
        for change in changes:
            admin.execute(change)
    db = Database(settings, application="test")
    await db.open()
    try:
        yield db
    finally:
        await db.close()


async def test_a_transaction_whose_connection_is_lost_is_told_as_unavailable_and_the_next_is_well(
    server: Postgres,
) -> None:
    async with migrated(server) as db:
        with pytest.raises(Unavailable, match="lost on the way"):
            async with db.tenant(new_id()) as conn:
                with psycopg.connect(server.url()) as admin:
                    admin.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
                await conn.execute(b"SELECT 1")
        async with db.tenant(new_id()) as conn:
            await conn.execute(b"SELECT 1")
        assert await db.ready() is None


@pytest.mark.slow
async def test_a_database_that_is_back_is_seen_at_once_however_long_it_was_away(server: Postgres) -> None:
    """20 s here. The pool's own pauses would have doubled by then beyond what a transaction waits."""
    async with migrated(server) as db:
        async with db.worker() as conn:
            await conn.execute(b"SELECT 1")
        server.stop()
        for _ in range(4):
            with pytest.raises(Unavailable):
                async with db.worker():
                    pytest.fail("there is no server")
        server.start()
        async with db.worker() as conn:
            await conn.execute(b"SELECT 1")


async def test_a_database_that_takes_no_changes_is_told_as_unavailable_and_its_connection_is_given_up(
    server: Postgres,
) -> None:
    """A server that another has replaced goes on answering, and one in use would stay with it for an hour."""
    async with migrated(server, "ALTER ROLE analytics_app SET default_transaction_read_only = on") as db:
        with pytest.raises(Unavailable, match="takes no changes"):
            async with db.worker() as conn:
                stale = conn.info.backend_pid
                await conn.execute(b"INSERT INTO inbox (consumer, event_id) VALUES ('test', 'read-only')")
        with psycopg.connect(server.url("analytics"), autocommit=True) as admin:
            admin.execute("ALTER ROLE analytics_app RESET default_transaction_read_only")
        async with db.worker() as conn:
            assert conn.info.backend_pid != stale


async def test_a_transaction_that_the_server_has_ended_for_its_idleness_is_told_as_unavailable(
    server: Postgres,
) -> None:
    """As of a process that stood still: psycopg counts this end, unlike others, as no OperationalError."""
    async with migrated(server) as db:
        with pytest.raises(Unavailable, match="lost on the way"):
            async with db.tenant(new_id()) as conn:
                await conn.execute(b"SET LOCAL idle_in_transaction_session_timeout = '10ms'")
                with psycopg.connect(server.url()) as admin:
                    there = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
                    while admin.execute(there, (conn.info.backend_pid,)).fetchone():
                        admin.rollback()
                        await asyncio.sleep(0.01)
                await conn.execute(b"SELECT 1")
        assert await db.ready() is None


async def test_a_wait_for_a_lock_that_takes_too_long_is_told_as_unavailable_and_leaves_nothing(
    server: Postgres,
) -> None:
    async with migrated(server) as db:
        with psycopg.connect(server.url("analytics")) as admin:
            admin.execute("LOCK TABLE usage")
            with pytest.raises(Unavailable, match="too much to do"):
                async with db.tenant(new_id()) as conn:
                    await conn.execute(b"INSERT INTO inbox (consumer, event_id) VALUES ('test', 'lock')")
                    await conn.execute(b"SET LOCAL lock_timeout = '100ms'")
                    await conn.execute(b"SELECT 1 FROM usage")
            assert admin.execute("SELECT 1 FROM inbox WHERE event_id = 'lock'").fetchall() == []
        assert await db.ready() is None


@pytest.mark.slow
def test_a_service_says_that_its_database_is_away_lives_on_and_heals(
    server: Postgres, broker: Broker, tmp_path: Path
) -> None:
    """Takes about 15 s: a request waits 5 s for a connection before it gives up, and loops back off meanwhile."""
    settings, minter = settings_of(server), TokenMinter()
    migrate("analytics", settings)
    with served_keys(minter) as jwks_url:
        env = broker.service_env("analytics") | {
            "database_url": settings.database_url.get_secret_value(),
            "kafka_group_prefix": f"w{new_id().hex[-8:]}.",
            "jwks_url": jwks_url,
            "public_url": minter.issuer,
        }
        with (
            run_service("analytics", "all", tmp_path, **env) as running,
            httpx.Client(verify=NO_TLS, timeout=20) as http,
        ):
            server.stop()
            ready = http.get(f"{running.url}/readyz")
            assert ready.status_code == 503
            name = f"the database at 127.0.0.1:{httpx.URL(server.url()).port} does not answer"
            assert [item.split(" (")[0] for item in ready.json()["missing"]] == [name]
            refused = http.get(
                f"{running.url}/v1/analytics/daily",
                params={"from": "2026-03-02", "to": "2026-03-02"},
                headers=minter.headers(new_id()),
            )
            assert refused.status_code == 503, refused.text
            assert refused.headers["retry-after"]
            assert http.get(f"{running.url}/healthz").status_code == 200
            tenant = new_tenant()
            Topics(broker.super_user()).publish(tenant)
            server.start()
            until(lambda: http.get(f"{running.url}/readyz").status_code == 200, "ready again")

            def answered() -> bool:
                with psycopg.connect(server.url("analytics")) as conn:
                    found = "SELECT 1 FROM tenant_status WHERE tenant_id = %s"
                    return bool(conn.execute(found, (tenant.tenant_id,)).fetchall())

            until(answered, "the event written meanwhile is consumed")
            until(lambda: _outbox_is_empty(server), "the answer is relayed")
            assert running.process.poll() is None


def _outbox_is_empty(server: Postgres) -> bool:
    with psycopg.connect(server.url("analytics")) as conn:
        return conn.execute("SELECT 1 FROM outbox").fetchall() == []
