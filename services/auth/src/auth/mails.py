"""The mails that auth sends: what they say, in plain text, so that the link shows. Called by auth.workers."""

from dataclasses import dataclass
from datetime import datetime

from auth.domain import Invitation, Role, User
from auth.opaque import OpaqueToken


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail's content."""

    to: str
    subject: str
    text: str


def invitation_letter(
    invitation: Invitation, business: str, token: OpaqueToken, expires_at: datetime, public_url: str
) -> Letter:
    """Invites somebody, as owner or as staff."""
    business = _one_line(business)
    if invitation.role is Role.OWNER:
        subject = f"Your booking page for {business} is ready"
        what = f"{business} is set up on Slotwright, and you are its owner."
    else:
        subject = f"{business} invites you to Slotwright"
        what = f"{business} invites you to work with its appointments on Slotwright."
    text = f"""Hello {_one_line(invitation.name)},

{what}

Choose a password to sign in with {invitation.email}:

{_link(token, public_url)}

The link is good until {_day(expires_at)} and for one use. After that, ask for another one at
{public_url}/forgot-password

If you did not expect this mail, you need do nothing.
"""
    return Letter(invitation.email, subject, text)


def reset_letter(user: User, token: OpaqueToken, expires_at: datetime, public_url: str) -> Letter:
    """For somebody who has forgotten their password."""
    text = f"""Hello {_one_line(user.name)},

somebody, probably you, asked for a new password for {user.email}. Choose it here:

{_link(token, public_url)}

The link is good until {_day(expires_at)} and for one use. Setting a password ends every session you have.

If it was not you, you need do nothing: your password stays as it is.
"""
    return Letter(user.email, "Choose a new password", text)


def _link(token: OpaqueToken, public_url: str) -> str:
    # In the fragment, which browsers send to no server, so that it is in no access log.
    return f"{public_url}/set-password#token={token.text()}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _day(instant: datetime) -> str:
    return f"{instant:%d %B %Y, %H:%M} UTC"
