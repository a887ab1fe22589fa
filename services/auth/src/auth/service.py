"""The service layer, in five parts; the routes find it at `app.state.service`.

Each part's methods open the transactions: auth.sessions, auth.invitations, auth.members,
auth.links, auth.signups.
"""

from dataclasses import dataclass

from auth.invitations import Invitations
from auth.keyring import Keyring
from auth.links import PasswordLinks
from auth.members import Members
from auth.sessions import Sessions
from auth.signups import Signups


@dataclass(frozen=True, slots=True)
class AuthService:
    """What the routes can ask for. `issuer` is the `iss` of tokens; `behind_gateway`: see servicekit.settings."""

    sessions: Sessions
    invitations: Invitations
    members: Members
    links: PasswordLinks
    signups: Signups
    keyring: Keyring
    issuer: str
    public_url: str
    behind_gateway: bool
