"""One appointment as the business sees it: moving it, the notes on it, and the end of the series that it is of.

The first two are sent with the entity tag of what the page showed, so that nobody's change is lost; the last with
the time from which on, as the page said, the series ends.
"""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import contact, times
from web.dashboard.reading import OPEN, everything, names, profile
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.picker import why_not
from web.service import Site, Web

router = Router(prefix="/dashboard/appointments/{appointment_id}", include_in_schema=False)

AppointmentId = Annotated[UUID, Path()]
_BEGUN = "The first of them has begun by now. This is what is left; please decide again."


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
    series = await _series(request, site, item)
    as_it_is = {"version": answer.version, "starts_at": times.to_input(starts)}
    return site.pages.render(
        request,
        "dashboard/appointment.html",
        status=status,
        known=known,
        item=item,
        zone=zone,
        starts=starts,
        ends=times.local(item["ends_at"], zone),
        movable=item["status"] in OPEN and item["service_id"] in known.services,
        move=move or Form(as_it_is),
        series=series,
        rest=[each for each in series if _to_come(each, item)],
        noted=noted or Form({"version": answer.version, "notes": item["notes"]}),
    )


async def _series(request: Request, site: Web, item: dict[str, Any]) -> list[dict[str, Any]]:
    """All appointments of the series that this one is of, by start; none where it is of none."""
    if item["series_id"] is None:
        return []
    return await everything(request, site, "/v1/appointments", {"series": item["series_id"]})


def _to_come(each: dict[str, Any], item: dict[str, Any]) -> bool:
    """Whether it is open, has not begun, and is not before `item`."""
    starts = times.instant(each["starts_at"])
    earliest = max(times.instant(item["starts_at"]), dt.datetime.now(dt.UTC))
    return each["status"] in OPEN and starts >= earliest


@router.get("")
async def show(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    return await _page(request, site, appointment_id)


async def _edit(
    request: Request, site: Web, appointment_id: UUID, form: Form, body: dict[str, Any], part: str, done: str
) -> Response:
    """Sends the change on; `part` names the form that is shown again where the API refuses it.

    `{told}` in `done` is whether the customer hears of it.
    """
    path, page = f"/v1/appointments/{appointment_id}", f"/dashboard/appointments/{appointment_id}"

    def absorb(problem: ApiProblem) -> None:
        if "/starts_at" in problem.errors:
            form.faults["starts_at"] = why_not(problem)
        if "/staff_id" in problem.errors:
            form.faults["staff"] = f"This person {problem.errors['/staff_id']}."
        form.absorb(problem, {"/starts_at": "starts_at", "/staff_id": "staff", "/notes": "notes"})

    answer = await sent(request, site, form, "PATCH", path, body=body, changing=page, absorb=absorb)
    if answer is None:
        forms: dict[str, Any] = {part: form}
        return await _page(request, site, appointment_id, status=form.status, **forms)
    return site.pages.redirect(request, page, done.format(told=contact.told(answer.data["customer"])))


@router.post("/move")
async def move(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    form = await read_form(request)
    zone = (await profile(request, site))["timezone"]
    try:
        starts_at = times.from_input(form.get("starts_at"), zone)
    except ValueError:
        form.faults["starts_at"] = "This must be a date and a time."
        return await _page(request, site, appointment_id, move=form, status=422)
    body = {"starts_at": starts_at.isoformat()} | (
        {"staff_id": form.get("staff")} if form.get("staff") else {}
    )
    done = "The appointment is moved, and {told}."
    return await _edit(request, site, appointment_id, form, body, "move", done)


@router.post("/notes")
async def note(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    form = await read_form(request)
    body = {"notes": form.get("notes")}
    return await _edit(request, site, appointment_id, form, body, "noted", "The notes are saved.")


@router.post("/series/cancel")
async def end_series(request: Request, site: Site, appointment_id: AppointmentId) -> Response:
    form = await read_form(request)
    page = f"/dashboard/appointments/{appointment_id}"
    item = (await site.sessions.call(request, "GET", f"/v1/appointments/{appointment_id}")).data
    if item["series_id"] is None:
        return site.pages.redirect(request, page)
    path, body = f"/v1/series/{item['series_id']}/cancel", {"from": form.get("from")}
    try:
        answer = await site.sessions.call(request, "POST", path, body=body)
    except ApiProblem as problem:
        if problem.status != 422:
            raise
        return site.pages.redirect(request, page, _BEGUN, failed=True)
    count = len(answer.data["cancelled"])
    done = f"Cancelled {count} appointment{'' if count == 1 else 's'}; {contact.told(item['customer'])}."
    return site.pages.redirect(request, page, done if count else "They are cancelled already.")
