"""The settings tab: one page with a link to each page of what a business sets once and seldom looks at again."""

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.navigation import SETTINGS
from web.service import Site

router = Router(prefix=SETTINGS, include_in_schema=False)


@router.get("")
async def show(request: Request, site: Site) -> Response:
    site.sessions.require(request)
    return site.pages.render(request, "dashboard/settings.html")
