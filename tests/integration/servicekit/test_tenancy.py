"""What a service answers about its tenants, and what it makes of their end, on a real PostgreSQL and Kafka.

The loops run in the test, on analytics' database and as its user; the test plays the operator.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from contracts.envelope import Envelope
from contracts.platform import (
    Component,
    ComponentState,
    DeletionPolicy,
    Limits,
    StatusDetails,
    TenantChanged,
    TenantState,
)
from servicekit import usage
from servicekit.clock import utc_now
from servicekit.db import Connection, Database
from servicekit.errors import QuotaExceeded
from servicekit.housekeeping import Housekeeping
from servicekit.ids import new_id
from servicekit.tenancy import TenantFollower, TenantHooks, UsageReporter, report
from servicekit.tenants import takes_events
from support.broker import Broker
from support.databases import ServiceDatabase
from support.events import Topics
from support.loops import running
from support.reports import reports
from support.tenants import know, new_tenant


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
    told = reports(database)
    assert [one.generation for one in told] == [1, 2, 2]
    assert told[-1].details.usage == {"bookings_per_month": 1}


async def test_an_answer_to_an_older_record_is_not_given(db: Database, database: ServiceDatabase) -> None:
    tenant = new_tenant()
    await know(db, tenant)
    for generation in (2, 1, 2, 3):
        async with db.tenant(tenant.tenant_id) as conn:
            await answer(conn, tenant.tenant_id, generation)
    assert [one.generation for one in reports(database)] == [2, 2, 3]


async def test_use_of_very_many_tenants_is_told_some_at_a_time(
    db: Database, database: ServiceDatabase
) -> None:
    """The loop's heart beats between two turns, and a minute without a beat ends the process."""
    now = utc_now()
    for number in range(60):
        tenant = new_tenant(slug=f"many-{number}")
        await know(db, tenant)
        async with db.tenant(tenant.tenant_id) as conn:
            await usage.consume(conn, tenant, "staff", now)
            await answer(conn, tenant.tenant_id, 1)
    reporter, told = UsageReporter(Component.ANALYTICS, db), [len(reports(database))]
    pauses = []
    for _ in range(2):
        pauses.append(await reporter.turn())
        told.append(len(reports(database)))
    assert (pauses, told) == ([0, None], [60, 110, 120])


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (2, "The plan Pro allows 2 bookings a month; 2 are used."),
        (0, "Corner takes no new bookings at present."),
    ],
)
async def test_a_limit_of_none_is_not_said_to_be_the_plans(db: Database, limit: int, words: str) -> None:
    """It is what a subscription that has ended leaves, of whatever plan; visitors read it, too."""
    plan = new_tenant().plan.model_copy(update={"display_name": "Pro"})
    limits = Limits(bookings_per_month=limit)
    tenant, now = new_tenant(display_name="Corner", plan=plan, limits=limits), utc_now()
    await know(db, tenant)
    async with db.tenant(tenant.tenant_id) as conn:
        if limit:
            await usage.consume(conn, tenant, "bookings_per_month", now, count=limit)
        with pytest.raises(QuotaExceeded, match=f"^{re.escape(words)}$"):
            await usage.consume(conn, tenant, "bookings_per_month", now)


async def test_a_new_month_is_told_before_anything_is_used_in_it(
    db: Database, database: ServiceDatabase
) -> None:
    tenant, now = new_tenant(), datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)
    await know(db, tenant)
    async with db.tenant(tenant.tenant_id) as conn:
        await usage.consume(conn, tenant, "bookings_per_month", now, count=7)
        await usage.consume(conn, tenant, "staff", now)
        await answer(conn, tenant.tenant_id, 1, now)
    reporter = UsageReporter(Component.ANALYTICS, db, clock=lambda: now)
    for _ in range(4):
        await reporter.turn()
        now += timedelta(seconds=1)
    told = [one.details.usage for one in reports(database)]
    assert told == [
        {"bookings_per_month": 7, "staff": 1},
        {"bookings_per_month": 7, "staff": 1},
        {"bookings_per_month": 0, "staff": 1},
    ]


async def test_a_new_month_is_no_news_of_a_tenant_that_leaves(
    db: Database, database: ServiceDatabase
) -> None:
    """Its answer is its deletion's, and there may be no use left that would make it new."""
    leaving, now = new_tenant(), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    await know(db, leaving)
    async with db.tenant(leaving.tenant_id) as conn:
        await usage.consume(conn, leaving, "staff", now)
    reporter = UsageReporter(Component.ANALYTICS, db, clock=lambda: now)
    async with db.tenant(leaving.tenant_id) as conn:
        await answer(conn, leaving.tenant_id, 1, now)
    await reporter.turn()
    told = len(reports(database))
    await know(db, leaving.model_copy(update={"state": TenantState.DELETING}))
    now += timedelta(seconds=1)
    await reporter.turn()
    assert len(reports(database)) == told


