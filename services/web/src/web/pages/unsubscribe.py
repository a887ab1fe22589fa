"""Unsubscribing by the link in a mail: what it would do, doing it, and taking it back.

Opening the page changes nothing, as mail scanners open every link. A mail client's one-click unsubscription
(RFC 8058) is a POST to the same address, which the gateway sends to notification.
"""

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.forms import read_form
from web.links import Token
from web.service import Site

router = Router(prefix="/unsubscribe/{token}", include_in_schema=False)

_SCOPES = frozenset({"reminders", "all"})


@router.get("")
async def show(request: Request, token: Token, site: Site) -> Response:
    found = (await site.gateway.call("GET", f"/v1/unsubscriptions/{token}")).data
    return site.pages.render(request, "unsubscribe.html", subscription=found, token=token)


@router.post("/choice")
async def choose(request: Request, token: Token, site: Site) -> Response:
    """Unsubscribes from reminders or from all messages; without a scope, takes that back."""
    form = await read_form(request)
    scope = form.get("unsubscribed")
    path = f"/v1/unsubscriptions/{token}"
    if scope in _SCOPES:
        await site.gateway.call("PUT", path, body={"unsubscribed": scope})
    else:
        await site.gateway.call("DELETE", path)
    return site.pages.redirect(request, f"/unsubscribe/{token}")
