"""What cannot be done for one business is noted and tried again, and no other business waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from billing import store
from billing.consumers import BillingHooks
from billing.domain import Task
from billing.reconcile import Reconciler
from billing.settings import BillingSettings
from billing.stripe_api import StripeApi
from contracts.platform import BillingSpec, DeletionPolicy, PlanSnapshot, TenantChanged
from integration.billing.world import PRO, World, again, new_tenant
from servicekit.db import Database
from servicekit.queries import Queries
from support.databases import Databases
from support.tenants import know


@contextmanager
def _storing_fails(world: World, tenants: list[TenantChanged]) -> Iterator[None]:
    """The database refuses these tenants' subscriptions."""
    ids = ", ".join(f"'{item.tenant_id}'" for item in tenants)
    with psycopg.connect(world.database.admin_url, autocommit=True) as conn:
        check = f"CHECK (tenant_id NOT IN ({ids})) NOT VALID"
        conn.execute(f"ALTER TABLE subscription ADD CONSTRAINT refused {check}".encode())
        try:
            yield
        finally:
            conn.execute(b"ALTER TABLE subscription DROP CONSTRAINT refused")


def test_one_tenants_error_in_the_database_stops_no_other(world: World) -> None:
    """As many fail as are worked at at once; others are linked and deleted meanwhile."""
    going = new_tenant()
    world.provision(going)
    failing = [new_tenant() for _ in range(4)]
    with _storing_fails(world, failing):
        for tenant in failing:
            world.publish(tenant)
        for tenant in failing:
            assert world.status(tenant, "failed").reason == "BillingError"
        world.provision(new_tenant())
        world.delete(going, DeletionPolicy.DELETE)
    for tenant in failing:
        world.publish(again(tenant))
        world.status(again(tenant), "ready")


def test_many_that_cannot_be_billed_do_not_keep_the_resync_from_the_others(world: World) -> None:
    """As many as are looked at at once are the oldest, each with a task that is put off."""
    tenant = new_tenant()
    details = world.provision(tenant).details.billing
    assert details is not None
    world.idle(tenant)
    stuck = [new_tenant() for _ in range(50)]
    with psycopg.connect(world.database.admin_url) as conn:
        for item in stuck:
            values = (item.tenant_id, item.slug, item.model_dump_json(), f"cus_{item.slug}")
            conn.execute(
                b"""WITH known AS (INSERT INTO tenants VALUES (%(id)s, %(slug)s, 1, 'active', %(record)s)),
                put_off AS (INSERT INTO task (tenant_id, wanted, due_at) VALUES (%(id)s, 'reconcile', 'infinity'))
                INSERT INTO account (tenant_id, customer_id, customer_adopted, synced_at)
                VALUES (%(id)s, %(customer)s, false, now() - interval '2 days')""",
                dict(zip(("id", "slug", "record", "customer"), values, strict=True)),
            )
    try:
        world.control("PUT", "/webhooks/mischief", lose=100)
        world.call_stripe("DELETE", f"/v1/subscriptions/{details.subscription_id}")
        world.rows(
            "UPDATE account SET synced_at = now() - interval '1 day' WHERE tenant_id = %s RETURNING 1",
            tenant.tenant_id,
        )
        world.status(tenant, "ready", state="canceled")
    finally:
        with psycopg.connect(world.database.admin_url) as conn:
            for table in (b"task", b"account", b"tenants"):
                ids = [item.tenant_id for item in stuck]
                conn.execute(b"DELETE FROM " + table + b" WHERE tenant_id = ANY (%s)", (ids,))


async def test_what_is_asked_for_while_a_task_is_done_is_a_task_of_its_own(databases: Databases) -> None:
    """Whoever does the earlier one neither ends nor puts off the later one, nor removes rows with what it knew."""
    database = databases.for_service("billing")
    tenant, db = new_tenant(), Database(database.settings, application="test")
    reconciler = Reconciler(
        db, StripeApi(BillingSettings(stripe_api_key=None)), return_url="https://a.example"
    )
    await db.open()

    async def asked() -> Task:
        async with db.tenant(tenant.tenant_id) as conn:
            await store.want(conn, tenant.tenant_id, "remove")
        async with db.worker() as conn:
            (task,) = await store.due_tasks(conn, 10)
        return task

    try:
        await know(db, tenant)
        earlier, later = await asked(), await asked()
        async with db.tenant(tenant.tenant_id) as conn:
            await store.postpone_task(conn, earlier, 60)
            assert not await store.finish_task(conn, earlier)
        for task, removes in ((earlier, False), (later, True)):
            async with db.worker() as conn:
                assert await store.due_tasks(conn, 10) == [later]
            await reconciler.remove(tenant, task)
            with psycopg.connect(database.admin_url) as admin:
                assert bool(admin.execute("SELECT FROM removal").fetchall()) is removes
    finally:
        await db.close()