class Operator:
    """What the operator writes on the tenants topic, and a follower in the test that reads it."""

    def __init__(self, topics: Topics, database: ServiceDatabase) -> None:
        self._topics = topics
        self._database = database

    async def tell(self, tenant: TenantChanged) -> None:
        """Returns once the service has the record."""
        self.put(tenant)
        await until(
            lambda: self.row(tenant)[:2] == (tenant.state.value, tenant.generation), "the record is known"
        )

    def put(self, tenant: TenantChanged) -> str:
        return self._topics.publish(tenant)

    async def heard(self, event_id: str) -> None:
        """Returns once the service has read the event, whatever it has made of it."""
        found = "SELECT 1 FROM inbox WHERE event_id = %s"

        def read() -> bool:
            with psycopg.connect(self._database.admin_url) as conn:
                return conn.execute(found, (event_id,)).fetchone() is not None

        await until(read, "the event is in the inbox")

    async def bury(self, tenant: TenantChanged) -> None:
        """Returns once the service has read the tombstone."""
        self.put_tombstone(tenant, tenant.key)
        await until(lambda: self.row(tenant)[0] == "deleted", "the tombstone is read")

    def put_tombstone(self, tenant: TenantChanged, key: str) -> None:
        """One whose headers name the tenant."""
        buried = Envelope(
            id=str(new_id()),
            source="/slotwright/operator",
            type=TenantChanged.TYPE,
            time=utc_now(),
            subject=tenant.key,
            tenant_id=tenant.tenant_id,
            data=None,
        )
        headers = {name: value.encode() for name, value in buried.headers().items()}
        self._topics.put(TenantChanged.TOPIC, key, None, headers)

    async def answered(self, tenant: TenantChanged, generation: int) -> None:
        """Returns once the service has reported the deletion that this generation asked for."""
        deleted = (generation, ComponentState.DELETED)
        told = lambda: [  # noqa: E731
            one for one in reports(self._database) if (one.generation, one.state) == deleted
        ]
        await until(told, "the deletion is reported")

    def row(self, tenant: TenantChanged) -> tuple[Any, ...]:
        """State, generation, slug and record as the service knows them; None four times where it knows nothing."""
        with psycopg.connect(self._database.admin_url) as conn:
            found = conn.execute(
                "SELECT state, generation, slug, record FROM tenants WHERE tenant_id = %s",
                (tenant.tenant_id,),
            ).fetchone()
        return found or (None,) * 4


@pytest.fixture
async def operator(db: Database, database: ServiceDatabase, broker: Broker) -> AsyncIterator[Operator]:
    kafka = broker.settings("analytics")
    topics = Topics(broker.super_user())
    topics.pass_over("analytics.tenants", TenantChanged.TOPIC)
    follower = TenantFollower(Component.ANALYTICS, db, kafka, TenantHooks())
    async with running(follower.consumer), running(follower.remover):
        yield Operator(topics, database)


async def test_what_is_heard_of_an_erased_tenant_behind_its_tombstone_has_no_effect(
    operator: Operator, db: Database, database: ServiceDatabase
) -> None:
    tenant = new_tenant(deletion_policy=DeletionPolicy.DELETE)
    await operator.tell(tenant)
    await operator.tell(again(tenant, state=TenantState.DELETING))
    assert not await counts(db, tenant)
    await operator.answered(tenant, 2)
    await operator.bury(tenant)
    assert operator.row(tenant) == ("deleted", 2, "", {})
    assert not await counts(db, tenant)
    told = len(reports(database))
    async with db.tenant(tenant.tenant_id) as conn:
        await answer(conn, tenant.tenant_id, 3)
    assert len(reports(database)) == told

    heir = new_tenant(slug=tenant.slug)
    await operator.tell(heir)
    assert await counts(db, heir)
    assert not await counts(db, tenant)


async def test_a_tenant_that_was_gone_before_it_was_known_is_known_as_gone(
    operator: Operator, db: Database
) -> None:
    tenant = new_tenant()
    assert await counts(db, tenant)
    await operator.bury(tenant)
    assert not await counts(db, tenant)


async def test_a_stream_is_its_names_new_bearers_and_never_again_that_of_one_nobody_told_is_gone(
    operator: Operator, database: ServiceDatabase
) -> None:
    """Or what that one still writes waits for ever for a topic that has gone with the new one."""
    other = new_tenant()
    stream = other.event_stream.model_copy(update={"enabled": True})
    let_go = new_tenant(slug=other.slug, event_stream=stream)
    heir = other.model_copy(update={"event_stream": stream})
    bystander = new_tenant(event_stream=stream)
    for tenant in (let_go, bystander, heir):
        await operator.tell(tenant)
    streams = [operator.row(each)[3]["event_stream"]["enabled"] for each in (let_go, bystander, heir)]
    assert streams == [False, True, True]


