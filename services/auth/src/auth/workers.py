"""auth's own loops, wired in auth.app: one sends the mail in the queue, one drops what has expired.

A mail is claimed with a lease, its link is made, it is sent, and it is deleted: each step but the sending in a
transaction of its own. A crash before the last one sends again once the lease has ended, with the same Message-ID
and a new link: SMTP has no way to ask whether the first got through.

Whoever locks an invitation and its mail locks the invitation first: its link may be used while the mail is still
under way.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from auth import queue_store, store
from auth.domain import MAIL_GIVEN_UP, InvitationState, Mail
from auth.invitations import report_owner
from auth.mails import Letter, invitation_letter, reset_letter
from auth.opaque import OpaqueToken, TokenKind
from auth.settings import AuthSettings
from auth.signups import give_up
from servicekit.clock import Clock, utc_now
from servicekit.db import Connection, Database
from servicekit.errors import NotFound
from servicekit.faults import reached
from servicekit.mail import Mailer, MailRefused, MailUnavailable
from servicekit.periodic import Periodic
from servicekit.tenants import tenant_by_id

log = structlog.get_logger(__name__)

_SEND_EVERY_SECONDS = 0.25
_BATCH = 10
_MAX_BACKOFF = timedelta(minutes=10)
_GIVE_UP_AFTER = timedelta(days=5)
_CLEAN_EVERY_SECONDS = 60.0
_USERS_AT_ONCE = 1000
_KEEP_SESSIONS = timedelta(days=7)
_KEEP_SIGNUPS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    mail: Mail
    letter: Letter


class MailSender(Periodic):
    """Any number may run; each mail is claimed by one."""

    def __init__(
        self, db: Database, mailer: Mailer, settings: AuthSettings, *, clock: Clock = utc_now
    ) -> None:
        super().__init__("auth.mail", every=_SEND_EVERY_SECONDS)
        self._db = db
        self._mailer = mailer
        self._settings = settings
        self._public_url = settings.public_url.rstrip("/")
        self._clock = clock

    async def turn(self) -> None:
        now = self._clock()
        lease_ends = now + timedelta(seconds=self._settings.mail_lease_seconds)
        async with self._db.worker() as conn:
            claimed = await queue_store.claim_mail(conn, now, lease_ends, _BATCH)
        outgoing = []
        for mail in claimed:
            async with self._db.worker() as conn:
                item = await self._prepare(conn, mail)
            if item is not None:
                outgoing.append(item)
        if outgoing:
            reached("auth.mail-claimed")
        await asyncio.gather(*(self._send(item) for item in outgoing))

    async def _prepare(self, conn: Connection, mail: Mail) -> _Outgoing | None:
        """The letter, with a link of its own; None, and the mail dropped, when there is no more reason for it."""
        letter = await (self._invitation(conn, mail) if mail.invitation_id else self._reset(conn, mail))
        if letter is None:
            await queue_store.delete_mail(conn, mail)
            return None
        return _Outgoing(mail, letter)

    async def _invitation(self, conn: Connection, mail: Mail) -> Letter | None:
        assert mail.invitation_id is not None  # noqa: S101 - the caller looked
        invitation = await store.lock_invitation(conn, mail.tenant_id, mail.invitation_id)
        if invitation is None or invitation.state is not InvitationState.PENDING:
            return None
        try:
            tenant = await tenant_by_id(conn, mail.tenant_id)
        except NotFound:
            return None
        token = OpaqueToken.new(TokenKind.INVITATION, mail.tenant_id)
        expires_at = self._clock() + timedelta(days=self._settings.invitation_days)
        await store.add_invitation_link(conn, invitation, token.digest(), expires_at)
        return invitation_letter(invitation, tenant.display_name, token, expires_at, self._public_url)

    async def _reset(self, conn: Connection, mail: Mail) -> Letter | None:
        """The reset's letter; where its reader has not accepted yet, their invitations are sent again instead."""
        assert mail.reset_email is not None  # noqa: S101 - the table's check
        user = await store.user_by_email(conn, mail.reset_email)
        if user is None:
            for tenant_id, invitation_id in await store.pending_invitations_of(conn, mail.reset_email):
                await queue_store.queue_mail(conn, tenant_id, self._clock(), invitation_id=invitation_id)
            return None
        token = OpaqueToken.new(TokenKind.PASSWORD_RESET, mail.tenant_id)
        expires_at = self._clock() + timedelta(minutes=self._settings.reset_minutes)
        await store.add_password_reset(conn, token.digest(), user.user_id, expires_at)
        return reset_letter(user, token, expires_at, self._public_url)

    async def _send(self, item: _Outgoing) -> None:
        mail, letter = item.mail, item.letter
        try:
            await self._mailer.send(letter.to, letter.subject, letter.text, message_id=mail.mail_id)
        except (MailRefused, ValueError) as error:  # ValueError: no header can hold this address
            log.warning("mail refused", mail_id=str(mail.mail_id), reason=str(error))
            await self._refused(mail, str(error))
            return
        except MailUnavailable as error:
            await self._later(mail, str(error))
            return
        reached("auth.mail-sent")
        async with self._db.worker() as conn:
            await self._sent(conn, mail)
            await queue_store.delete_mail(conn, mail)
        log.info("mail sent", mail_id=str(mail.mail_id), attempts=mail.attempts)

    async def _sent(self, conn: Connection, mail: Mail) -> None:
        if mail.invitation_id is None:
            return
        await store.mark_invitation_sent(conn, mail.tenant_id, mail.invitation_id, self._clock())
        await self._report(conn, mail)

    async def _later(self, mail: Mail, reason: str) -> None:
        now = self._clock()
        if now - mail.created_at > _GIVE_UP_AFTER:
            log.warning("mail given up", mail_id=str(mail.mail_id), reason=reason)
            await self._refused(mail, MAIL_GIVEN_UP)
            return
        pause = min(_MAX_BACKOFF, timedelta(seconds=2 ** min(mail.attempts, 12)))
        log.warning(
            "mail not sent, trying again",
            mail_id=str(mail.mail_id),
            reason=reason,
            retry_in=pause.total_seconds(),
        )
        async with self._db.worker() as conn:
            await self._report(conn, mail, delayed=True)
            await queue_store.postpone_mail(conn, mail, now + pause)

    async def _refused(self, mail: Mail, reason: str) -> None:
        async with self._db.worker() as conn:
            if mail.invitation_id is not None:
                await store.mark_invitation_refused(conn, mail.tenant_id, mail.invitation_id, reason[:200])
                await self._report(conn, mail)
            await queue_store.delete_mail(conn, mail)

    async def _report(self, conn: Connection, mail: Mail, *, delayed: bool = False) -> None:
        """Tells the operator, if the mail is the invitation of the owner that the Tenant names now."""
        invitation = await store.lock_owner_invitation(conn, mail.tenant_id)
        if invitation is None or invitation.invitation_id != mail.invitation_id:
            return
        try:
            tenant = await tenant_by_id(conn, mail.tenant_id)  # read under the lock: its newest generation
        except NotFound:
            return
        await report_owner(conn, tenant, invitation, self._clock, delayed=delayed)


