"""What auth does when a tenant comes, changes or goes: it settles the sign-up, invites the owner, erases users.

Wired in auth.app.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from auth import queue_store, store
from auth.invitations import invite_owner, report_owner
from auth.signups import settle
from contracts.platform import StatusDetails, TenantChanged
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection
from servicekit.tenancy import TenantHooks


class AuthHooks(TenantHooks):
    """Called by servicekit.tenancy, in its transactions.

    Where a deleted business's rows are kept there is nothing to do: nobody can sign in there.
    """

    def __init__(self, *, clock: Clock = utc_now) -> None:
        self._clock = clock

    async def provision(self, conn: Connection, tenant: TenantChanged) -> StatusDetails | None:
        """Answers None, as the report depends on the owner's invitation: see auth.invitations.report_owner."""
        await settle(conn, tenant, self._clock())
        invitation = await invite_owner(conn, tenant, self._clock)
        if invitation.refused is not None:  # it is being tried again
            invitation = replace(invitation, refused=None)
        await report_owner(conn, tenant, invitation, self._clock)
        return None

    erases: ClassVar[Mapping[str, str]] = {"membership": "user_id"}

    async def erasing(
        self, conn: Connection, _tenant_id: UUID, _table: str, ids: list[Any]
    ) -> dict[str, int]:
        """Erases, with memberships, those users who work nowhere else."""
        return {"users": await store.delete_users_of_no_business(conn, ids)}

    async def erased(self, conn: Connection, tenant_id: UUID) -> dict[str, int]:
        return {"signup": await queue_store.erase_signups(conn, tenant_id)}
