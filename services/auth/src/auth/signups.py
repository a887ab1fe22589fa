"""Sign-ups: somebody without an account asks for a business, and polls until it is there.

auth.signup.v1 asks the operator for a Tenant. The Tenant's record on platform.tenants.v1 is the answer: it settles
the sign-up that has its slug and owner, and a tombstone removes the person's data from the topic. A sign-up that
has led to nothing for an hour has failed. `Signups` is part of auth.service; the functions are called by the tenant
hooks and by housekeeping.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from pydantic import BaseModel

from auth import queue_store
from auth.attempts import Attempts, by_address
from auth.domain import PLATFORM, Signup, SignupState
from contracts.auth import SignupRequested
from contracts.model import RESERVED_SLUGS
from contracts.platform import TenantChanged
from servicekit import outbox
from servicekit.clock import Clock
from servicekit.db import Connection, Database, constraint_of
from servicekit.errors import Conflict, FieldError, NotFound
from servicekit.idempotency import IdempotencyKey, Outcome, once
from servicekit.ids import new_id

_SOURCE = "auth"
_WAITING = "The business is being set up."
_THERE = "The business is there, and its owner is invited by mail."
_TAKEN = "The name went to another business; sign up with another one."
_NOTHING_CAME = "The business could not be set up; sign up again, or write to us."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for."""

    email: str
    name: str
    business_name: str
    slug: str
    plan: str
    timezone: str
    locale: str
    currency: str


class Signups:
    """What the routes can ask for about sign-ups."""

    def __init__(self, db: Database, attempts: Attempts, *, per_address: int, clock: Clock) -> None:
        self._db = db
        self._attempts = attempts
        self._per_address = per_address
        self._clock = clock

    async def request(
        self,
        key: IdempotencyKey | None,
        wanted: Wanted,
        address: str,
        answer: Callable[[Signup], BaseModel],
    ) -> Outcome:
        """Raises Conflict when the slug is taken or asked for, TooManyAttempts."""
        try:
            async with self._db.tenant(PLATFORM) as conn:

                async def effect() -> BaseModel:
                    await self._attempts.count(conn, by_address("signup", address, self._per_address))
                    return answer(await self._request(conn, wanted))

                return await once(conn, PLATFORM, key, effect, status=202)
        except psycopg.errors.UniqueViolation as error:
            if constraint_of(error) != "signup_slug":
                raise
            raise _taken(wanted.slug) from None

    async def _request(self, conn: Connection, wanted: Wanted) -> Signup:
        if wanted.slug in RESERVED_SLUGS or await queue_store.slug_taken(conn, wanted.slug):
            raise _taken(wanted.slug)
        now = self._clock()
        signup = Signup(new_id(), SignupState.REQUESTED, _WAITING, wanted.slug, wanted.email, None, now)
        await queue_store.add_signup(conn, signup)
        event = SignupRequested(
            signup_id=signup.signup_id,
            slug=wanted.slug,
            display_name=wanted.business_name,
            owner_email=wanted.email,
            owner_name=wanted.name,
            plan=wanted.plan,
            timezone=wanted.timezone,
            locale=wanted.locale,
            currency=wanted.currency,
        )
        await outbox.publish(conn, _SOURCE, event, time=now)
        return signup

    async def read(self, signup_id: UUID) -> Signup:
        """Raises NotFound."""
        async with self._db.public() as conn:
            signup = await queue_store.signup(conn, signup_id)
        if signup is None:
            raise NotFound("There is no such sign-up.")
        return signup


def _taken(slug: str) -> Conflict:
    return Conflict(f"The name {slug!r} is taken.", errors=(FieldError("/slug", "is taken"),))


async def settle(conn: Connection, tenant: TenantChanged, now: datetime) -> None:
    """A Tenant is there: its owner's sign-up for the slug has succeeded, and those of others have failed."""
    for signup in await queue_store.lock_signups_of_slug(conn, tenant.slug):
        if signup.owner_email.casefold() == tenant.owner.email.casefold():
            await _settle(conn, signup, SignupState.PROVISIONED, _THERE, tenant.tenant_id, now)
        elif signup.state is SignupState.REQUESTED:
            await _settle(conn, signup, SignupState.FAILED, _TAKEN, None, now)


async def give_up(conn: Connection, before: datetime, now: datetime) -> int:
    """Fails sign-ups that were made before then and still wait; answers how many."""
    stale = await queue_store.lock_stale_signups(conn, before)
    for signup in stale:
        await _settle(conn, signup, SignupState.FAILED, _NOTHING_CAME, None, now)
    return len(stale)


async def _settle(
    conn: Connection,
    signup: Signup,
    state: SignupState,
    message: str,
    business_id: UUID | None,
    now: datetime,
) -> None:
    await queue_store.settle_signup(conn, signup.signup_id, state, message, business_id, now)
    await outbox.bury(conn, _SOURCE, SignupRequested, str(signup.signup_id), None)
