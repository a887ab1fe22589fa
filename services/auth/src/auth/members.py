"""The members of a business: lists them, changes a role, removes one.

`Members` is part of auth.service, called by the routes. Only owners may do this, and the last owner stays one.
Other services read a role from the access token, so a change has effect there once the last one with the old role
has expired (`access_token_seconds`); in auth it has effect at once.
"""

from dataclasses import replace
from uuid import UUID

import structlog

from auth import store
from auth.domain import Member, Role, SessionEnd
from auth.errors import SessionEnded
from servicekit.clock import Clock
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, NotFound
from servicekit.http.tokens import Principal
from servicekit.tenants import tenant_by_id, tenant_to_change

log = structlog.get_logger(__name__)


class Members:
    """What the routes can ask for about members. The platform's own people are not among them."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def page(self, principal: Principal, after: UUID | None, limit: int) -> list[Member]:
        """Members by id, `limit` at most, behind `after`.

        Raises NotFound for a business not served; SessionEnded when who asks is no owner any more.
        """
        tenant_id = principal.tenant_id
        async with self._db.tenant(tenant_id) as conn:
            await tenant_by_id(conn, tenant_id)
            await require_current(conn, principal, self._clock)
            return await store.member_page(conn, tenant_id, after, limit)

    async def set_role(self, principal: Principal, user_id: UUID, role: Role) -> Member:
        """Gives a member another role; their sessions here end, as their tokens tell the old one.

        Raises NotFound; Conflict for the last owner; SessionEnded when who asks is no owner any more.
        """
        async with self._db.tenant(principal.tenant_id) as conn:
            member = await self._lock(conn, principal, user_id, stays_owner=role is Role.OWNER)
            if member.role is role:
                return member
            await store.set_role(conn, principal.tenant_id, user_id, role)
            await store.end_sessions(conn, user_id, SessionEnd.ROLE_CHANGED, self._clock())
        _log_change("member's role changed", principal, user_id, was=member.role.value, role=role.value)
        return replace(member, role=role)

    async def remove(self, principal: Principal, user_id: UUID) -> None:
        """Ends a membership, and with it the sessions here. Raises as `set_role`."""
        async with self._db.tenant(principal.tenant_id) as conn:
            member = await self._lock(conn, principal, user_id, stays_owner=False)
            await store.delete_membership(conn, principal.tenant_id, user_id)
        _log_change("member removed", principal, user_id, was=member.role.value)

    async def _lock(
        self, conn: Connection, principal: Principal, user_id: UUID, *, stays_owner: bool
    ) -> Member:
        """Locks a member who may be changed: the user, then the business's owners, so that of two owners who
        remove each other the second waits for the first.
        """
        tenant_id = principal.tenant_id
        await tenant_to_change(conn, tenant_id)
        await store.lock_user(conn, user_id)
        owners = await store.lock_owners(conn, tenant_id)
        member = await store.lock_member_shared(conn, tenant_id, user_id)
        if member is None:
            raise NotFound("There is no such member.")
        await require_current(conn, principal, self._clock)
        if member.role is Role.OWNER and not stays_owner and len(owners) == 1:
            raise Conflict("This is the only owner; make somebody else one first.")
        return member


async def require_current(conn: Connection, principal: Principal, clock: Clock) -> None:
    """Raises SessionEnded unless the session goes on and the user is still a member in the token's role.

    So that nobody who was removed invites themselves again or reads who works there, while the access token lasts.
    In a transaction of the principal's tenant, until whose end the membership stays as it is.
    """
    session = await store.session(conn, principal.session_id)
    member = await store.lock_member_shared(conn, principal.tenant_id, principal.user_id)
    ended = session is None or session.ended_at is not None or session.expires_at <= clock()
    if ended or member is None or member.role.value != principal.role:
        raise SessionEnded


def _log_change(event: str, principal: Principal, user_id: UUID, **about: str) -> None:
    log.info(event, user_id=str(user_id), by=str(principal.user_id), **about)
