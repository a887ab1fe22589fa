"""What business does when a tenant comes or changes: it gives it a profile and a reminder policy to start from."""

from business import events, store
from business.domain import DEFAULT_REMINDERS
from business.service import write_policy
from contracts.platform import StatusDetails, TenantChanged
from servicekit import outbox
from servicekit.db import Connection
from servicekit.tenancy import TenantHooks


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
