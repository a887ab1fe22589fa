"""The service's own Postgres: a pool, and the kinds of transaction that there are.

`tenant(tenant_id)` sees one tenant's rows, by row level security; `worker()` is for loops that serve all tenants
(relay, timers, read models) and sees what a table's worker policy shows. The service layer opens transactions;
stores take a `Connection` and never commit. The commit happens when the block ends, so before any response.

A pipelined transaction sends its statements, and waits for PostgreSQL, only where a result is fetched and at the
end: an error is raised there, and `rowcount` cannot be asked before. It cannot have savepoints.
"""

import select
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic_core import from_json, to_json

from servicekit.errors import Unavailable
from servicekit.logging import name_tenant
from servicekit.settings import CLIENT_TCP_TIMEOUTS, SERVER_TCP_TIMEOUTS, DatabaseSettings, server_of

Connection = AsyncConnection[DictRow]
Cursor = AsyncCursor[DictRow]

# pydantic's, several times as fast as the standard library's.
set_json_dumps(to_json)
set_json_loads(from_json)

_WAIT_SECONDS = 5
_TIMEOUTS = "-c statement_timeout=15s -c idle_in_transaction_session_timeout=30s -c lock_timeout=10s"
_INSTANTS = "-c timezone=UTC"
"""Has psycopg answer instants in Python's own UTC, which is the cheapest to compare."""
_OVERTIME = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
"""One of the timeouts above has ended a statement; the transaction is rolled back."""
_CROSSED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""Another transaction was using the same rows, and this one was rolled back: it succeeds when it is repeated."""
READ_ONLY = psycopg.errors.ReadOnlySqlTransaction
"""The server takes no writes (any more): another one is the primary now, or its disk is full."""
_SCOPE = b"SELECT set_config('app.tenant_id', %s, true), set_config('app.worker', %s, true)"
# Each statement is planned once per connection. By default PostgreSQL would plan the query of busy times each time,
# which takes six times as long as running it: only in a plan for one array does it know how many ids that has.
_PLAN_ONCE = b", set_config('plan_cache_mode', 'force_generic_plan', true)"
_UNTIMED = b", set_config('statement_timeout', '0', true)"
_SHARE = b", pg_advisory_xact_lock_shared(hashtextextended(%s, 0))"
# A slug is given to another tenant only after the first has gone: the latest one counts. No tenant, no scope.
_SCOPE_BY_SLUG = b"SELECT set_config('app.tenant_id', id, true), set_config('app.worker', '', true)"
_SHARE_BY_SLUG = b", pg_advisory_xact_lock_shared(hashtextextended(id || %s, 0))"
_BY_SLUG = b"""
FROM (SELECT tenant_id::text AS id FROM tenants WHERE slug = %s AND state IN ('active', 'suspended')
    ORDER BY updated_at DESC LIMIT 1) AS named"""


class _Cursor(Cursor):
    """Raises where psycopg would answer a `rowcount` of -1, for a statement of a pipeline without a result yet."""

    @property
    def rowcount(self) -> int:
        if self.pgresult is None and self.connection.pgconn.pipeline_status:
            raise psycopg.ProgrammingError("in a pipeline nothing is known before a fetch: use RETURNING")
        return super().rowcount


class Database:
    """A pool of connections as the service's app role, which owns nothing and cannot bypass RLS."""

    def __init__(self, settings: DatabaseSettings, *, application: str) -> None:
        self._conninfo = make_conninfo(settings.conninfo(), **CLIENT_TCP_TIMEOUTS)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._conninfo,
            min_size=1,
            max_size=settings.database_pool_size,
            timeout=_WAIT_SECONDS,
            open=False,
            # The pool doubles its pauses between attempts for as long as an outage lasts, and would not notice for
            # as long again that the server is back. So it gives up soon, and begins anew for who asks or waits.
            reconnect_timeout=_WAIT_SECONDS,
            reconnect_failed=_begin_anew,
            name=application,
            check=_check,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "cursor_factory": _Cursor,
                "options": f"{_TIMEOUTS} {_INSTANTS} {SERVER_TCP_TIMEOUTS}",
                "application_name": application,
                "connect_timeout": _WAIT_SECONDS,
            },
        )

    async def open(self) -> None:
        """Starts the pool without waiting for the server: readiness tells when it is there."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def tenant(
        self, tenant: UUID | str, *, pipelined: bool = False, sharing: Sequence[str] = ()
    ) -> AsyncIterator[Connection]:
        """A transaction that sees and writes one tenant's rows only: of the one with that id, or with that slug.

        `sharing` names the tenant's locks that it takes in shared mode as it begins; see servicekit.tenants. With
        an unknown slug it sees no rows; servicekit.tenants.tenant_in_scope raises NotFound then.
        Raises Unavailable when no connection can be had in 5 s, the one in use is lost, a statement or its wait for
        a lock takes too long, it is in a deadlock with another transaction, or the server takes no writes.
        """
        if isinstance(tenant, UUID):
            name_tenant(tenant)
        begin = _pipelined if pipelined else _step_by_step
        async with self._connection() as conn, begin(conn, _Scope(tenant, sharing=sharing)):
            yield conn

    @asynccontextmanager
    async def public(self) -> AsyncIterator[Connection]:
        """A transaction that sees no tenant's rows, only who the tenants are."""
        async with self._connection() as conn, _step_by_step(conn, _Scope()):
            yield conn

    @asynccontextmanager
    async def worker(self, *, untimed: bool = False) -> AsyncIterator[Connection]:
        """A transaction across tenants, for loops; never used while a client's request is handled.

        `untimed` is for work that would be ended and begun anew for ever if it took longer than the statements'
        timeout; a loop that does it lets its heartbeat wait as long (servicekit.periodic.LONG_SECONDS).
        """
        settings = _UNTIMED if untimed else b""
        async with self._connection() as conn, _step_by_step(conn, _Scope(worker="on"), settings):
            yield conn

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            context = self._pool.connection()
            conn = await context.__aenter__()
        except PoolTimeout as error:
            # A pool that cannot connect and one whose connections are all in use raise the same.
            raise Unavailable(
                f"No connection to the database was to be had within {_WAIT_SECONDS} seconds."
            ) from error
        except psycopg.OperationalError as error:
            raise Unavailable("The database cannot be reached at the moment.") from error
        try:
            yield conn
        except BaseException as error:
            lost = isinstance(error, psycopg.Error) and conn.broken
            if isinstance(error, READ_ONLY):
                await conn.close()  # a new one may reach the server that is the primary now
            await context.__aexit__(type(error), error, error.__traceback__)
            if lost:
                raise Unavailable("The database was lost on the way.") from error
            if isinstance(error, _OVERTIME):
                raise Unavailable("The database has too much to do at the moment.") from error
            if isinstance(error, _CROSSED):
                raise Unavailable("Somebody else was changing the same; nothing has come of this.") from error
            if isinstance(error, READ_ONLY):
                raise Unavailable("The database takes no changes at the moment.") from error
            raise
        else:
            await context.__aexit__(None, None, None)

    async def dedicated(self) -> Connection:
        """A connection of its own, outside the pool, in autocommit: for session locks. The caller closes it.

        Only to a server that takes writes: on another the caller could not record what it does under its lock.
        """
        return await AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            row_factory=dict_row,
            options=f"-c app.worker=on {SERVER_TCP_TIMEOUTS}",
            connect_timeout=_WAIT_SECONDS,
            target_session_attrs="read-write",
        )

    async def ready(self) -> str | None:
        """The readiness check: None when the database answers."""
        try:
            async with self.worker() as conn:
                await conn.execute(b"SELECT 1")
        except (Unavailable, psycopg.Error) as error:
            reason = type(error.__cause__ or error).__name__
            return f"the database at {server_of(self._conninfo)} does not answer ({reason})"
        return None


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a transaction may see, and which of the tenant's locks it shares."""

    tenant: UUID | str | None = None
    worker: str = ""
    sharing: Sequence[str] = ()

    async def enter(self, conn: Connection, settings: bytes = b"") -> None:
        if isinstance(self.tenant, str):
            statement = _SCOPE_BY_SLUG + settings + _SHARE_BY_SLUG * len(self.sharing) + _BY_SLUG
            await conn.execute(statement, (*self.sharing, self.tenant))
            return
        tenant_id = "" if self.tenant is None else str(self.tenant)
        shared = [tenant_id + lock for lock in self.sharing]
        await conn.execute(_SCOPE + settings + _SHARE * len(shared), (tenant_id, self.worker, *shared))


