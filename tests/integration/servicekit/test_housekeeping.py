"""What has served its time goes, as fast as it comes."""

import asyncio

import psycopg

from servicekit.db import Database
from servicekit.health import Heartbeat
from servicekit.housekeeping import Housekeeping
from support.databases import Databases, ServiceDatabase

_ROWS = 12_000
"""More than go in one statement, twice."""


async def test_all_that_is_old_goes_in_one_turn_after_the_other_and_the_rest_stays(
    databases: Databases,
) -> None:
    database = databases.for_service("analytics")
    with psycopg.connect(database.admin_url) as conn:
        for age, rows in (("15 days", _ROWS), ("13 days", 3)):
            conn.execute(
                "INSERT INTO inbox (consumer, event_id, received_at)"
                " SELECT 'c', gen_random_uuid(), now() - %s::interval FROM generate_series(1, %s)",
                (age, rows),
            )
        for age, rows in (("25 hours", _ROWS), ("23 hours", 3)):
            conn.execute(
                "INSERT INTO idempotency (tenant_id, route, key, request_hash, created_at)"
                " SELECT gen_random_uuid(), 'r', 'k', '', now() - %s::interval FROM generate_series(1, %s)",
                (age, rows),
            )
    db, stop = Database(database.settings, application="test"), asyncio.Event()
    await db.open()
    housekeeping = Housekeeping("analytics", db)
    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(housekeeping.run(stop, Heartbeat(housekeeping.name, limit=60)))
            while left(database) != (3, 3):  # noqa: ASYNC110 - another process tells
                await asyncio.sleep(0.05)
            stop.set()
    finally:
        await db.close()


def left(database: ServiceDatabase) -> tuple[int, int]:
    with psycopg.connect(database.admin_url) as conn:
        rows = conn.execute(
            "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM idempotency)"
        ).fetchall()
    return rows[0]
