"""The business's day and its list of appointments, with what can be done to each."""

import datetime as dt
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import contact, times
from web.dashboard.pressing import press
from web.dashboard.reading import OPEN, everything, names, next_page
from web.forms import Form, read_form
from web.service import Site, Web

router = Router(prefix="/dashboard", include_in_schema=False)

STATUSES = ("pending", "confirmed", "completed", "no-show", "cancelled")
_DONE = {
    "confirm": "The appointment is confirmed.",
    "complete": "Marked as completed.",
    "no-show": "Noted: the customer did not come.",
    "cancel": "The appointment is cancelled, and {told}.",
}
_YEARS = range(2001, 2099)
"""One year less at either end than the API takes, so that it takes the days around any date, in every zone."""
_BACK = re.compile(r"^/dashboard(/appointments)?(\?[A-Za-z0-9_=&%:.+-]*)?$")


def _day_or(date: str | None, default: dt.date) -> dt.date:
    """As times.day_or; also the default for a year that the API does not take, as a mistyped one may be."""
    day = times.day_or(date, default)
    return day if day.year in _YEARS else default


@router.get("")
async def day(request: Request, site: Site, date: str | None = None) -> Response:
    known = await names(request, site)
    zone = known.business["timezone"]
    today = times.today(zone)
    shown = _day_or(date, today)
    begin, end = times.day_bounds(shown, zone)
    query = {"from": begin.isoformat(), "to": end.isoformat()}
    items = await everything(request, site, "/v1/appointments", query)
    return site.pages.render(
        request,
        "dashboard/day.html",
        known=known,
        zone=zone,
        today=today,
        day=shown,
        previous=shown - dt.timedelta(days=1),
        next=shown + dt.timedelta(days=1),
        items=items,
        now=dt.datetime.now(dt.UTC),
        open=sum(item["status"] in OPEN for item in items),
    )


@router.get("/appointments")
async def listing(
    request: Request,
    site: Site,
    status: str = "",
    date: str = "",
    staff: str = "",
    cursor: str = "",
) -> Response:
    return await appointments_page(request, site, status, date, staff, cursor)


async def appointments_page(
    request: Request,
    site: Web,
    wanted: str = "",
    date: str = "",
    staff: str = "",
    cursor: str = "",
    *,
    export: Form | None = None,
    status: int = 200,
) -> Response:
    """The list, with the form for its export; `export` is that form with faults (web.dashboard.exports)."""
    known = await names(request, site)
    zone = known.business["timezone"]
    start = _day_or(date, times.today(zone))
    query = {"from": times.day_bounds(start, zone)[0].isoformat(), "limit": "50"}
    chosen = {"date": start.isoformat()}
    if wanted in STATUSES:
        query["status"] = chosen["status"] = wanted
    if staff in known.staff:
        query["staff"] = chosen["staff"] = staff
    if cursor:
        query["cursor"] = cursor
    here = chosen | ({"cursor": cursor} if cursor else {})
    answer = (await site.sessions.call(request, "GET", "/v1/appointments", query=query)).data
    return site.pages.render(
        request,
        "dashboard/appointments.html",
        status=status,
        known=known,
        zone=zone,
        items=answer["items"],
        now=dt.datetime.now(dt.UTC),
        start=start,
        here=f"/dashboard/appointments?{urlencode(here)}",
        wanted=wanted,
        staff=staff,
        statuses=STATUSES,
        more=next_page("/dashboard/appointments", chosen, answer),
        export=export or Form(_this_month(zone)),
    )


def _this_month(zone: str) -> dict[str, str]:
    first = times.today(zone).replace(day=1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return {"first": first.isoformat(), "last": last.isoformat()}


@router.post("/appointments/{appointment_id}/{action}")
async def act(
    request: Request,
    site: Site,
    appointment_id: Annotated[UUID, Path()],
    action: Literal["confirm", "complete", "no-show", "cancel"],
) -> Response:
    form = await read_form(request)
    back = form.get("back") if _BACK.fullmatch(form.get("back")) else "/dashboard"
    path, refused = f"/v1/appointments/{appointment_id}/{action}", {403, 404, 409, 412, 422}

    def done(appointment: Any) -> str:
        return _DONE[action].format(told=contact.told(appointment["customer"]))

    return await press(request, site, "POST", path, back=back, done=done, refused=refused)
