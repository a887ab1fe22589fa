"""The business's members, for its owners: their roles, the end of their access, and invitations."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.pressing import press
from web.dashboard.reading import everything, profile
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/members", include_in_schema=False)

MemberId = Annotated[UUID, Path()]
InvitationId = Annotated[UUID, Path()]
ROLES = ("staff", "owner")
_HERE = "/dashboard/members"
_REFUSED = frozenset({403, 404, 409, 422})
_FIELDS = {"/name": "name", "/email": "email", "/role": "role"}
_LOOKED_THROUGH = 50
"""How many pages of invitations are read at most; the newest are on the last, as the API lists the oldest first."""


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    return await _page(request, site, Form())


async def _page(request: Request, site: Web, form: Form) -> Response:
    business = await profile(request, site)
    members = await everything(request, site, "/v1/members")
    invitations = await everything(request, site, "/v1/invitations", pages=_LOOKED_THROUGH)
    now = dt.datetime.now(dt.UTC)
    return site.pages.render(
        request,
        "dashboard/members.html",
        status=form.status,
        members=sorted(members, key=lambda item: (item["role"], item["name"].casefold())),
        owners=sum(item["role"] == "owner" for item in members),
        invitations=[(item, standing(item, now)) for item in _last_of_each(invitations)],
        zone=business["timezone"],
        form=form,
        roles=ROLES,
        key=form.key(),
    )


def _last_of_each(invitations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last invitation to each address, which has replaced those before it; pending ones come first."""
    last = {item["email"].casefold(): item for item in invitations}
    newest = sorted(last.values(), key=lambda item: times.instant(item["created_at"]), reverse=True)
    return sorted(newest, key=lambda item: item["status"] != "pending")


def standing(invitation: Mapping[str, Any], now: dt.datetime) -> str:
    """accepted or withdrawn; for a pending one refused (its mail was given up), unsent, expired or mailed."""
    if invitation["status"] != "pending":
        return str(invitation["status"])
    if invitation["refused"] is not None:
        return "refused"
    if invitation["sent_at"] is None:
        return "unsent"
    return "expired" if times.instant(invitation["expires_at"]) <= now else "mailed"


@router.post("/invitations")
async def invite(request: Request, site: Site) -> Response:
    """Invites somebody, or again, where the address was invited before."""
    form = await read_form(request)
    form.require("name", "email")
    body = {name: form.get(name) for name in ("name", "email", "role") if form.get(name)}

    def absorb(problem: ApiProblem) -> None:
        if problem.status == 409 and "/email" in problem.errors:
            form.faults["email"] = "Somebody with this address works here already."
        form.absorb(problem, _FIELDS)

    path, key, refused = "/v1/invitations", form.key(), {*_REFUSED, 429}
    if not await sent(
        request, site, form, "POST", path, body=body, idempotency_key=key, absorb=absorb, refused=refused
    ):
        return await _page(request, site, form)
    return site.pages.redirect(request, _HERE, f"{form.get('name')} is asked in by e-mail.")


@router.post("/invitations/{invitation_id}/withdraw")
async def withdraw(request: Request, site: Site, invitation_id: InvitationId) -> Response:
    await read_form(request)
    path, done = f"/v1/invitations/{invitation_id}", "Withdrawn. The link in the mail leads nowhere now."
    return await press(request, site, "DELETE", path, back=_HERE, done=done, refused=_REFUSED)


@router.post("/{member_id}/role/{role}")
async def change(
    request: Request, site: Site, member_id: MemberId, role: Literal["owner", "staff"]
) -> Response:
    await read_form(request)
    path, body = f"/v1/members/{member_id}", {"role": role}
    done = "Changed. It holds when they have signed in again."
    return await press(request, site, "PATCH", path, back=_HERE, done=done, refused=_REFUSED, body=body)


@router.post("/{member_id}/remove")
async def remove(request: Request, site: Site, member_id: MemberId) -> Response:
    await read_form(request)
    path, done = f"/v1/members/{member_id}", "Removed. They are signed out and cannot sign in here again."
    return await press(request, site, "DELETE", path, back=_HERE, done=done, refused=_REFUSED)
