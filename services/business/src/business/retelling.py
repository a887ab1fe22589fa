"""Tells a business's whole catalog anew, under higher versions; see servicekit.retelling."""

from uuid import UUID

from business import events, store
from contracts.business import CatalogEvent
from servicekit import outbox
from servicekit.db import Database
from servicekit.retelling import STEP
from servicekit.tenants import TO_CHANGE, tenant_by_id


async def retell(db: Database, tenant_id: UUID) -> int:
    """Answers how many events it has written. Raises NotFound for a business that is being deleted."""
    async with db.tenant(tenant_id, sharing=(TO_CHANGE,)) as conn:
        tenant = await tenant_by_id(conn, tenant_id)
        # The profile's row first, whose lock those wait for who add something.
        await store.raise_profile(conn, tenant_id, STEP)
        profile = await store.profile(conn, tenant_id)
        policy = await store.policy(conn, tenant_id)
        holidays = await store.holidays(conn, tenant_id)
        told: list[CatalogEvent] = []
        if profile is not None and policy is not None and holidays is not None:
            told = [
                events.profile_changed(tenant_id, profile),
                events.policy_changed(tenant_id, policy),
                events.holidays_changed(tenant_id, holidays),
            ]
        for member, deleted in await store.raise_staff(conn, tenant_id, STEP):
            told.append(events.staff_changed(tenant_id, member, deleted=deleted))
        for resource, deleted in await store.raise_resources(conn, tenant_id, STEP):
            told.append(events.resource_changed(tenant_id, resource, deleted=deleted))
        for offer, deleted in await store.raise_services(conn, tenant_id, STEP):
            told.append(events.service_changed(tenant, offer, deleted=deleted))
        await outbox.publish(conn, "business", *told)
    return len(told)
