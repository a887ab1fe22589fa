"""What was sent to the business's customers, or was not and why: a list, and a page for each message.

Somebody asks whether a customer was reminded; this is where that is seen.
"""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.message_words import BLOCKED_BY, CHANNELS, KINDS, STATUSES, why
from web.dashboard.reading import if_there, names, next_page, profile
from web.service import Site, Web

router = Router(prefix="/dashboard/messages", include_in_schema=False)

_HERE = "/dashboard/messages"


@router.get("")
async def listing(
    request: Request,
    site: Site,
    status: str = "",
    channel: str = "",
    appointment: str = "",
    cursor: str = "",
) -> Response:
    business = await profile(request, site)
    chosen: dict[str, str] = {}
    query = {"limit": "50"}
    if status in STATUSES:
        query["status"] = chosen["status"] = status
    if channel in CHANNELS:
        query["channel"] = chosen["channel"] = channel
    if about := _id(appointment):
        query["appointment_id"] = chosen["appointment"] = about
    if cursor:
        query["cursor"] = cursor
    answer = (await site.sessions.call(request, "GET", "/v1/messages", query=query)).data
    return site.pages.render(
        request,
        "dashboard/messages.html",
        zone=business["timezone"],
        items=[item | {"why": why(item)} for item in answer["items"]],
        chosen=chosen,
        kinds=KINDS,
        channels=CHANNELS,
        statuses=STATUSES,
        more=next_page(_HERE, chosen, answer),
    )


def _id(text: str) -> str:
    """The id in its canonical form; empty for what is no id."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


@router.get("/{message_id}")
async def show(request: Request, site: Site, message_id: Annotated[UUID, Path()]) -> Response:
    message = (await site.sessions.call(request, "GET", f"/v1/messages/{message_id}")).data
    known, appointment, customer = await asyncio.gather(
        names(request, site),
        _known(request, site, "appointments", message["appointment_id"]),
        _known(request, site, "customers", message["customer_id"]),
    )
    return site.pages.render(
        request,
        "dashboard/message.html",
        known=known,
        zone=known.business["timezone"],
        message=message,
        kind=KINDS.get(message["kind"], "Message"),
        way=CHANNELS[message["channel"]],
        statuses=STATUSES,
        why=why(message),
        blocked=message["reason"] in BLOCKED_BY,
        appointment=appointment,
        customer=customer,
    )


async def _known(request: Request, site: Web, kind: str, item_id: str | None) -> dict[str, Any] | None:
    """What the message is about, where it exists: an offer to the waitlist may not have become an appointment."""
    return await if_there(request, site, f"/v1/{kind}/{item_id}") if item_id else None
