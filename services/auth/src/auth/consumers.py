"""What auth does when a tenant comes, changes or goes: it settles the sign-up, invites the owner, erases people."""

from dataclasses import replace

from auth import queue_store, store
from auth.invitations import invite_owner, report_owner
from auth.signups import settle
from contracts.platform import DeletionPolicy, StatusDetails, TenantChanged
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection
from servicekit.tenancy import TenantHooks, archive_or_erase


class AuthHooks(TenantHooks):
    """Called by servicekit.tenancy, in the transaction that takes over the tenant's record."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock

    async def provision(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        """Reports by itself, as what there is to say depends on how far the owner's invitation is."""
        await settle(conn, tenant, self._clock())
        invitation = await invite_owner(conn, tenant, self._clock)
        if invitation.refused is not None:  # it is being tried again
            invitation = replace(invitation, refused=None)
        await report_owner(conn, tenant, invitation, self._clock)
        return None

    async def remove(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        """Delete also erases those users who worked nowhere else. Retain keeps all; nobody can sign in."""
        if tenant.deletion_policy is not DeletionPolicy.DELETE:
            return await archive_or_erase(conn, tenant)
        members = await store.members(conn, tenant.tenant_id)
        details = await archive_or_erase(conn, tenant)
        platform_rows = {
            "users": await store.delete_users_of_no_business(conn, members),
            "signup": await queue_store.erase_signups(conn, tenant.tenant_id),
        }
        erased = (details.erased or {}) | {name: count for name, count in platform_rows.items() if count}
        return details.model_copy(update={"erased": erased})
