"""auth's tables: functions that take the transaction's connection and never commit.

Called by the service modules, the tenant hooks and the workers. Those for mail, keys and sign-ups stand in
auth.queue_store.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from auth.domain import (
    Invitation,
    InvitationState,
    Member,
    Membership,
    RefreshToken,
    Role,
    Session,
    SessionEnd,
    User,
)
from servicekit.db import Connection
from servicekit.queries import Queries

SQL = Queries("auth")


async def one(conn: Connection, statement: bytes, **values: Any) -> dict[str, Any] | None:
    """The only row of a statement, if any."""
    return await (await conn.execute(statement, values)).fetchone()


# users and memberships


async def act_as(conn: Connection, user_id: UUID) -> None:
    """Lets this transaction see one user's memberships and sessions at every business.

    Only for a user who has proven who they are in this very request; the policies `own` rest on that.
    """
    await conn.execute(SQL.act_as, {"user_id": str(user_id)})


async def user_by_email(conn: Connection, email: str) -> User | None:
    row = await one(conn, SQL.user_by_email, email=email)
    return User(**row) if row else None


async def user_by_id(conn: Connection, user_id: UUID) -> User | None:
    row = await one(conn, SQL.user_by_id, user_id=user_id)
    return User(**row) if row else None


async def lock_user(conn: Connection, user_id: UUID) -> User | None:
    """Locks a user, before any row of theirs: whoever adds, renews or ends a session holds this lock.

    So a session that is added while all of the user's sessions are ended is either ended too, or added after that.
    """
    row = await one(conn, SQL.lock_user, user_id=user_id)
    return User(**row) if row else None


async def save_user(conn: Connection, user: User) -> User:
    """Adds a user, or sets the password of the one who has this address; answers who it is."""
    row = await one(
        conn,
        SQL.save_user,
        user_id=user.user_id,
        email=user.email,
        name=user.name,
        password_hash=user.password_hash,
        password_set_at=user.password_set_at,
    )
    assert row is not None  # noqa: S101 - an upsert returns its row
    return User(**row)


async def set_password(conn: Connection, user_id: UUID, password_hash: str, now: datetime) -> None:
    await conn.execute(SQL.set_password, {"user_id": user_id, "password_hash": password_hash, "now": now})


async def rehash_password(conn: Connection, user: User, fresh: str) -> None:
    """Stores the same password's hash under newer parameters."""
    await conn.execute(
        SQL.rehash_password, {"user_id": user.user_id, "fresh": fresh, "stale": user.password_hash}
    )


async def memberships(conn: Connection, user_id: UUID) -> list[Membership]:
    """Where the user that `act_as` named works, the business last signed in to first; none being deleted."""
    cursor = await conn.execute(SQL.memberships, {"user_id": user_id})
    return [Membership(**row | {"role": Role(row["role"])}) for row in await cursor.fetchall()]


async def is_member(conn: Connection, tenant_id: UUID, email: str) -> bool:
    return await one(conn, SQL.membership_exists, tenant_id=tenant_id, email=email) is not None


async def save_membership(
    conn: Connection, tenant_id: UUID, user_id: UUID, role: Role, now: datetime
) -> None:
    """Adds a member, or lifts a staff member to the role."""
    values = {"tenant_id": tenant_id, "user_id": user_id, "role": role.value, "now": now}
    await conn.execute(SQL.save_membership, values)


async def touch_membership(conn: Connection, tenant_id: UUID, user_id: UUID, now: datetime) -> None:
    """Notes a sign-in."""
    await conn.execute(SQL.touch_membership, {"tenant_id": tenant_id, "user_id": user_id, "now": now})


def _member(row: dict[str, Any]) -> Member:
    return Member(**row | {"role": Role(row["role"])})


async def member_page(conn: Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[Member]:
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_member(row) for row in await (await conn.execute(SQL.member_page, values)).fetchall()]


async def lock_member_shared(conn: Connection, tenant_id: UUID, user_id: UUID) -> Member | None:
    """A member; others may read the row, and none may change it, until the transaction ends."""
    row = await one(conn, SQL.lock_member_shared, tenant_id=tenant_id, user_id=user_id)
    return _member(row) if row else None


async def lock_owners(conn: Connection, tenant_id: UUID) -> list[UUID]:
    """A business's owners; none stops being one by another transaction until this one ends."""
    cursor = await conn.execute(SQL.lock_owners, {"tenant_id": tenant_id})
    return [row["user_id"] for row in await cursor.fetchall()]


