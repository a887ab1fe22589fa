"""Signing in, switching business, refreshing, signing out: each method is a complete use case.

Part of auth.service; called by the routes. Passwords are hashed between transactions, never inside one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from auth import store
from auth.attempts import Attempts, by_account, by_address
from auth.domain import Membership, Refresh, Session, SessionEnd, User, refresh_outcome
from auth.errors import InvalidCredentials, NoBusiness, SessionEnded
from auth.keyring import Keyring
from auth.opaque import OpaqueToken, TokenKind
from auth.passwords import Passwords
from auth.settings import AuthSettings
from servicekit.clock import Clock
from servicekit.db import Connection, Database
from servicekit.errors import Conflict, FieldError, NotFound, Unavailable
from servicekit.http.tokens import Principal
from servicekit.ids import new_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client gets. `businesses` are all of the user's, the session's own first; `expires_in` in seconds."""

    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str
    businesses: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Me:
    """Who is signed in; `businesses` as in SignedIn."""

    user: User
    session_id: UUID
    businesses: tuple[Membership, ...]


class Sessions:
    """What the routes can ask for about sessions."""

    def __init__(
        self,
        db: Database,
        keyring: Keyring,
        passwords: Passwords,
        attempts: Attempts,
        settings: AuthSettings,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
    ) -> None:
        self._db = db
        self._keyring = keyring
        self._passwords = passwords
        self._attempts = attempts
        self._settings = settings
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    async def sign_in(self, email: str, password: str, slug: str | None, address: str) -> SignedIn:
        """A new session at the business named, else at the one last signed in to.

        Raises InvalidCredentials, which takes as long for an unknown user as for a wrong password; TooManyAttempts;
        NoBusiness; Unavailable, with nothing counted, when too many sign in at once.
        """
        network = by_address("login", address, self._settings.failed_logins_per_address)
        async with self._db.public() as conn:
            account = await by_account(conn, "login", email, self._settings.failed_logins_per_account)
            await self._attempts.count(conn, account, network)
            user = await store.user_by_email(conn, email)
        try:
            fits, rehashed = await self._passwords.verify(password, user.password_hash if user else None)
        except Unavailable:  # a rush of sign-ins, which must lock nobody out
            async with self._db.public() as conn:
                await self._attempts.give_back(conn, account, network)
            raise
        if user is None or not fits:
            raise InvalidCredentials
        async with self._db.public() as conn:
            await self._attempts.succeeded(conn, account, network)
            await store.act_as(conn, user.user_id)
            businesses = await store.memberships(conn, user.user_id)
        tenant_id = _own_first(businesses, slug=slug)[0].tenant_id
        async with self._db.tenant(tenant_id) as conn:
            known = await store.lock_user(conn, user.user_id)
            if known is None or known.password_set_at != user.password_set_at:
                raise InvalidCredentials  # another password was set since, which ends what the old one opens
            if rehashed is not None:
                await store.rehash_password(conn, user, rehashed)
            await store.act_as(conn, user.user_id)
            session_id, expires_at = new_id(), self._clock() + timedelta(days=self._settings.session_days)
            return await self._add(conn, Session(session_id, tenant_id, user.user_id, session_id, expires_at))

    async def switch(self, principal: Principal, slug: str) -> SignedIn:
        """A further session of the same user, at another business, in the same family; it ends no later than that.

        An access token alone must not prolong access. Raises SessionEnded, NoBusiness; Conflict for the session's
        own business, where `refresh` is the way to go on.
        """
        async with self._db.public() as conn:
            await self._current_session(conn, principal)
            businesses = await store.memberships(conn, principal.user_id)
        tenant_id = _own_first(businesses, slug=slug)[0].tenant_id
        if tenant_id == principal.tenant_id:
            detail = "is where this session is already; refresh it"
            raise Conflict(f"{slug!r} {detail}.", errors=(FieldError("/business", detail),))
        async with self._db.tenant(tenant_id) as conn:
            await store.lock_user(conn, principal.user_id)
            first = await self._current_session(conn, principal)
            return await self._add(
                conn,
                Session(new_id(), tenant_id, first.user_id, first.family_id, first.expires_at),
            )

    async def refresh(self, text: str) -> SignedIn:
        """New tokens for a refresh token, which is used up. Raises SessionEnded.

        A token that was used before ends the session's whole family, with all its tokens, unless it is a
        repetition (domain.refresh_outcome).
        """
        token = OpaqueToken.parse(text)
        if token is None or token.kind is not TokenKind.REFRESH:
            raise SessionEnded
        async with self._db.tenant(token.tenant_id) as conn:
            renewed = await self._rotate(conn, token)
        if renewed is None:  # raised after the block, so that the end of a family is committed
            raise SessionEnded
        return renewed

    async def _rotate(self, conn: Connection, token: OpaqueToken) -> SignedIn | None:
        """None when the token is refused, for which the family may have been ended."""
        now = self._clock()
        tenant_id, digest = token.tenant_id, token.digest()
        found = await store.refresh_token(conn, tenant_id, digest)
        session = await store.session(conn, found.session_id) if found else None
        if session is None:
            return None
        await store.lock_user(conn, session.user_id)
        session = await store.lock_session(conn, tenant_id, session.session_id)
        found = await store.refresh_token(conn, tenant_id, digest)  # read again, under the locks
        if found is None or session is None:
            return None
        await store.act_as(conn, session.user_id)
        outcome = refresh_outcome(found, session, now)
        if outcome is Refresh.END_FAMILY:
            await store.end_family(conn, session, SessionEnd.TOKEN_REUSED, now)
            log.warning("refresh token used twice, session ended", session_id=str(session.session_id))
        if outcome not in {Refresh.ROTATE, Refresh.REPEAT}:
            return None
        businesses = await store.memberships(conn, session.user_id)
        if all(item.tenant_id != tenant_id for item in businesses):
            return None
        generation = session.generation
        if outcome is Refresh.ROTATE:
            generation = generation + 1 if found.generation is None else found.generation
            await store.use_refresh_token(conn, session, digest, generation, now)
        text = await self._add_refresh_token(conn, session, generation + 1, now)
        return self._signed_in(session, _own_first(businesses, tenant_id=tenant_id), text)

    async def sign_out(self, principal: Principal, session_id: UUID) -> None:
        """Ends one of the user's own sessions and its family; one that has ended is fine. Raises NotFound."""
        async with self._db.public() as conn:
            await store.lock_user(conn, principal.user_id)
            await store.act_as(conn, principal.user_id)
            session = await store.session(conn, session_id)
            if session is None:
                raise NotFound("There is no such session.")
            await store.end_family(conn, session, SessionEnd.SIGNED_OUT, self._clock())

    async def me(self, principal: Principal) -> Me:
        """Raises SessionEnded, also when the business is being deleted."""
        async with self._db.public() as conn:
            await self._current_session(conn, principal)
            user = await store.user_by_id(conn, principal.user_id)
            businesses = await store.memberships(conn, principal.user_id)
        if user is None or all(item.tenant_id != principal.tenant_id for item in businesses):
            raise SessionEnded
        return Me(user, principal.session_id, _own_first(businesses, tenant_id=principal.tenant_id))

    async def _current_session(self, conn: Connection, principal: Principal) -> Session:
        """The principal's session, once it is seen that it goes on; names the user to the transaction.

        Raises SessionEnded: a session may end before its access token expires.
        """
        await store.act_as(conn, principal.user_id)
        session = await store.session(conn, principal.session_id)
        if session is None or session.ended_at is not None or session.expires_at <= self._clock():
            raise SessionEnded
        return session

    async def _add(self, conn: Connection, session: Session) -> SignedIn:
        """Adds a session, in a transaction that has locked its user and named them by `act_as`."""
        now = self._clock()
        tenant_id, user_id = session.tenant_id, session.user_id
        businesses = _own_first(await store.memberships(conn, user_id), tenant_id=tenant_id)
        try:
            await store.touch_membership(conn, tenant_id, user_id, now)
            await store.add_session(conn, session, now)
            text = await self._add_refresh_token(conn, session, 1, now)
        except psycopg.errors.ForeignKeyViolation:  # the business was erased this very moment
            raise NoBusiness("This business does not exist any more.") from None
        return self._signed_in(session, businesses, text)

    async def _add_refresh_token(
        self, conn: Connection, session: Session, generation: int, now: datetime
    ) -> str:
        token = OpaqueToken.new(TokenKind.REFRESH, session.tenant_id)
        expires_at = min(session.expires_at, now + timedelta(days=self._settings.refresh_token_days))
        await store.add_refresh_token(conn, session, token.digest(), generation, expires_at)
        return token.text()

    def _signed_in(
        self, session: Session, businesses: tuple[Membership, ...], refresh_token: str
    ) -> SignedIn:
        seconds = self._settings.access_token_seconds
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(session.user_id),
            "sid": str(session.session_id),
            "business_id": str(session.tenant_id),
            "role": businesses[0].role.value,
        }
        access_token = self._keyring.sign(claims, lifetime=timedelta(seconds=seconds))
        return SignedIn(session.session_id, access_token, seconds, refresh_token, businesses)


def _own_first(
    businesses: Sequence[Membership], *, slug: str | None = None, tenant_id: UUID | None = None
) -> tuple[Membership, ...]:
    """The businesses with the one asked for first, else as they are. Raises NoBusiness."""
    wanted = [
        item
        for item in businesses
        if (slug is None or item.slug == slug) and (tenant_id is None or item.tenant_id == tenant_id)
    ]
    if not wanted:
        raise NoBusiness(
            f"You do not work at {slug!r}." if slug else "You do not work at any business at the moment."
        )
    first = wanted[0]
    return (first, *(item for item in businesses if item is not first))
