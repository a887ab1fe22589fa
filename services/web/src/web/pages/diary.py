"""One appointment as the business sees it: moving it, and the notes on it.

Both come with the entity tag of what the page showed, so that nobody's change is lost.
"""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from web import times
from web.forms import CHANGED, Form, read_form
from web.gateway_client import ApiProblem
from web.picker import why_not
from web.reading import names
from web.service import Site, Web

router = APIRouter(prefix="/dashboard/appointments/{appointment_id}", include_in_schema=False)

AppointmentId = Annotated[UUID, Path()]
_OPEN = frozenset({"pending", "confirmed"})


async def _page(
    request: Request,
    site: Web,
    appointment_id: UUID,
    *,
    move: Form | None = None,
    noted: Form | None = None,
    status: int = 200,
) -> Response:
    known = await names(request, site)
    answer = await site.sessions.call(request, "GET", f"/v1/appointments/{appointment_id}")
    item, zone = answer.data, known.business["timezone"]
    starts = times.local(item["starts_at"], zone)
    version = (answer.etag or "").strip('"').removeprefix("v")
    as_it_is = {"version": version, "starts_at": starts.strftime("%Y-%m-%dT%H:%M")}
    return site.pages.render(
        request,
        "dashboard/appointment.html",
        status=status,
        known=known,
        item=item,
        zone=zone,
        starts=starts,
        ends=times.local(item["ends_at"], zone),
        movable=item["status"] in _OPEN and item["service_id"] in known.services,
        move=move or Form(as_it_is),
        noted=noted or Form({"version": version, "notes": item["notes"]}),
    )


@router.get("")
async def show(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    return await _page(request, site, appointment_id)


async def _edit(
    request: Request, site: Web, appointment_id: UUID, form: Form, body: dict[str, Any], part: str, done: str
) -> Response:
    """Sends the change on; `part` names the form that is shown again where the API refuses it."""
    path, page = f"/v1/appointments/{appointment_id}", f"/dashboard/appointments/{appointment_id}"
    try:
        await site.sessions.call(request, "PATCH", path, body=body, if_match=form.if_match())
    except ApiProblem as problem:
        if problem.status == 412:
            return site.pages.redirect(request, page, CHANGED, failed=True)
        if problem.status not in {403, 409, 422}:
            raise
        if "/starts_at" in problem.errors:
            form.faults["starts_at"] = why_not(problem)
        if "/staff_id" in problem.errors:
            form.faults["staff"] = f"This person {problem.errors['/staff_id']}."
        form.absorb(problem, {"/starts_at": "starts_at", "/staff_id": "staff", "/notes": "notes"})
        forms: dict[str, Any] = {part: form}
        return await _page(request, site, appointment_id, status=problem.status, **forms)
    return site.pages.redirect(request, page, done)


@router.post("/move")
async def move(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    form = await read_form(request)
    zone = (await site.sessions.call(request, "GET", "/v1/business")).data["timezone"]
    try:
        wall = dt.datetime.fromisoformat(form.get("starts_at")).replace(tzinfo=ZoneInfo(zone))
        starts_at = times.instant(wall.isoformat())
    except ValueError:
        form.faults["starts_at"] = "This must be a date and a time."
        return await _page(request, site, appointment_id, move=form, status=422)
    body = {"starts_at": starts_at.isoformat()} | (
        {"staff_id": form.get("staff")} if form.get("staff") else {}
    )
    done = "The appointment is moved and the customer is told."
    return await _edit(request, site, appointment_id, form, body, "move", done)


@router.post("/notes")
async def note(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    form = await read_form(request)
    body = {"notes": form.get("notes")}
    return await _edit(request, site, appointment_id, form, body, "noted", "The notes are saved.")
