"""Who works at the business, in which role: only the owner sees and changes it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from auth.domain import Member, Role
from auth.routes.deps import Auth
from servicekit.http.models import Answer, Body
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.tokens import Owner

router = APIRouter(tags=["members"])


class MemberChange(Body):
    role: Literal["owner", "staff"]


class MemberAnswer(Answer):
    id: UUID = Field(description="The user's: the `actor` of audit trails.")
    email: str
    name: str
    role: str = Field(description="owner or staff.")
    joined_at: datetime
    signed_in_at: datetime | None = Field(description="When they last signed in here.")


def _answer(member: Member) -> MemberAnswer:
    return MemberAnswer(
        id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role.value,
        joined_at=member.joined_at,
        signed_in_at=member.signed_in_at,
    )


@router.get("/v1/members")
async def list_members(who: Owner, paging: Paging, auth: Auth) -> Page[MemberAnswer]:
    """Who has accepted; those who have not are invitations."""
    found = await auth.members.page(who, paging.after_id(), paging.limit + 1)
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = encode_cursor(str(found[-1].user_id)) if more else None
    return Page(items=[_answer(item) for item in found], next_cursor=paging.link(cursor))


@router.patch("/v1/members/{member_id}")
async def change_member(member_id: UUID, body: MemberChange, who: Owner, auth: Auth) -> MemberAnswer:
    """Ends the member's sessions here, if the role is another one. The last owner stays one.

    Takes no If-Match: a role is set whole, and nothing of another's edit is lost with it.
    """
    return _answer(await auth.members.set_role(who, member_id, Role(body.role)))


@router.delete("/v1/members/{member_id}", status_code=204)
async def remove_member(member_id: UUID, who: Owner, auth: Auth) -> None:
    """Ends the member's access and sessions here, but for the last owner's; an access token that is out runs out.

    Staff that can be booked are another list, `/v1/staff`.
    """
    await auth.members.remove(who, member_id)
