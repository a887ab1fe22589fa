"""Tenants for tests, as the operator would announce them."""

from typing import Any

from psycopg.types.json import Jsonb

from contracts.model import Money
from contracts.platform import (
    BillingSpec,
    EventStreamSpec,
    Limits,
    Owner,
    PlanSnapshot,
    TenantChanged,
    TenantState,
)
from contracts.topics import tenant_dead_letter_topic, tenant_topic
from servicekit.db import Database
from servicekit.ids import new_id


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
