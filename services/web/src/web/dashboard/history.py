"""Who changed what, for the business's owners: the services' audit trails as pages of plain sentences."""

from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.history_values import Known
from web.dashboard.history_words import told
from web.dashboard.reading import everything, names, next_page
from web.forms import Form
from web.gateway_client import ApiProblem, GatewayDown
from web.service import Site, Web

router = Router(prefix="/dashboard/history", include_in_schema=False)

PARTS = {
    "appointments": ("Appointments and customers", "/v1/audit"),
    "business": ("Business, staff and services", "/v1/business/audit"),
    "messages": ("Messages", "/v1/messages/audit"),
}


@router.get("")
async def show(
    request: Request,
    site: Site,
    part: str = "",
    first: str = "",
    last: str = "",
    entity: UUID | None = None,
    cursor: str = "",
) -> Response:
    known = await _known(request, site)
    part = part if part in PARTS else next(iter(PARTS))
    form = Form({"first": first, "last": last})
    days = {name: day for name, text in form.values.items() if (day := times.day_or(text, None))}
    chosen = {"part": part} | {name: day.isoformat() for name, day in days.items()}
    query = {"limit": "50"}
    if "first" in days:
        query["from"] = times.day_bounds(days["first"], known.zone)[0].isoformat()
    if "last" in days:
        query["to"] = times.day_bounds(days["last"], known.zone)[1].isoformat()
    if entity:
        query["entity"] = chosen["entity"] = str(entity)
    if cursor:
        query["cursor"] = cursor
    try:
        answer = (await site.sessions.call(request, "GET", PARTS[part][1], query=query)).data
    except ApiProblem as problem:
        if problem.status != 422:
            raise
        form.absorb(problem, {"?from": "first", "?to": "last"})
        answer = {"items": []}
    return site.pages.render(
        request,
        "dashboard/history.html",
        status=422 if form.faults else 200,
        form=form,
        parts={name: words for name, (words, _path) in PARTS.items()},
        part=part,
        entity=entity,
        entries=[told(entry, known) for entry in answer["items"]],
        zone=known.zone,
        more=next_page(request.url.path, chosen, answer),
    )


async def _known(request: Request, site: Web) -> Known:
    known = await names(request, site)
    things = await everything(request, site, "/v1/resources")
    return Known(
        zone=known.business["timezone"],
        currency=known.business["currency"],
        services=known.services,
        staff=known.staff,
        things={item["id"]: item["name"] for item in things},
        members=await _members(request, site),
    )


async def _members(request: Request, site: Web) -> dict[str, str] | None:
    """Members' names by id; None where auth cannot be reached: the entries can be shown without."""
    try:
        return {item["id"]: item["name"] for item in await everything(request, site, "/v1/members")}
    except (ApiProblem, GatewayDown):
        return None
