"""Links in mails by which their holder sets a password: asking for one, and using one.

Part of auth.service; called by the routes. A link's token tells its kind: an invitation's also makes its holder a
member, a reset's only sets the password. Either ends every session that the user had.
"""

from uuid import UUID

from pydantic import BaseModel

from auth import queue_store, store
from auth.attempts import Attempts, by_account, by_address
from auth.domain import (
    PLATFORM,
    Invitation,
    InvitationState,
    SessionEnd,
    User,
    password_fault,
)
from auth.errors import LinkInvalid
from auth.invitations import report_owner
from auth.opaque import OpaqueToken, TokenKind
from auth.passwords import Passwords
from auth.settings import AuthSettings
from servicekit.clock import Clock
from servicekit.db import Connection, Database
from servicekit.errors import Invalid, NotFound
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id
from servicekit.tenants import tenant_by_id, tenant_to_change


class PasswordLinks:
    """What the routes can ask for about passwords."""

    def __init__(
        self, db: Database, passwords: Passwords, attempts: Attempts, settings: AuthSettings, *, clock: Clock
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._attempts = attempts
        self._settings = settings
        self._clock = clock

    async def request_reset(
        self, key: IdempotencyKey | None, email: str, address: str, answer: BaseModel
    ) -> Outcome:
        """Queues a mail. The user is looked up only when it is sent, so that the answer does not tell who is one.

        An address that was asked for too often gets no more for a while, silently. Raises TooManyAttempts for the
        client's network.
        """
        network = by_address("reset", address, self._settings.resets_per_address)
        async with self._db.tenant(PLATFORM) as conn:

            async def effect() -> BaseModel:
                await self._attempts.count(conn, network)
                account = await by_account(conn, "reset", email, self._settings.resets_per_account)
                if await self._attempts.allows(conn, account):
                    await queue_store.queue_mail(conn, PLATFORM, self._clock(), reset_email=email)
                return answer

            return await once(conn, PLATFORM, key, effect, status=202)

    async def set_password(self, text: str, password: str) -> str:
        """Uses a link; answers the user's address. Raises LinkInvalid, Invalid for the password."""
        token = OpaqueToken.parse(text)
        if token is not None and token.kind is TokenKind.INVITATION:
            return await self._accept(token, password)
        if token is not None and token.kind is TokenKind.PASSWORD_RESET:
            return await self._reset(token, password)
        raise LinkInvalid

    async def _accept(self, token: OpaqueToken, password: str) -> str:
        async with self._db.tenant(token.tenant_id) as conn:
            invitation = await self._invitation(conn, token)
        _check(password, invitation.email, invitation.name)
        password_hash = await self._passwords.hash(password)
        async with self._db.tenant(token.tenant_id) as conn:
            invitation = await self._invitation(conn, token)
            now = self._clock()
            given = User(new_id(), invitation.email, invitation.name, password_hash, now)
            user = await store.save_user(conn, given)
            await store.save_membership(conn, token.tenant_id, user.user_id, invitation.role, now)
            await store.set_invitation_state(conn, invitation, InvitationState.ACCEPTED)
            await store.delete_invitation_links(conn, token.tenant_id, invitation.invitation_id)
            await queue_store.delete_mail_of_invitation(conn, token.tenant_id, invitation.invitation_id)
            await self._start_afresh(conn, user)
            if invitation.invited_by is None:
                tenant = await tenant_by_id(conn, token.tenant_id)
                accepted = await store.lock_invitation(conn, token.tenant_id, invitation.invitation_id)
                if accepted is not None:
                    await report_owner(conn, tenant, accepted, self._clock)
        return user.email

    async def _invitation(self, conn: Connection, token: OpaqueToken) -> Invitation:
        """The pending invitation that a token stands for, locked. Raises LinkInvalid."""
        invitation_id = await store.invitation_of_link(conn, token.tenant_id, token.digest(), self._clock())
        try:
            await tenant_to_change(conn, token.tenant_id)
        except NotFound:
            raise LinkInvalid from None
        if invitation_id is not None:
            invitation = await store.lock_invitation(conn, token.tenant_id, invitation_id)
            if invitation is not None and invitation.state is InvitationState.PENDING:
                return invitation
        raise LinkInvalid

    async def _reset(self, token: OpaqueToken, password: str) -> str:
        async with self._db.public() as conn:
            user_id = await store.password_reset(conn, token.digest(), self._clock())
            user = await self._user(conn, user_id)
        _check(password, user.email, user.name)
        password_hash = await self._passwords.hash(password)
        async with self._db.public() as conn:
            now = self._clock()
            # Of two links of the user that are used at once, the second waits here, and is void then.
            await store.lock_user(conn, user.user_id)
            user = await self._user(conn, await store.password_reset(conn, token.digest(), now))
            await store.set_password(conn, user.user_id, password_hash, now)
            await self._start_afresh(conn, user)
        return user.email

    async def _user(self, conn: Connection, user_id: UUID | None) -> User:
        user = await store.user_by_id(conn, user_id) if user_id is not None else None
        if user is None:
            raise LinkInvalid
        return user

    async def _start_afresh(self, conn: Connection, user: User) -> None:
        """A new password ends what the old one opened, reset links included, and any lock-out.

        The user's row was written just before, and is locked as store.lock_user would.
        """
        await store.delete_password_resets(conn, user.user_id)
        await store.act_as(conn, user.user_id)
        await store.end_sessions(conn, user.user_id, SessionEnd.PASSWORD_SET, self._clock())
        await store.forget_attempts(conn, (await by_account(conn, "login", user.email, 0)).bucket)


def _check(password: str, *about: str) -> None:
    fault = password_fault(password, *about)
    if fault is not None:
        raise Invalid.field("/password", fault)