async def test_who_leaves_stripe_while_it_is_being_linked_there_is_looked_at_again(
    databases: Databases,
) -> None:
    """Else the subscription that is just being made would be charged, of a business that is billed by hand."""
    database = databases.for_service("billing")
    tenant, db, hooks = new_tenant(), Database(database.settings, application="test"), BillingHooks()
    by_hand = again(tenant, billing=BillingSpec(mode="Manual"))
    await db.open()
    try:
        await know(db, tenant)
        async with db.tenant(tenant.tenant_id) as conn:
            assert await hooks.provision(conn, tenant) is None
        async with db.worker() as conn:
            (task,) = await store.due_tasks(conn, 10)
        async with db.tenant(tenant.tenant_id) as conn:
            assert await hooks.provision(conn, by_hand) is None
            assert not await store.finish_task(conn, task)
    finally:
        await db.close()


def test_an_invoice_may_be_as_large_as_stripe_makes_it(world: World) -> None:
    """Forty times the highest price that Stripe takes: more than 32 bits hold."""
    amount, quantity = 99_999_999, 40
    product = world.call_stripe("POST", "/v1/products", name="Dear")
    recurring = {"unit_amount": str(amount), "recurring[interval]": "month"}
    price = world.call_stripe("POST", "/v1/prices", product=product["id"], currency="eur", **recurring)
    customer = world.call_stripe("POST", "/v1/customers", name="Large")["id"]
    items = {"items[0][price]": price["id"], "items[0][quantity]": str(quantity)}
    world.call_stripe("POST", "/v1/subscriptions", customer=customer, **items)
    plan = PlanSnapshot.model_validate(
        PRO.model_dump()
        | {"name": "dear", "price": {"amount": amount, "currency": "EUR"}}
        | {"stripe_price_id": price["id"]}
    )
    tenant = new_tenant(plan=plan, billing=BillingSpec(mode="Stripe", customer_id=customer))
    world.provision(tenant)
    (invoice,) = world.get("/v1/billing/invoices", tenant).json()["items"]
    assert invoice["total"]["amount"] == amount * quantity


def test_events_to_be_forgotten_are_found_by_an_index(databases: Databases) -> None:
    """The worker looks for them every few seconds, among those of 60 days."""
    with psycopg.connect(databases.for_service("billing").admin_url) as conn:
        conn.execute(b"SET enable_seqscan = off")
        plan = conn.execute(b"EXPLAIN " + Queries("billing").forget_events, {"limit": 10}).fetchall()
    assert any("stripe_event_handled" in line for (line,) in plan), plan


async def test_of_many_events_to_be_forgotten_some_go_at_a_time(databases: Databases) -> None:
    """The oldest first; in one statement, those of years would run into its timeout, each time anew."""
    database = databases.for_service("billing")
    database.rows(
        "INSERT INTO stripe_event (event_id, type, handled_at)"
        " SELECT 'of ' || days, 'invoice.paid', now() - days * interval '1 day' + interval '1 hour'"
        " FROM generate_series(51, 90) AS days RETURNING 1"
    )
    db = Database(database.settings, application="test")
    await db.open()
    try:
        async with db.worker() as conn:
            await store.forget_events(conn, 20)
        left = "SELECT count(*) AS n, min(handled_at) > now() - interval '71 days' AS none_older FROM stripe_event"
        assert database.rows(left) == [{"n": 20, "none_older": True}]
        async with db.worker() as conn:
            await store.forget_events(conn, 20)
        assert database.rows("SELECT count(*) AS n FROM stripe_event") == [{"n": 10}]
    finally:
        await db.close()
