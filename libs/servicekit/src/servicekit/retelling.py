"""`python -m <service> retell`: publishes a service's compacted topic anew, above all versions told before.

For who restores (docs/backup.md). Readers pass over a version that is no higher than the one they have. A database
from a backup would give out again the numbers that it gave out since, for other contents, and its readers would
keep the old ones. And a Kafka that was lost has nothing for a reader that begins anew.

A service that takes part has a module `retelling` with a coroutine `retell(db, tenant_id)`, which answers how many
events it has written. They go to the outbox, from where the running service's relay sends them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from uuid import UUID

import psycopg
import structlog

from servicekit.db import Database
from servicekit.errors import NotFound, Unavailable
from servicekit.settings import DatabaseSettings

log = structlog.get_logger(__name__)

STEP = 100_000
"""By so much each version rises: more than anything is changed between a backup and its restoration."""
_SERVED = b"SELECT tenant_id FROM tenants WHERE state IN ('active', 'suspended') ORDER BY tenant_id"

Retell = Callable[[Database, UUID], Awaitable[int]]


def run(service: str) -> int:
    """Retells for every tenant; answers the exit code. May be run again, also where it was broken off."""
    retell: Retell = import_module(f"{service}.retelling").retell
    try:
        asyncio.run(_run(service, retell))
    except (Unavailable, psycopg.Error) as error:
        log.error("retelling was broken off, run it again", error=str(error).strip())
        return 1
    return 0


async def _run(service: str, retell: Retell) -> None:
    db = Database(DatabaseSettings(), application=f"{service} retell")
    await db.open()
    try:
        async with db.worker() as conn:
            tenants = [row["tenant_id"] for row in await (await conn.execute(_SERVED)).fetchall()]
        events = 0
        for tenant_id in tenants:
            try:
                events += await retell(db, tenant_id)
            except NotFound:
                log.info("tenant is being deleted", tenant_id=str(tenant_id))
    finally:
        await db.close()
    log.info("retold", tenants=len(tenants), events=events)
