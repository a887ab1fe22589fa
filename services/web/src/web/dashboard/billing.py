"""The business's own subscription: its plan, what it uses of it, its invoices, and the ways to pay.

Paying and changing the card happen on Stripe's pages. The form that asks for one ends on a page that leads there by
a link, since the Content-Security-Policy keeps forms, and where they redirect to, on this site.
"""

from typing import Literal
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from servicekit.ids import new_id
from web.dashboard.reading import profile
from web.forms import read_form
from web.gateway_client import ApiProblem
from web.service import Site

router = Router(prefix="/dashboard/billing", include_in_schema=False)

_PATHS = {"checkout": "/v1/billing/checkout-sessions", "portal": "/v1/billing/portal-sessions"}


@router.get("")
async def billing(request: Request, site: Site) -> Response:
    business = await profile(request, site)
    subscription = (await site.sessions.call(request, "GET", "/v1/billing/subscription")).data
    usage = (await site.sessions.call(request, "GET", "/v1/usage")).data
    invoices = (await site.sessions.call(request, "GET", "/v1/billing/invoices")).data
    return site.pages.render(
        request,
        "dashboard/billing.html",
        zone=business["timezone"],
        subscription=subscription,
        usage=[item for item in usage["metrics"] if item["used"] is not None],
        invoices=invoices["items"],
        key=str(new_id()),
    )


@router.post("/{page}")
async def leave(request: Request, site: Site, page: Literal["checkout", "portal"]) -> Response:
    form = await read_form(request)
    key = form.key()
    body = {"return_path": "/dashboard/billing"}
    try:
        answer = await site.sessions.call(request, "POST", _PATHS[page], body=body, idempotency_key=key)
    except ApiProblem as problem:
        if problem.status not in {403, 409, 422}:
            raise
        return site.pages.redirect(request, "/dashboard/billing", problem.detail, failed=True)
    url = str(answer.data["url"])
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("a payment page must be a web address")
    return site.pages.render(request, "dashboard/leave.html", url=url, host=urlsplit(url).hostname)
