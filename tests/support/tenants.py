"""Tenants for tests, as the operator would announce them."""

from typing import Any

from psycopg.types.json import Jsonb

from contracts.model import Money
from contracts.platform import (
    BillingSpec,
    Component,
    EventStreamSpec,
    Limits,
    Owner,
    PlanSnapshot,
    TenantChanged,
    TenantState,
    TenantStatusReported,
)
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from servicekit import removal
from servicekit.db import Database
from servicekit.ids import new_id
from servicekit.tenancy import TenantHooks, TenantRemover
from servicekit.tenants import take_no_more


def new_tenant(**fields: Any) -> TenantChanged:
    """A tenant with its own slug, on a plan without limits unless `limits` says otherwise."""
    tenant_id = new_id()
    slug = f"t-{tenant_id.hex[-12:]}"
    given: dict[str, Any] = {
        "tenant_id": tenant_id,
        "slug": slug,
        "generation": 1,
        "display_name": "Riverside Barbers",
        "owner": Owner(email="ada@riverside.example", name="Ada"),
        "timezone": "Europe/Lisbon",
        "locale": "en",
        "currency": "EUR",
        "plan": PlanSnapshot(
            name="pro", display_name="Pro", price=Money(amount=2900, currency="EUR"), interval="month"
        ),
        "limits": Limits(),
        "state": TenantState.ACTIVE,
        "billing": BillingSpec(mode="Manual"),
        "event_stream": EventStreamSpec(
            enabled=False, topic=tenant_topic(slug), dead_letter_topic=tenant_dead_letter_topic(slug)
        ),
    }
    return TenantChanged(**given | fields)


async def know(db: Database, tenant: TenantChanged) -> None:
    """Writes the tenant into a service's read model, as its follower would."""
    async with db.worker() as conn:
        await conn.execute(
            b"INSERT INTO tenants (tenant_id, slug, generation, state, record) VALUES (%s, %s, %s, %s, %s)"
            b" ON CONFLICT (tenant_id) DO UPDATE SET state = excluded.state, record = excluded.record",
            (
                tenant.tenant_id,
                tenant.slug,
                tenant.generation,
                tenant.state.value,
                Jsonb(tenant.model_dump(mode="json")),
            ),
        )


async def leave(db: Database, hooks: TenantHooks, tenant: TenantChanged) -> None:
    """Marks a tenant as one that is being deleted, as its follower does."""
    await know(db, tenant.model_copy(update={"state": TenantState.DELETING}))
    async with db.worker() as conn:
        await conn.execute(b"SELECT set_config('app.tenant_id', %s, true)", (str(tenant.tenant_id),))
        await take_no_more(conn, tenant.tenant_id)
        if await hooks.remove(conn, tenant):
            await removal.begin(conn, tenant)


async def remove(
    db: Database, component: Component, hooks: TenantHooks, tenant: TenantChanged
) -> TenantStatusReported:
    """Deletes a tenant as its follower and the loop do; answers what is reported."""
    await leave(db, hooks, tenant)
    while await TenantRemover(component, db, hooks).turn() is not None:
        pass
    async with db.tenant(tenant.tenant_id) as conn:
        cursor = await conn.execute(
            b"SELECT status FROM tenant_status WHERE tenant_id = %s", (tenant.tenant_id,)
        )
        row = await cursor.fetchone()
    assert row is not None
    return TenantStatusReported.model_validate(row["status"])
