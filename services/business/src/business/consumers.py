"""What business does when a tenant comes, changes or goes: it gives it a profile and a reminder policy to start
from, and takes back what it has told of one that is erased."""

from business import events, store
from business.domain import DEFAULT_REMINDERS
from business.service import write_policy
from contracts.business import (
    CatalogEvent,
    HolidaysChanged,
    PolicyChanged,
    ProfileChanged,
    ResourceChanged,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import record_key
from contracts.platform import DeletionPolicy, StatusDetails, TenantChanged
from servicekit import outbox
from servicekit.db import Connection
from servicekit.tenancy import TenantHooks

_ONE_EACH: dict[str, type[CatalogEvent]] = {
    "profile": ProfileChanged,
    "policy": PolicyChanged,
    "holidays": HolidaysChanged,
}
_BY_ID: dict[str, type[CatalogEvent]] = {
    "staff": StaffChanged,
    "resource": ResourceChanged,
    "service": ServiceChanged,
}


class BusinessHooks(TenantHooks):
    """Called by servicekit.tenancy, in the transaction that takes over the tenant's record."""

    async def provision(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        tenant_id = tenant.tenant_id
        new = await store.add_profile(conn, tenant_id, tenant.display_name)
        if new:
            empty = await store.policy(conn, tenant_id, lock=True)
            if empty is not None:
                await write_policy(conn, tenant_id, empty, DEFAULT_REMINDERS)
        if new or await store.rename_profile(conn, tenant_id, tenant.display_name):
            profile = await store.profile(conn, tenant_id)
            if profile is not None:
                await outbox.publish(conn, "business", events.profile_changed(tenant_id, profile))
        return StatusDetails()

    async def remove(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        """Delete also buries the catalog on its topic, which would keep it and people's names for good."""
        if tenant.deletion_policy is DeletionPolicy.DELETE:
            told = [(_BY_ID[kind], str(entity)) for kind, entity in await store.told(conn, tenant.tenant_id)]
            told += [(event, entity) for entity, event in _ONE_EACH.items()]
            for event, entity in told:
                await outbox.bury(
                    conn, "business", event, record_key(tenant.tenant_id, entity), tenant.tenant_id
                )
        return await super().remove(conn, tenant)