async def set_role(conn: Connection, tenant_id: UUID, user_id: UUID, role: Role) -> None:
    values = {"tenant_id": tenant_id, "user_id": user_id, "role": role.value}
    await conn.execute(SQL.set_role, values)


async def delete_membership(conn: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """Removes a member, and with them their sessions at this business."""
    await conn.execute(SQL.delete_membership, {"tenant_id": tenant_id, "user_id": user_id})


async def delete_users_of_no_business(conn: Connection, user_ids: list[UUID]) -> int:
    """Erases those of these users who work nowhere any more. Needs a worker's transaction."""
    return (await conn.execute(SQL.delete_users_of_no_business, {"user_ids": user_ids})).rowcount


# sessions


async def add_session(conn: Connection, session: Session, now: datetime) -> None:
    await conn.execute(
        SQL.insert_session,
        {
            "tenant_id": session.tenant_id,
            "session_id": session.session_id,
            "user_id": session.user_id,
            "family_id": session.family_id,
            "expires_at": session.expires_at,
            "now": now,
        },
    )


async def session(conn: Connection, session_id: UUID) -> Session | None:
    """One of the transaction's tenant, or of the user that `act_as` named."""
    row = await one(conn, SQL.session, session_id=session_id)
    return Session(**row) if row else None


async def lock_session(conn: Connection, tenant_id: UUID, session_id: UUID) -> Session | None:
    row = await one(conn, SQL.lock_session, tenant_id=tenant_id, session_id=session_id)
    return Session(**row) if row else None


async def end_family(conn: Connection, session: Session, because: SessionEnd, now: datetime) -> None:
    """Ends a session, those that came of it or that it came of, and with them all their refresh tokens.

    They may be at other businesses: needs the user named by `act_as`.
    """
    values = {"user_id": session.user_id, "family_id": session.family_id}
    await conn.execute(SQL.end_family, values | {"because": because.value, "now": now})


async def end_sessions(conn: Connection, user_id: UUID, because: SessionEnd, now: datetime) -> int:
    """Ends all of a user's sessions that the transaction sees."""
    values = {"user_id": user_id, "because": because.value, "now": now}
    return (await conn.execute(SQL.end_sessions, values)).rowcount


async def add_refresh_token(
    conn: Connection, session: Session, token_hash: bytes, generation: int, expires_at: datetime
) -> None:
    await conn.execute(
        SQL.insert_refresh_token,
        {
            "tenant_id": session.tenant_id,
            "token_hash": token_hash,
            "session_id": session.session_id,
            "generation": generation,
            "expires_at": expires_at,
        },
    )


async def refresh_token(conn: Connection, tenant_id: UUID, token_hash: bytes) -> RefreshToken | None:
    row = await one(conn, SQL.refresh_token, tenant_id=tenant_id, token_hash=token_hash)
    return RefreshToken(**row) if row else None


async def use_refresh_token(
    conn: Connection, session: Session, token_hash: bytes, generation: int, now: datetime
) -> None:
    """Notes the first use of a generation, by this token."""
    values = {"tenant_id": session.tenant_id, "generation": generation, "now": now}
    await conn.execute(SQL.use_refresh_token, values | {"token_hash": token_hash})
    await conn.execute(SQL.session_refreshed, values | {"session_id": session.session_id})


# invitations and links


def _invitation(row: dict[str, Any]) -> Invitation:
    return Invitation(**row | {"role": Role(row["role"]), "state": InvitationState(row["state"])})


async def add_invitation(
    conn: Connection,
    tenant_id: UUID,
    invitation_id: UUID,
    *,
    email: str,
    name: str,
    role: Role,
    invited_by: UUID | None,
    now: datetime,
) -> Invitation:
    row = await one(
        conn,
        SQL.insert_invitation,
        tenant_id=tenant_id,
        invitation_id=invitation_id,
        email=email,
        name=name,
        role=role.value,
        invited_by=invited_by,
        now=now,
    )
    assert row is not None  # noqa: S101 - an insert returns its row
    return _invitation(row)


async def lock_invitation(conn: Connection, tenant_id: UUID, invitation_id: UUID) -> Invitation | None:
    row = await one(conn, SQL.lock_invitation, tenant_id=tenant_id, invitation_id=invitation_id)
    return _invitation(row) if row else None


async def lock_owner_invitation(conn: Connection, tenant_id: UUID) -> Invitation | None:
    """The last invitation of the owner that the Tenant object names."""
    row = await one(conn, SQL.lock_owner_invitation, tenant_id=tenant_id)
    return _invitation(row) if row else None


async def invitation_page(
    conn: Connection, tenant_id: UUID, after: UUID | None, limit: int
) -> list[Invitation]:
    values = {"tenant_id": tenant_id, "after": after, "limit": limit}
    return [_invitation(row) for row in await (await conn.execute(SQL.invitation_page, values)).fetchall()]


async def withdraw_pending(conn: Connection, tenant_id: UUID, email: str) -> list[UUID]:
    """Withdraws the pending invitation of an address, if there is one; answers its id."""
    cursor = await conn.execute(SQL.withdraw_pending, {"tenant_id": tenant_id, "email": email})
    return [row["invitation_id"] for row in await cursor.fetchall()]


async def set_invitation_state(conn: Connection, invitation: Invitation, state: InvitationState) -> None:
    """Sets the state of a locked invitation."""
    values = {"tenant_id": invitation.tenant_id, "invitation_id": invitation.invitation_id}
    await conn.execute(SQL.set_invitation_state, values | {"state": state.value})


async def mark_invitation_sent(conn: Connection, tenant_id: UUID, invitation_id: UUID, now: datetime) -> None:
    values = {"tenant_id": tenant_id, "invitation_id": invitation_id, "now": now}
    await conn.execute(SQL.mark_invitation_sent, values)


async def mark_invitation_refused(
    conn: Connection, tenant_id: UUID, invitation_id: UUID, refused: str
) -> None:
    values = {"tenant_id": tenant_id, "invitation_id": invitation_id, "refused": refused}
    await conn.execute(SQL.mark_invitation_refused, values)


async def pending_invitations_of(conn: Connection, email: str) -> list[tuple[UUID, UUID]]:
    """(tenant, invitation) of one address, across tenants. Needs a worker's transaction."""
    cursor = await conn.execute(SQL.pending_invitations_of, {"email": email})
    return [(row["tenant_id"], row["invitation_id"]) for row in await cursor.fetchall()]


async def add_invitation_link(
    conn: Connection, invitation: Invitation, token_hash: bytes, expires_at: datetime
) -> None:
    values = {"tenant_id": invitation.tenant_id, "invitation_id": invitation.invitation_id}
    await conn.execute(
        SQL.insert_invitation_link, values | {"token_hash": token_hash, "expires_at": expires_at}
    )


async def invitation_of_link(
    conn: Connection, tenant_id: UUID, token_hash: bytes, now: datetime
) -> UUID | None:
    """The invitation that a link which has not expired stands for."""
    row = await one(conn, SQL.invitation_of_link, tenant_id=tenant_id, token_hash=token_hash, now=now)
    return row["invitation_id"] if row else None


async def delete_invitation_links(conn: Connection, tenant_id: UUID, invitation_id: UUID) -> None:
    """Makes every link of an invitation void."""
    values = {"tenant_id": tenant_id, "invitation_id": invitation_id}
    await conn.execute(SQL.delete_invitation_links, values)


async def add_password_reset(
    conn: Connection, token_hash: bytes, user_id: UUID, expires_at: datetime
) -> None:
    values = {"token_hash": token_hash, "user_id": user_id, "expires_at": expires_at}
    await conn.execute(SQL.insert_password_reset, values)


async def password_reset(conn: Connection, token_hash: bytes, now: datetime) -> UUID | None:
    """The user whom a reset link that has not expired is for."""
    row = await one(conn, SQL.password_reset, token_hash=token_hash, now=now)
    return row["user_id"] if row else None


async def delete_password_resets(conn: Connection, user_id: UUID) -> None:
    """Makes every reset link of a user void."""
    await conn.execute(SQL.delete_password_resets, {"user_id": user_id})


# attempts


async def account_digest(conn: Connection, email: str) -> str:
    """The SHA-256 of an address, the same for all that `user_by_email` takes for one."""
    row = await one(conn, SQL.account_digest, email=email)
    assert row is not None  # noqa: S101 - it has no FROM
    digest: str = row["digest"]
    return digest


async def count_attempt(
    conn: Connection, bucket: str, now: datetime, ends_at: datetime
) -> tuple[int, datetime]:
    """Counts one try; answers how many there are in the open window, and when that ends."""
    row = await one(conn, SQL.count_attempt, bucket=bucket, now=now, ends_at=ends_at)
    assert row is not None  # noqa: S101 - an upsert returns its row
    return row["count"], row["window_ends_at"]


async def forget_attempts(conn: Connection, bucket: str) -> None:
    await conn.execute(SQL.forget_attempts, {"bucket": bucket})


async def give_back_attempt(conn: Connection, bucket: str) -> None:
    await conn.execute(SQL.give_back_attempt, {"bucket": bucket})
