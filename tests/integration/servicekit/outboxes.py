"""A service's outbox and its relay, for the tests of the relay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

import psycopg
import pytest

from contracts.platform import Component, ComponentState, TenantChanged, TenantStatusReported
from servicekit import outbox
from servicekit.db import Database
from servicekit.relay import _LOCK_CLASS, Relay
from servicekit.settings import KafkaSettings
from support.databases import ServiceDatabase
from support.loops import running

LARGE = "booking.reminder.v1"


class Outbox:
    """A service's outbox and its relay, which runs in the test."""

    def __init__(self, db: Database, database: ServiceDatabase, kafka: KafkaSettings) -> None:
        self.db = db
        self._database = database
        self._kafka = kafka

    def relayed(self) -> AbstractAsyncContextManager[None]:
        return running(Relay("booking", self.db, self._kafka))

    async def publish(
        self, *events: TenantStatusReported, copy_to: TenantChanged | None = None, bytes_before: int = 0
    ) -> None:
        """With `bytes_before` an event of that size, which nobody could read, comes first, on another topic."""
        async with self.db.worker() as conn:
            if bytes_before:
                await conn.execute(
                    b"INSERT INTO outbox (shard, topic, key, headers, payload) VALUES (0, %s, 'large', '{}', %s)",
                    (LARGE, b"0" * bytes_before),
                )
            await outbox.publish(conn, "booking", *events, copy_to=copy_to)

    @asynccontextmanager
    async def taken_from_its_relay(self) -> AsyncIterator[None]:
        """Another has the relay's locks as soon as its connection is lost, as behind a failover of the server."""
        with psycopg.connect(self._database.admin_url, autocommit=True) as admin:
            locks = admin.execute(
                "SELECT pid, classid::int, objid::int FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
            ).fetchall()
            ((relay,), (kind,)) = ({lock[column] for lock in locks} for column in (0, 1))
            async with await psycopg.AsyncConnection.connect(
                self._database.admin_url, autocommit=True
            ) as other:
                shards = [shard for _pid, _kind, shard in locks]
                taking = asyncio.create_task(
                    other.execute("SELECT pg_advisory_lock(%s, s) FROM unnest(%s::int[]) s", (kind, shards))
                )
                waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
                await self.until(
                    lambda: admin.execute(waits, (other.info.backend_pid,)).fetchone() is not None, "it waits"
                )
                admin.execute("SELECT pg_terminate_backend(%s)", (relay,))
                await taking
                yield

    async def publish_after_all_others(self, event: TenantStatusReported) -> None:
        """And in the file before them: they are where PostgreSQL has put what was changed."""
        await self.publish(event)
        with psycopg.connect(self._database.admin_url) as admin:
            admin.execute("UPDATE outbox SET created_at = created_at WHERE id < (SELECT max(id) FROM outbox)")

    def take_changes(self, *, wanted: bool) -> None:
        """From the next transaction on, as after a failover, or while its disk is full."""
        with psycopg.connect(self._database.admin_url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'off' if wanted else 'on'}")
            admin.execute("SELECT pg_reload_conf()")

    def takes_changes(self) -> bool:
        """Of whoever connects now; those who did before have been told by then."""
        with psycopg.connect(self._database.admin_url) as admin:
            return admin.execute("SHOW default_transaction_read_only").fetchone() == ("off",)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """One is open, as a dump has it: nothing that is deleted meanwhile can be cleaned."""
        with psycopg.connect(self._database.admin_url) as conn:
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            conn.execute("SELECT FROM outbox")
            yield

    @asynccontextmanager
    async def kept_from_its_relay(self, key: str) -> AsyncIterator[None]:
        """Another has the shard of that key."""
        with psycopg.connect(self._database.admin_url, autocommit=True) as conn:
            conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, outbox.shard_of(key)))
            yield

    async def read_by_a_poll(self) -> float:
        """How many entries of the index of ids a relay that has nothing to do reads, on an average."""
        polls, entries = self._read()
        await self.until(lambda: self._read()[0] >= polls + 20, "it goes on polling")
        polls_by_then, entries_by_then = self._read()
        return (entries_by_then - entries) / (polls_by_then - polls)

    def _read(self) -> tuple[int, int]:
        (read,) = self._database.rows(
            "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'outbox_pkey'"
        )
        return read["idx_scan"], read["idx_tup_read"]

    def left(self) -> list[str]:
        """The topics of what is still to be relayed."""
        return [row["topic"] for row in self._database.rows("SELECT topic FROM outbox ORDER BY id")]

    async def until(self, holds: Callable[[], object], what: str, *, seconds: float = 60) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - another process tells
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not within {seconds} s: {what}; left in the outbox: {self.left()}")


def status(tenant_id: UUID, generation: int) -> TenantStatusReported:
    return TenantStatusReported(
        tenant_id=tenant_id,
        component=Component.ANALYTICS,
        generation=generation,
        state=ComponentState.READY,
        reason="Provisioned",
        message="",
    )
