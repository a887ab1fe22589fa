"""A database whose statements run into their timeout soon, for tests of what goes on when one does.

Used by the tests of the loops that look through what is dead in an index (servicekit.full_scan).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import psycopg
import pytest

from servicekit import db as servicekit_db
from servicekit.db import Database
from servicekit.settings import DatabaseSettings

_TIMEOUT = "1s"
_LONG = "2 seconds"
"""Well above the timeout: a statement that has been running for so long does not have it."""


@asynccontextmanager
async def impatient(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool whose statements may take a second, but for those that are untimed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servicekit_db, "_TIMEOUTS", f"-c statement_timeout={_TIMEOUT}")
        database = Database(settings, application="impatient")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def outlasts(doing: Awaitable[None], admin_url: str, table: str) -> None:
    """Does it while the table is locked, until its statement has taken far longer than the timeout allows.

    Raises what it raises.
    """
    task = asyncio.ensure_future(doing)
    with psycopg.connect(admin_url) as admin:
        admin.execute(f"LOCK TABLE {table}".encode())
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'impatient' AND wait_event_type = 'Lock'"
            f" AND clock_timestamp() - query_start > interval '{_LONG}'"
        )
        while not task.done() and not admin.execute(waiting.encode()).fetchone():  # noqa: ASYNC110 - another tells
            await asyncio.sleep(0.05)
    await task