class AuthHousekeeping(Periodic):
    """Drops ended sessions, expired tokens and links, settled sign-ups, and users who work nowhere any more.

    Gives up sign-ups that led to nothing.
    """

    def __init__(
        self,
        db: Database,
        settings: AuthSettings,
        *,
        clock: Clock = utc_now,
        users_at_once: int = _USERS_AT_ONCE,
    ) -> None:
        super().__init__("auth.expiry", every=_CLEAN_EVERY_SECONDS)
        self._db = db
        self._users_at_once = users_at_once
        self._patience = timedelta(minutes=settings.signup_minutes)
        self._clock = clock
        self._users_up_to: UUID | None = None

    async def turn(self) -> float | None:
        """Drops some thousands of each at most; at once again where there may be more.

        Of users it looks at the next thousand, and begins anew behind the last.
        """
        now = self._clock()
        async with self._db.worker() as conn:
            given_up = await give_up(conn, now - self._patience, now)
            dropped = await queue_store.drop_expired(
                conn, now=now, sessions_before=now - _KEEP_SESSIONS, signups_before=now - _KEEP_SIGNUPS
            )
            users, up_to = await queue_store.drop_users(conn, self._users_up_to, self._users_at_once)
        self._users_up_to = up_to
        if given_up or dropped.sessions or dropped.signups or users:
            log.info(
                "expired",
                sessions=dropped.sessions,
                signups=dropped.signups,
                users=users,
                signups_given_up=given_up,
                links=dropped.links + dropped.resets,
            )
        return 0 if dropped.more else None
