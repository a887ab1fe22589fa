"""Getting no more messages, by the link in a mail: see what it would do, do it, take it back.

Opening the page changes nothing, as whoever scans mails opens every link in them. A mail client's one click is a
POST to the same address, which the gateway hands to notification.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from web.forms import read_form
from web.service import Site

router = APIRouter(prefix="/unsubscribe/{token}", include_in_schema=False)

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]

_SCOPES = frozenset({"reminders", "all"})


@router.get("")
async def show(request: Request, token: Token, site: Site) -> Response:
    found = (await site.gateway.call("GET", f"/v1/unsubscriptions/{token}")).data
    return site.pages.render(request, "unsubscribe.html", subscription=found, token=token)


@router.post("/choice")
async def choose(request: Request, token: Token, site: Site) -> Response:
    """What of it is wanted no more; nothing named takes back what was said before."""
    form = await read_form(request)
    scope = form.get("unsubscribed")
    path = f"/v1/unsubscriptions/{token}"
    if scope in _SCOPES:
        await site.gateway.call("PUT", path, body={"unsubscribed": scope})
    else:
        await site.gateway.call("DELETE", path)
    return site.pages.redirect(request, f"/unsubscribe/{token}")
