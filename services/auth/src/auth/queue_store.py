"""auth's tables of sign-ups, mail and signing keys, and the removal of what has expired in any.

Called by the service modules, the tenant hooks, the loops and auth.rotation. Like auth.store: functions that take
the transaction's connection and never commit.
"""

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from auth.domain import Mail, SigningKey, Signup, SignupState
from auth.store import SQL, one
from servicekit.db import Connection
from servicekit.ids import new_id

_KEYS_LOCK = 0xA074_0001
_DROPPED_AT_ONCE = 5000


# sign-ups


def _signup(row: dict[str, Any]) -> Signup:
    return Signup(**row | {"state": SignupState(row["state"])})


async def slug_taken(conn: Connection, slug: str) -> bool:
    """Whether a business has this slug, one being deleted included."""
    return await one(conn, SQL.slug_taken, slug=slug) is not None


async def add_signup(conn: Connection, signup: Signup) -> None:
    """Raises psycopg.errors.UniqueViolation of `signup_slug` when another sign-up waits for the slug."""
    await conn.execute(
        SQL.insert_signup,
        {
            "signup_id": signup.signup_id,
            "message": signup.message,
            "slug": signup.slug,
            "owner_email": signup.owner_email,
            "now": signup.created_at,
        },
    )


async def signup(conn: Connection, signup_id: UUID) -> Signup | None:
    row = await one(conn, SQL.signup, signup_id=signup_id)
    return _signup(row) if row else None


async def lock_signups_of_slug(conn: Connection, slug: str) -> list[Signup]:
    """Sign-ups for a slug that have not led to a business (yet)."""
    return [
        _signup(row) for row in await (await conn.execute(SQL.signups_of_slug, {"slug": slug})).fetchall()
    ]


async def lock_stale_signups(conn: Connection, before: datetime) -> list[Signup]:
    """Some of the sign-ups that still wait and were made before then, without those that others have locked."""
    return [
        _signup(row) for row in await (await conn.execute(SQL.stale_signups, {"before": before})).fetchall()
    ]


async def settle_signup(
    conn: Connection,
    signup_id: UUID,
    state: SignupState,
    message: str,
    business_id: UUID | None,
    now: datetime,
) -> None:
    await conn.execute(
        SQL.settle_signup,
        {
            "signup_id": signup_id,
            "state": state.value,
            "message": message,
            "business_id": business_id,
            "now": now,
        },
    )


async def erase_signups(conn: Connection, tenant_id: UUID) -> int:
    """Erases the sign-ups that led to a business."""
    return (await conn.execute(SQL.erase_signups, {"tenant_id": tenant_id})).rowcount


# mail


async def queue_mail(
    conn: Connection,
    tenant_id: UUID,
    now: datetime,
    *,
    invitation_id: UUID | None = None,
    reset_email: str | None = None,
) -> None:
    """Puts one mail into the queue; it is sent once this transaction has committed."""
    await conn.execute(
        SQL.queue_mail,
        {
            "tenant_id": tenant_id,
            "mail_id": new_id(),
            "invitation_id": invitation_id,
            "reset_email": reset_email,
            "now": now,
        },
    )


async def claim_mail(conn: Connection, now: datetime, lease_ends: datetime, limit: int) -> list[Mail]:
    """Mail that is due, kept from other senders until `lease_ends`. Needs a worker's transaction."""
    values = {"now": now, "lease_ends": lease_ends, "limit": limit}
    return [Mail(**row) for row in await (await conn.execute(SQL.claim_mail, values)).fetchall()]


async def delete_mail(conn: Connection, mail: Mail) -> None:
    await conn.execute(SQL.delete_mail, {"tenant_id": mail.tenant_id, "mail_id": mail.mail_id})


async def delete_mail_of_invitation(conn: Connection, tenant_id: UUID, invitation_id: UUID) -> None:
    values = {"tenant_id": tenant_id, "invitation_id": invitation_id}
    await conn.execute(SQL.delete_mail_of_invitation, values)


async def postpone_mail(conn: Connection, mail: Mail, due_at: datetime) -> None:
    values = {"tenant_id": mail.tenant_id, "mail_id": mail.mail_id, "due_at": due_at}
    await conn.execute(SQL.postpone_mail, values)


# signing keys


async def signing_keys(conn: Connection) -> list[SigningKey]:
    """All that are stored, the oldest first."""
    cursor = await conn.execute(SQL.signing_keys)
    return [SigningKey(**row) for row in await cursor.fetchall()]


async def lock_signing_keys(conn: Connection) -> None:
    """One process at a time makes or drops keys; held until the transaction's end."""
    await conn.execute(SQL.lock_signing_keys, {"key": _KEYS_LOCK})


async def add_signing_key(conn: Connection, key: SigningKey) -> None:
    values = {"kid": key.kid, "sealed": key.sealed, "signs_from": key.signs_from}
    await conn.execute(SQL.insert_signing_key, values)


async def delete_signing_keys(conn: Connection, kids: list[str]) -> None:
    await conn.execute(SQL.delete_signing_keys, {"kids": kids})


# housekeeping


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows housekeeping took away."""

    ended_sessions: int
    expired_sessions: int
    refresh_tokens: int
    links: int
    resets: int
    attempts: int
    signups: int

    @property
    def sessions(self) -> int:
        return self.ended_sessions + self.expired_sessions

    @property
    def more(self) -> bool:
        """Whether there may be more of any."""
        return _DROPPED_AT_ONCE in astuple(self)


async def drop_expired(
    conn: Connection, *, now: datetime, sessions_before: datetime, signups_before: datetime
) -> Dropped:
    """Drops what has expired, some thousands of each at most. It waits for nobody.

    Needs a worker's transaction.
    """

    async def drop(statement: bytes, before: datetime) -> int:
        return (await conn.execute(statement, {"before": before, "limit": _DROPPED_AT_ONCE})).rowcount

    return Dropped(
        ended_sessions=await drop(SQL.drop_ended_sessions, sessions_before),
        expired_sessions=await drop(SQL.drop_expired_sessions, sessions_before),
        refresh_tokens=await drop(SQL.drop_expired_refresh_tokens, now),
        links=await drop(SQL.drop_expired_links, now),
        resets=await drop(SQL.drop_expired_resets, now),
        attempts=await drop(SQL.drop_closed_attempts, now),
        signups=await drop(SQL.drop_settled_signups, signups_before),
    )


async def drop_users(conn: Connection, after: UUID | None, limit: int) -> tuple[int, UUID | None]:
    """Drops those of the next `limit` users behind `after` who work nowhere any more.

    Answers how many those were, and behind whom to go on; None when it has looked at the last. Needs a worker's
    transaction.
    """
    cursor = await conn.execute(SQL.drop_users_of_no_business, {"after": after, "limit": limit})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - it is one row, whatever there is
    return row["number"], row["last"]
