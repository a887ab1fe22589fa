"""Signing in, refreshing, signing out, and who one is."""

from typing import Self
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field, model_validator

from auth.domain import Membership
from auth.routes.deps import Anyone, Auth, ClientAddress, GivenPassword
from auth.sessions import SignedIn
from contracts.model import Slug
from servicekit.errors import Invalid
from servicekit.http.models import Answer, Body, EmailAddress
from servicekit.http.routes import Router
from servicekit.http.tokens import TokenVerifier, bearer_token

router = Router(tags=["sign-in"])


class NewSession(Body):
    """With `email` and `password`, signs in. With `business` alone and an access token, opens a session at another
    business.

    The new session ends with the one whose token was used. It cannot prolong that one: a business at which the
    session is already is refused with 409.
    """

    email: EmailAddress | None = None
    password: GivenPassword | None = None
    business: Slug | None = Field(
        default=None, description="The business's slug. Without it, the business last signed in to."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.email is not None and self.password is None:
            raise Invalid.field("/password", "goes with email")
        if self.password is not None and self.email is None:
            raise Invalid.field("/email", "goes with password")
        if self.email is None and self.business is None:
            raise Invalid.field("/email", "is needed with password, or else the business to switch to")
        return self


class RefreshBody(Body):
    refresh_token: str = Field(min_length=1, max_length=200)


class BusinessAnswer(Answer):
    id: UUID
    slug: str
    display_name: str
    role: str
    suspended: bool


class SessionAnswer(Answer):
    session_id: UUID
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme's name
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(
        description="Valid once. Used again within 30 seconds, as after a lost answer, it gives another token."
    )
    businesses: list[BusinessAnswer] = Field(
        description="All businesses of the user, with the session's own first."
    )


class MeAnswer(Answer):
    id: UUID
    email: str
    name: str
    role: str
    session_id: UUID
    business: BusinessAnswer
    businesses: list[BusinessAnswer]


def _business(membership: Membership) -> BusinessAnswer:
    return BusinessAnswer(
        id=membership.tenant_id,
        slug=membership.slug,
        display_name=membership.display_name,
        role=membership.role.value,
        suspended=membership.suspended,
    )


def _answer(signed_in: SignedIn, response: Response) -> SessionAnswer:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 §5.1
    return SessionAnswer(
        session_id=signed_in.session_id,
        access_token=signed_in.access_token,
        expires_in=signed_in.expires_in,
        refresh_token=signed_in.refresh_token,
        businesses=[_business(item) for item in signed_in.businesses],
    )


@router.post("/v1/sessions", status_code=201, summary="Sign in, or open a session at another business")
async def sign_in(
    body: NewSession, request: Request, address: ClientAddress, auth: Auth, response: Response
) -> SessionAnswer:
    """Takes no Idempotency-Key: its answer, and so the tokens, would have to be stored."""
    if body.email is not None and body.password is not None:
        password = body.password.get_secret_value()
        signed_in = await auth.sessions.sign_in(body.email, password, body.business, address)
    else:
        verifier: TokenVerifier = request.app.state.verifier
        principal = verifier.verify(bearer_token(request))
        signed_in = await auth.sessions.switch(principal, str(body.business))
    return _answer(signed_in, response)


@router.post("/v1/sessions/refresh", summary="Refresh a session")
async def refresh(body: RefreshBody, auth: Auth, response: Response) -> SessionAnswer:
    return _answer(await auth.sessions.refresh(body.refresh_token), response)


@router.delete("/v1/sessions/{session_id}", status_code=204, summary="Sign out")
async def sign_out(session_id: UUID, who: Anyone, auth: Auth) -> None:
    """Ends the session, the one that opened it, and those that were opened from it at other businesses."""
    await auth.sessions.sign_out(who, session_id)


@router.get("/v1/me", summary="Read the signed-in user")
async def read_me(who: Anyone, auth: Auth) -> MeAnswer:
    me = await auth.sessions.me(who)
    businesses = [_business(item) for item in me.businesses]
    return MeAnswer(
        id=me.user.user_id,
        email=me.user.email,
        name=me.user.name,
        role=businesses[0].role,
        session_id=me.session_id,
        business=businesses[0],
        businesses=businesses,
    )
