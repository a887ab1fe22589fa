"""Invitations of people to work at the business; only the owner may send, read and withdraw them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import Field

from auth.domain import Invitation, Role
from auth.routes.deps import Auth
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, EmailAddress, Name
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["invitations"])


class NewInvitation(Body):
    email: EmailAddress
    name: Name
    role: Literal["owner", "staff"] = "staff"


class InvitationAnswer(Answer):
    id: UUID
    email: str
    name: str
    role: str
    status: str = Field(description="pending, accepted or withdrawn.")
    created_at: datetime
    sent_at: datetime | None
    expires_at: datetime | None = Field(description="When the link in the last mail expires.")
    refused: str | None = Field(
        description="Why the mail was not sent: what the mail server answered, or that it could not be reached for"
        " too long."
    )


def _answer(invitation: Invitation) -> InvitationAnswer:
    return InvitationAnswer(
        id=invitation.invitation_id,
        email=invitation.email,
        name=invitation.name,
        role=invitation.role.value,
        status=invitation.state.value,
        created_at=invitation.created_at,
        sent_at=invitation.sent_at,
        expires_at=invitation.expires_at,
        refused=invitation.refused,
    )


@router.post("/v1/invitations", status_code=201, response_model=InvitationAnswer, summary="Invite a member")
async def invite(body: NewInvitation, who: Owner, key: Idempotency, auth: Auth) -> Response:
    """Answers before the mail is sent; `sent_at` tells when the mail server took it."""
    return respond(await auth.invitations.invite(who, key, body.email, body.name, Role(body.role), _answer))


@router.get("/v1/invitations", summary="List invitations")
async def list_invitations(who: Owner, paging: Paging, auth: Auth) -> Page[InvitationAnswer]:
    found = await auth.invitations.page(who, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].invitation_id)) if more else None
    return Page(items=[_answer(item) for item in found], next_cursor=paging.link(cursor))


@router.delete("/v1/invitations/{invitation_id}", status_code=204, summary="Withdraw an invitation")
async def withdraw(invitation_id: UUID, who: Owner, auth: Auth) -> None:
    await auth.invitations.withdraw(who, invitation_id)
