"""Who works at a business: the list, another role, and the end of somebody's access.

`Members` is part of auth.service, called by the routes. A business's owners see to this; one of them always stays.
Other services read a role from the token, and so follow as the last one runs out (`access_token_seconds`); auth
itself follows at once.
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
    """What the routes can ask for about members. The platform's own people are none."""

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
            await require_going(conn, principal, self._clock)
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
        _tell("member's role changed", principal, user_id, was=member.role.value, role=role.value)
        return replace(member, role=role)

    async def remove(self, principal: Principal, user_id: UUID) -> None:
        """Ends a membership, and with it the sessions here. Raises as `set_role`."""
        async with self._db.tenant(principal.tenant_id) as conn:
            member = await self._lock(conn, principal, user_id, stays_owner=False)
            await store.delete_membership(conn, principal.tenant_id, user_id)
        _tell("member removed", principal, user_id, was=member.role.value)

    async def _lock(
        self, conn: Connection, principal: Principal, user_id: UUID, *, stays_owner: bool
    ) -> Member:
        """A member who may be changed, with the locks: the user's, then the owners', so that two who remove each
        other come one behind the other.
        """
        tenant_id = principal.tenant_id
        await tenant_to_change(conn, tenant_id)
        await store.lock_user(conn, user_id)
        owners = await store.lock_owners(conn, tenant_id)
        member = await store.share_member(conn, tenant_id, user_id)
        if member is None:
            raise NotFound("There is no such member.")
        await require_going(conn, principal, self._clock)
        if member.role is Role.OWNER and not stays_owner and len(owners) == 1:
            raise Conflict("This is the only owner; make somebody else one first.")
        return member


async def require_going(conn: Connection, principal: Principal, clock: Clock) -> None:
    """Whether who asks is still what the token says: somebody removed neither comes back nor looks who works there.

    Raises SessionEnded. In a transaction of the principal's tenant.
    """
    session = await store.session(conn, principal.session_id)
    member = await store.share_member(conn, principal.tenant_id, principal.user_id)
    ended = session is None or session.ended_at is not None or session.expires_at <= clock()
    if ended or member is None or member.role.value != principal.role:
        raise SessionEnded


def _tell(event: str, principal: Principal, user_id: UUID, **about: str) -> None:
    log.info(event, user_id=str(user_id), by=str(principal.user_id), **about)
