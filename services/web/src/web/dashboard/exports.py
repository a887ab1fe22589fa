"""Appointments and customers as files for a spreadsheet, for the business's owners.

Links and a form of the lists lead here. The file is passed on while the API makes it; what is refused is a page.
"""

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.agenda import appointments_page
from web.dashboard.downloads import StreamedDownload
from web.dashboard.reading import profile
from web.forms import Form
from web.gateway_client import ApiProblem, GatewayDown
from web.service import Site, Web

router = Router(prefix="/dashboard", include_in_schema=False)

_BUSY = "The file cannot be made right now; another one may still be on its way. Try again in half a minute."


@router.get("/customers/export.csv")
async def customers(request: Request, site: Site) -> Response:
    return await _file(request, site, "/v1/customers/export.csv", {}, "/dashboard/customers")


@router.get("/appointments/export.csv")
async def appointments(request: Request, site: Site, first: str = "", last: str = "") -> Response:
    form = Form({"first": first, "last": last})
    begin, end = times.day_or(first, None), times.day_or(last, None)
    if begin and end and end < begin:
        form.faults["last"] = "This must not lie before the first day."
    form.faults |= {
        name: "This must be a date." for name, day in (("first", begin), ("last", end)) if not day
    }
    if not begin or not end or form.faults:
        return await appointments_page(request, site, export=form, status=422)
    zone = (await profile(request, site))["timezone"]
    query = {
        "from": times.day_bounds(begin, zone)[0].isoformat(),
        "to": times.day_bounds(end, zone)[1].isoformat(),
    }
    try:
        return await _file(
            request, site, "/v1/appointments/export.csv", query, "/dashboard/appointments#main"
        )
    except ApiProblem as problem:
        if problem.status != 422:
            raise
        form.absorb(problem, {"?from": "first", "?to": "last"})
        return await appointments_page(request, site, export=form, status=422)


async def _file(request: Request, site: Web, path: str, query: dict[str, str], page: str) -> Response:
    """The API's file; where the API cannot make it now, back to the page with a notice."""
    try:
        download = await site.sessions.download(request, path, query=query)
    except GatewayDown:
        return site.pages.redirect(request, page, _BUSY, failed=True)
    return site.pages.finish(request, StreamedDownload(download))
