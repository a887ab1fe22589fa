"""Who may sign in for the business, as what, and the end of their access; for its owners."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from web.forms import read_form
from web.gateway_client import ApiProblem
from web.reading import everything
from web.service import Site

router = APIRouter(prefix="/dashboard/members", include_in_schema=False)

MemberId = Annotated[UUID, Path()]
_HERE = "/dashboard/members"
_REFUSED = frozenset({403, 404, 409, 422})


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    business = (await site.sessions.call(request, "GET", "/v1/business")).data
    members = await everything(request, site, "/v1/members")
    return site.pages.render(
        request,
        "dashboard/members.html",
        members=sorted(members, key=lambda item: (item["role"], item["name"].casefold())),
        owners=sum(item["role"] == "owner" for item in members),
        zone=business["timezone"],
    )


@router.post("/{member_id}/role/{role}")
async def change(
    request: Request, site: Site, member_id: MemberId, role: Literal["owner", "staff"]
) -> Response:
    await read_form(request)
    try:
        await site.sessions.call(request, "PATCH", f"/v1/members/{member_id}", body={"role": role})
    except ApiProblem as problem:
        if problem.status not in _REFUSED:
            raise
        return site.pages.redirect(request, _HERE, problem.detail, failed=True)
    return site.pages.redirect(request, _HERE, "Changed. It holds when they have signed in again.")


@router.post("/{member_id}/remove")
async def remove(request: Request, site: Site, member_id: MemberId) -> Response:
    await read_form(request)
    try:
        await site.sessions.call(request, "DELETE", f"/v1/members/{member_id}")
    except ApiProblem as problem:
        if problem.status not in _REFUSED:
            raise
        return site.pages.redirect(request, _HERE, problem.detail, failed=True)
    return site.pages.redirect(request, _HERE, "Removed. They are signed out and cannot sign in here again.")