async def test_a_tombstone_whose_key_and_headers_differ_is_nobodys(operator: Operator) -> None:
    tenant, other = new_tenant(), new_tenant()
    for each in (tenant, other):
        await operator.tell(each)
    operator.put_tombstone(other, tenant.key)
    await operator.tell(again(tenant))  # behind it in its partition
    assert [operator.row(each)[0] for each in (tenant, other)] == ["active", "active"]


async def test_a_record_that_comes_again_or_late_has_no_effect(
    operator: Operator, database: ServiceDatabase
) -> None:
    """Under another id, as when its publisher has lost what it knew."""
    tenant = new_tenant()
    known = again(tenant)
    await operator.tell(known)
    for record in (known, tenant.model_copy(update={"state": TenantState.SUSPENDED})):
        await operator.heard(operator.put(record))
    assert operator.row(tenant)[:2] == ("active", 2)
    assert [one.generation for one in reports(database)] == [2]


async def test_a_deletion_that_is_asked_for_again_is_answered_again(
    operator: Operator, database: ServiceDatabase
) -> None:
    """An operator that lost its status counts generations anew."""
    tenant = new_tenant(deletion_policy=DeletionPolicy.DELETE)
    await operator.tell(again(tenant, state=TenantState.DELETING, generation=7))
    await operator.answered(tenant, 7)
    await operator.bury(tenant)
    await operator.tell(again(tenant, state=TenantState.DELETING))
    await operator.answered(tenant, 2)
    assert [(one.generation, one.state) for one in reports(database)] == [
        (7, ComponentState.DELETED),
        (2, ComponentState.DELETED),
    ]
    await operator.bury(tenant)
    assert operator.row(tenant) == ("deleted", 2, "", {})


async def test_an_erasure_that_cannot_go_on_keeps_no_other_record_waiting(
    operator: Operator, db: Database, database: ServiceDatabase
) -> None:
    tenant, other = new_tenant(deletion_policy=DeletionPolicy.DELETE), new_tenant()
    await operator.tell(tenant)
    async with db.tenant(tenant.tenant_id) as conn:
        await usage.consume(conn, tenant, "staff", utc_now())
    with psycopg.connect(database.admin_url) as conn:
        conn.execute("SELECT 1 FROM usage WHERE tenant_id = %s FOR UPDATE", (tenant.tenant_id,))
        await operator.tell(again(tenant, state=TenantState.DELETING))
        await until(lambda: waits_for_a_lock(database), "the erasure waits")
        assert not await counts(db, tenant)
        await operator.tell(other)
        conn.rollback()
    await operator.answered(tenant, 2)
    (answer,) = [one for one in reports(database) if one.generation == 2]
    assert answer.details.erased == {"usage": 1}


async def test_the_bare_row_goes_after_60_days_and_that_of_a_kept_tenant_stays(
    operator: Operator, db: Database, database: ServiceDatabase
) -> None:
    erased, kept = new_tenant(deletion_policy=DeletionPolicy.DELETE), new_tenant()
    for tenant in (erased, kept):
        await operator.tell(again(tenant, state=TenantState.DELETING))
        await operator.bury(tenant)
    for days, there in ((59, "deleted"), (61, None)):
        with psycopg.connect(database.admin_url) as conn:
            conn.execute("UPDATE tenants SET updated_at = now() - make_interval(days => %s)", (days,))
        await Housekeeping("analytics", db).turn()
        assert operator.row(erased)[0] == there
        assert operator.row(kept)[:3] == ("deleted", 2, kept.slug)


def again(tenant: TenantChanged, **fields: Any) -> TenantChanged:
    """The tenant's next generation, with these fields."""
    return tenant.model_copy(update={"generation": tenant.generation + 1} | fields)


async def counts(db: Database, tenant: TenantChanged) -> bool:
    """Whether an event about the tenant would take effect."""
    async with db.tenant(tenant.tenant_id) as conn:
        return await takes_events(conn, tenant.tenant_id)


async def until(holds: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - another process tells
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not seen: {what}")


async def answer(conn: Connection, tenant_id: UUID, generation: int, now: datetime | None = None) -> None:
    await report(
        conn,
        Component.ANALYTICS,
        tenant_id,
        generation,
        ComponentState.READY,
        "Provisioned",
        "",
        StatusDetails(),
        clock=lambda: now or utc_now(),
    )


def waits_for_a_lock(database: ServiceDatabase) -> bool:
    """Whether any session on the database does."""
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        found = conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found.fetchall())
