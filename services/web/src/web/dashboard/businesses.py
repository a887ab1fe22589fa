"""The businesses at which a user works, and switching between them: the session of one opens one of another."""

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.forms import read_form
from web.gateway_client import ApiProblem
from web.service import Site

router = Router(prefix="/dashboard/businesses", include_in_schema=False)

_HERE = "/dashboard/businesses"


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    me = (await site.sessions.call(request, "GET", "/v1/me")).data
    return site.pages.render(request, "dashboard/businesses.html", businesses=me["businesses"])


@router.post("")
async def go(request: Request, site: Site) -> Response:
    form = await read_form(request)
    try:
        name = await site.sessions.switch(request, form.get("business"))
    except ApiProblem as problem:
        if problem.status == 409:  # there already, by another tab
            return site.pages.redirect(request, "/dashboard")
        if problem.status == 403:
            return site.pages.redirect(request, _HERE, "You do not work there any more.", failed=True)
        raise
    return site.pages.redirect(request, "/dashboard", f"You are at {name} now.")
