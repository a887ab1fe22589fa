"""Who works at the business, in which role: only the owner sees and changes it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from auth.domain import Member, Role
from auth.routes.deps import Auth
from servicekit.http.models import Answer, Body
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner

router = Router(tags=["members"])


class MemberChange(Body):
    role: Literal["owner", "staff"]


class MemberAnswer(Answer):
    id: UUID = Field(description="The user's id, which is the `actor` in audit trails.")
    email: str
    name: str
    role: str = Field(description="owner or staff.")
    joined_at: datetime
    signed_in_at: datetime | None = Field(description="When they last signed in to this business.")


def _answer(member: Member) -> MemberAnswer:
    return MemberAnswer(
        id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role.value,
        joined_at=member.joined_at,
        signed_in_at=member.signed_in_at,
    )


@router.get("/v1/members", summary="List members")
async def list_members(who: Owner, paging: Paging, auth: Auth) -> Page[MemberAnswer]:
    """Those who have accepted their invitation. The others are listed as invitations."""
    found = await auth.members.page(who, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].user_id)) if more else None
    return Page(items=[_answer(item) for item in found], next_cursor=paging.link(cursor))


@router.patch("/v1/members/{member_id}", summary="Change a member's role")
async def change_member(member_id: UUID, body: MemberChange, who: Owner, auth: Auth) -> MemberAnswer:
    """Ends the member's sessions at this business, if the role changes. The last owner must stay an owner.

    Takes no If-Match: the role is all that is set, so that no other edit can be lost.
    """
    return _answer(await auth.members.set_role(who, member_id, Role(body.role)))


@router.delete("/v1/members/{member_id}", status_code=204, summary="Remove a member")
async def remove_member(member_id: UUID, who: Owner, auth: Auth) -> None:
    """Ends the member's access to this business and their sessions; an access token is valid until it expires.

    The last owner cannot be removed. Staff who can be booked are a list of their own, `/v1/staff`.
    """
    await auth.members.remove(who, member_id)
