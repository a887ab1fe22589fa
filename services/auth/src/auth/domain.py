"""auth's types, and its rules that need no database: about passwords, refresh tokens and signing keys.

Pure: used by the stores (rows become these types), the service modules, the workers and the routes.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar
from uuid import UUID

PLATFORM = UUID(int=0)
"""The tenant of rows that are no business's: idempotency answers of sign-ups, mail that resets a password."""

PASSWORD_MIN = 10
PASSWORD_MAX = 256
_MIN_DISTINCT = 5
_MIN_PART = 4
_OFTEN_USED = re.compile(
    r"""(0?123456789|12345678910|1q2w3e4r5t|a1b2c3d4e5|abcd|abcdefghij|qwerty|qwertyuiop|asdfghjkl|zaq12wsx|
    p[a@]ssw[o0]rd|passwort|iloveyou|letmein|welcome|administrator|changeme|baseball|football|superman|sunshine|
    princess|slotwright|correcthorsebatterystaple)[0-9!.a]*""",
    re.VERBOSE,
)


class Role(StrEnum):
    """What a member may do at a business; `admin` is the platform's own people."""

    OWNER = "owner"
    STAFF = "staff"
    ADMIN = "admin"


class InvitationState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


class SignupState(StrEnum):
    REQUESTED = "requested"
    PROVISIONED = "provisioned"
    FAILED = "failed"


class SessionEnd(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "signed-out"
    TOKEN_REUSED = "token-reused"  # noqa: S105 - a reason
    PASSWORD_SET = "password-set"  # noqa: S105 - a reason
    ROLE_CHANGED = "role-changed"


@dataclass(frozen=True, slots=True)
class User:
    """`password_set_at` is when the password was chosen; its hash may be made anew since."""

    user_id: UUID
    email: str
    name: str
    password_hash: str
    password_set_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place at a business that exists and is not being deleted."""

    tenant_id: UUID
    slug: str
    display_name: str
    role: Role
    suspended: bool


@dataclass(frozen=True, slots=True)
class Member:
    """Who works at a business, as its owner sees them."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: datetime
    signed_in_at: datetime | None


MAIL_GIVEN_UP = "the mail server could not take it for five days"
"""`Invitation.refused` where no mail server refused the mail, but none took it either."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """`invited_by` is None for the owner that the Tenant object names.

    `refused` is why it was not mailed: what the mail server said, or MAIL_GIVEN_UP.
    """

    tenant_id: UUID
    invitation_id: UUID
    email: str
    name: str
    role: Role
    state: InvitationState
    invited_by: UUID | None
    created_at: datetime
    sent_at: datetime | None
    expires_at: datetime | None
    refused: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """`family_id` is the session that a password opened: its own id, unless it was opened by another session.

    What ends one of a family ends all, and none lives longer than the first. `generation` is the latest of which
    a refresh token of the session was used, 0 for none, and `refreshed_at` when that happened first.
    """

    session_id: UUID
    tenant_id: UUID
    user_id: UUID
    family_id: UUID
    expires_at: datetime
    ended_at: datetime | None = None
    generation: int = 0
    refreshed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`generation` counts from 1; None for an unused one from a release that did not know generations."""

    session_id: UUID
    expires_at: datetime
    used_at: datetime | None
    generation: int | None


@dataclass(frozen=True, slots=True)
class Signup:
    signup_id: UUID
    state: SignupState
    message: str
    slug: str
    owner_email: str
    business_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to send: an invitation's, or a password reset's for whoever has `reset_email`."""

    tenant_id: UUID
    mail_id: UUID
    invitation_id: UUID | None
    reset_email: str | None
    attempts: int
    created_at: datetime


def normalised(password: str) -> str:
    """The form that is hashed: NFKC, so that the same keys give the same password everywhere (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def password_fault(password: str, *about: str) -> str | None:
    """Why this password is not taken, or None. `about` are the user's address and name.

    Length counts, composition does not (NIST SP 800-63B §3.1.1.2).
    """
    given = normalised(password)
    if len(given) < PASSWORD_MIN:
        return f"must have at least {PASSWORD_MIN} characters"
    if len(given) > PASSWORD_MAX:
        return f"must have at most {PASSWORD_MAX} characters"
    folded = given.casefold()
    if _OFTEN_USED.fullmatch(folded) or len(set(folded)) < _MIN_DISTINCT:
        return "is too easy to guess; take a longer or less usual one"
    for text in about:
        whole = text.casefold()
        if folded == whole or any(
            len(part) >= _MIN_PART and part in folded and len(folded) - len(part) < _MIN_PART
            for part in (whole, whole.partition("@")[0])
        ):
            return "must not be your name or address"
    return None


class Refresh(StrEnum):
    """What presenting a refresh token leads to."""

    ROTATE = "rotate"
    REPEAT = "repeat"
    REFUSE = "refuse"
    END_FAMILY = "end-family"


REPEAT_WITHIN = timedelta(seconds=30)
"""How long a refresh may be repeated: one client may send two at once, say by two replicas of web, and an answer
may be lost, for which web waits 10 s before somebody tries again."""


def refresh_outcome(token: RefreshToken, session: Session, now: datetime) -> Refresh:
    """Source: RFC 9700 §4.14.2. A used token that is presented again means that two hold it; neither may go on.

    Except within REPEAT_WITHIN, while no token that it was exchanged for has been used: that is a repetition, and
    answered with another token. The tokens of one generation count as one: of two who hold such, the second is
    found out once both have refreshed again.
    """
    if session.ended_at is not None or session.expires_at <= now:
        return Refresh.REFUSE
    generation, last = token.generation, session.generation
    if token.used_at is not None or (generation is not None and generation <= last):
        at_once = session.refreshed_at is not None and now < session.refreshed_at + REPEAT_WITHIN
        return Refresh.REPEAT if generation == last and at_once else Refresh.END_FAMILY
    return Refresh.REFUSE if token.expires_at <= now else Refresh.ROTATE


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """How signing keys follow each other.

    A new key is published `overlap` before it signs, so that every verifier has it by then; it signs for
    `rotation`; once the next one signs it stays published for `linger`, until its last token has expired.
    """

    rotation: timedelta
    overlap: timedelta
    linger: timedelta


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as it is stored, the private half sealed."""

    kid: str
    sealed: bytes
    signs_from: datetime


K = TypeVar("K", bound=SigningKey)


def signer(keys: Sequence[K], now: datetime) -> K | None:
    """The key that signs now: the newest whose time has come. None when there is none."""
    current = [key for key in keys if key.signs_from <= now]
    return max(current, key=lambda key: key.signs_from, default=None)


def next_key_signs_from(keys: Sequence[SigningKey], now: datetime, times: KeyTimes) -> datetime | None:
    """When a key that has to be made now would start to sign; None while none is needed."""
    newest = max((key.signs_from for key in keys), default=None)
    if newest is None:
        return now
    return now + times.overlap if newest + times.rotation <= now + times.overlap else None


def outlived(keys: Sequence[K], now: datetime, times: KeyTimes) -> list[K]:
    """Keys whose last token has expired."""
    ordered = sorted(keys, key=lambda key: key.signs_from)
    return [key for key, successor in pairwise(ordered) if successor.signs_from + times.linger <= now]
