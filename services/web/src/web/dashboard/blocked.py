"""Blocked addresses: who gets no messages any more and why, adding one by hand, and taking one off the list.

For owners. Addresses are shown masked, as the API answers them: it stores none.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.message_words import CHANNELS
from web.dashboard.pressing import press
from web.dashboard.reading import next_page, profile
from web.dashboard.sending import sent
from web.forms import NOT_A_NUMBER, Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/messages/blocked", include_in_schema=False)

_HERE = "/dashboard/messages/blocked"
_API = "/v1/suppressions"
REASONS = {
    "unsubscribed": "they asked for it by a link in a message",
    "bounced": "there is no such mailbox",
    "complaint": "they complained",
    "by-hand": "added by hand",
}
_TYPED = frozenset({"complaint", "by-hand"})
"""The reasons that the business can give; the platform sets the others."""


async def _list(request: Request, site: Web, query: dict[str, str], form: Form | None = None) -> Response:
    form = form or Form()
    business = await profile(request, site)
    answer: dict[str, Any] = (
        await site.sessions.call(request, "GET", _API, query=query | {"limit": "50"})
    ).data
    chosen = {name: value for name, value in query.items() if name != "cursor"}
    return site.pages.render(
        request,
        "dashboard/blocked.html",
        status=form.status,
        items=answer["items"],
        zone=business["timezone"],
        form=form,
        key=form.key(),
        chosen=chosen,
        channels=CHANNELS,
        reasons=REASONS,
        more=next_page(_HERE, chosen, answer),
    )


@router.get("")
async def listing(
    request: Request, site: Site, channel: str = "", reason: str = "", cursor: str = ""
) -> Response:
    query: dict[str, str] = {}
    if channel in CHANNELS:
        query["channel"] = channel
    if reason in REASONS:
        query["reason"] = reason
    if cursor:
        query["cursor"] = cursor
    return await _list(request, site, query)


@router.post("")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("address")
    body = {
        "channel": "sms" if form.get("channel") == "sms" else "email",
        "address": form.get("address"),
        "reason": form.get("reason") if form.get("reason") in _TYPED else "by-hand",
        "scope": "reminders" if form.get("scope") == "reminders" else "all",
    }

    def absorb(problem: ApiProblem) -> None:
        if "/address" in problem.errors and body["channel"] == "sms":
            form.faults["address"] = NOT_A_NUMBER
        form.absorb(problem, {"/address": "address"})

    key = form.key()
    if not await sent(request, site, form, "POST", _API, body=body, idempotency_key=key, absorb=absorb):
        return await _list(request, site, {}, form)
    return site.pages.redirect(request, _HERE, f"Blocked: {body['address']}.")


@router.post("/{item_id}/remove")
async def remove(request: Request, site: Site, item_id: Annotated[UUID, Path()]) -> Response:
    await read_form(request)
    return await press(
        request,
        site,
        "DELETE",
        f"{_API}/{item_id}",
        back=_HERE,
        done="Taken off the list. What else stands there still holds.",
        refused={403, 404, 409},
        said={404: "It was taken off the list before."},
    )
