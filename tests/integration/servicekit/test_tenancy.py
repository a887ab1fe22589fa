"""What a service answers about its tenants, and what it makes of their end, on a real PostgreSQL and Kafka.

The loops run in the test, on analytics' database and as its user; the test plays the operator.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from contracts.platform import Component, ComponentState, StatusDetails, TenantStatusReported
from servicekit import usage
from servicekit.clock import utc_now
from servicekit.db import Connection, Database
from servicekit.tenancy import UsageReporter, report
from support.databases import Databases, ServiceDatabase
from support.tenants import know, new_tenant


@pytest.fixture
def database(databases: Databases) -> ServiceDatabase:
    return databases.for_service("analytics")


@pytest.fixture
async def db(database: ServiceDatabase) -> AsyncIterator[Database]:
    made = Database(database.settings, application="test")
    await made.open()
    yield made
    await made.close()


async def test_a_report_of_use_repeats_no_answer_that_is_being_replaced(
    db: Database, database: ServiceDatabase
) -> None:
    tenant = new_tenant()
    await know(db, tenant)
    async with db.tenant(tenant.tenant_id) as conn:
        await answer(conn, tenant.tenant_id, 1)
        await usage.consume(conn, tenant, "bookings_per_month", utc_now())
    async with db.tenant(tenant.tenant_id) as conn:
        await answer(conn, tenant.tenant_id, 2)
        reporting = asyncio.create_task(UsageReporter(Component.ANALYTICS, db).turn())
        while not waits_for_a_lock(database):  # noqa: ASYNC110 - another process tells
            await asyncio.sleep(0.02)
    await reporting
    told = answers(database)
    assert [one.generation for one in told] == [1, 2, 2]
    assert told[-1].details.usage == {"bookings_per_month": 1}


async def test_an_answer_to_an_older_record_is_not_given(db: Database, database: ServiceDatabase) -> None:
    tenant = new_tenant()
    await know(db, tenant)
    for generation in (2, 1, 2, 3):
        async with db.tenant(tenant.tenant_id) as conn:
            await answer(conn, tenant.tenant_id, generation)
    assert [one.generation for one in answers(database)] == [2, 2, 3]


async def answer(conn: Connection, tenant_id: UUID, generation: int) -> None:
    state, details = ComponentState.READY, StatusDetails()
    await report(conn, Component.ANALYTICS, tenant_id, generation, state, "Provisioned", "", details)


def answers(database: ServiceDatabase) -> list[TenantStatusReported]:
    """What stands in the outbox, in order."""
    with psycopg.connect(database.admin_url) as conn:
        rows = conn.execute(
            "SELECT payload FROM outbox WHERE topic = %s ORDER BY id", (TenantStatusReported.TOPIC,)
        ).fetchall()
    return [TenantStatusReported.model_validate_json(payload) for (payload,) in rows]


def waits_for_a_lock(database: ServiceDatabase) -> bool:
    """Whether any session on the database does."""
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        found = conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found.fetchall())
