"""What is used of a plan's limits: told again after each change, and never less than nothing."""

from collections.abc import Awaitable, Callable

import pytest

from contracts.platform import Component, ComponentState, StatusDetails, TenantChanged
from servicekit import usage
from servicekit.clock import utc_now
from servicekit.db import Connection, Database
from servicekit.tenancy import UsageReporter, report
from support.databases import ServiceDatabase
from support.reports import reports
from support.tenants import know, new_tenant


@pytest.fixture
async def tenant(db: Database) -> TenantChanged:
    """One that was answered for, with one member of staff."""
    made, now = new_tenant(), utc_now()
    await know(db, made)
    async with db.tenant(made.tenant_id) as conn:
        await usage.consume(conn, made, "staff", now)
        await report(
            conn,
            Component.ANALYTICS,
            made.tenant_id,
            1,
            ComponentState.READY,
            "Provisioned",
            "",
            StatusDetails(),
        )
    return made


async def test_use_is_told_again_whichever_way_it_has_changed(
    db: Database, database: ServiceDatabase, tenant: TenantChanged
) -> None:
    """Nothing else tells the operator of it, whose status a business looks at before it is refused."""
    reporter, now = UsageReporter(Component.ANALYTICS, db), utc_now()
    await reporter.turn()
    assert await reporter.turn() is None
    changes: list[tuple[Callable[[Connection], Awaitable[None]], int]] = [
        (lambda conn: usage.consume(conn, tenant, "staff", now), 2),
        (lambda conn: usage.require(conn, tenant, "staff", now), 3),
        (lambda conn: usage.release(conn, tenant.tenant_id, "staff", now), 2),
    ]
    for change, used in changes:
        before = len(reports(database))
        async with db.tenant(tenant.tenant_id) as conn:
            await change(conn)
        await reporter.turn()
        assert [one.details.usage for one in reports(database)[before:]] == [{"staff": used}]


async def test_what_is_given_back_and_was_never_counted_leaves_nothing_below_nought(
    db: Database, tenant: TenantChanged
) -> None:
    """Nor is that refused: whoever gives back is in the middle of something else."""
    now = utc_now()
    for _ in range(2):
        async with db.tenant(tenant.tenant_id) as conn:
            await usage.release(conn, tenant.tenant_id, "staff", now)
            assert await usage.snapshot(conn, tenant.tenant_id, now) == {"staff": 0}