@asynccontextmanager
async def _step_by_step(conn: Connection, scope: _Scope, settings: bytes = b"") -> AsyncIterator[None]:
    async with conn.transaction():
        await scope.enter(conn, settings)
        yield


@asynccontextmanager
async def _pipelined(conn: Connection, scope: _Scope) -> AsyncIterator[None]:
    """A transaction in a pipeline. psycopg's transaction() would wait for the server four times, for no result."""
    try:
        async with conn.pipeline() as pipeline:
            _hold_back(pipeline)
            await conn.execute(b"BEGIN")
            await scope.enter(conn, _PLAN_ONCE)
            yield
            await conn.execute(b"COMMIT")
    except BaseException:
        if not conn.closed:
            await conn.rollback()
        raise


def _hold_back(pipeline: AsyncPipeline) -> None:
    """Keeps statements in libpq's buffer until the next fetch: one system call for many statements.

    psycopg itself would send each at once; libpq sends early when 64 KiB have come together.
    """

    def buffered() -> Generator[Any, Any, None]:
        while pipeline.command_queue:
            pipeline.command_queue.popleft()()
        yield from ()

    pipeline._communicate_gen = buffered  # type: ignore[method-assign]


async def _check(conn: Connection) -> None:
    """Checks a connection before the pool gives it out. Raises psycopg.OperationalError.

    Only one with something to read is asked, as one that the server has closed has. To ask each would be a round
    trip for every request.
    """
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(conn)


async def _begin_anew(pool: AsyncConnectionPool[Any]) -> None:
    if pool.get_stats().get("requests_waiting"):
        await pool.check()


def constraint_of(error: psycopg.Error) -> str | None:
    """The name of the constraint that an error is about: invariants are known by their names."""
    return error.diag.constraint_name


def affected(cursor: Any) -> bool:
    """Whether a statement changed any row."""
    return bool(cursor.rowcount)
