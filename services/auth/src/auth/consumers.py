"""What auth does when a tenant comes, changes or goes: it settles the sign-up, invites the owner, erases people."""

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
    """Called by servicekit.tenancy, in its transactions. Of a business that is kept nobody can sign in."""

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

    erases: ClassVar[Mapping[str, str]] = {"membership": "user_id"}

    async def erasing(
        self, conn: Connection, _tenant_id: UUID, _table: str, ids: list[Any]
    ) -> dict[str, int]:
        """With its members go those users who worked nowhere else."""
        return {"users": await store.delete_users_of_no_business(conn, ids)}

    async def erased(self, conn: Connection, tenant_id: UUID) -> dict[str, int]:
        return {"signup": await queue_store.erase_signups(conn, tenant_id)}
