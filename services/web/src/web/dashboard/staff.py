"""Staff members: their names and addresses, their weekly hours, and the dates with hours of their own."""

import datetime as dt
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard import hours as weekly
from web.dashboard.pressing import press
from web.dashboard.reading import everything
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/staff", include_in_schema=False)

StaffId = Annotated[UUID, Path()]
_FIELDS = {"/name": "name", "/email": "email", "/timezone": "timezone"}
_DATE_FIELDS = {"/intervals": "opens", "path:day": "date"}


async def _list(request: Request, site: Web, form: Form) -> Response:
    people = await everything(request, site, "/v1/staff")
    return site.pages.render(
        request, "dashboard/staff.html", status=form.status, people=people, form=form, key=form.key()
    )


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    return await _list(request, site, Form())


@router.post("")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("name")
    body: dict[str, Any] = {"name": form.get("name"), "weekly_hours": _office_hours(form)}
    if form.get("email"):
        body["email"] = form.get("email")
    key, absorb = form.key(), partial(form.absorb, fields=_FIELDS)
    answer = await sent(
        request, site, form, "POST", "/v1/staff", body=body, idempotency_key=key, absorb=absorb
    )
    if answer is None:
        return await _list(request, site, form)
    return site.pages.redirect(
        request, f"/dashboard/staff/{answer.data['id']}", "Added. Now check the hours."
    )


def _office_hours(form: Form) -> list[dict[str, Any]]:
    if not form.checked("office_hours"):
        return []
    return [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(5)]


async def _member(request: Request, site: Web, staff_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await site.sessions.call(request, "GET", f"/v1/staff/{staff_id}")).data
    return found


async def _page(
    request: Request,
    site: Web,
    staff_id: UUID,
    *,
    person: Form | None = None,
    hours: Form | None = None,
    exception: Form | None = None,
    status: int = 200,
) -> Response:
    member = await _member(request, site, staff_id)
    details = {name: member[name] or "" for name in ("name", "email", "timezone")}
    details["version"] = str(member["version"])
    return site.pages.render(
        request,
        "dashboard/member.html",
        status=status,
        member=member,
        person=person or Form(details),
        hours=hours or weekly.form_of(member["weekly_hours"], member["version"]),
        exception=exception or Form(),
        spans=range(weekly.SPANS),
    )


@router.get("/{staff_id}")
async def show(request: Request, site: Site, staff_id: StaffId) -> Response:
    return await _page(request, site, staff_id)


@router.post("/{staff_id}")
async def edit(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    form.require("name")
    body = {"name": form.get("name"), "email": form.optional("email"), "timezone": form.get("timezone")}
    path, page = f"/v1/staff/{staff_id}", f"/dashboard/staff/{staff_id}"
    absorb = partial(form.absorb, fields=_FIELDS)
    if not await sent(request, site, form, "PATCH", path, body=body, changing=page, absorb=absorb):
        return await _page(request, site, staff_id, person=form, status=form.status)
    return site.pages.redirect(request, page, "Saved.")


@router.post("/{staff_id}/hours")
async def set_hours(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    body = {"weekly_hours": weekly.typed(form)}
    path, page = f"/v1/staff/{staff_id}/hours", f"/dashboard/staff/{staff_id}"

    def absorb(problem: ApiProblem) -> None:
        form.absorb(problem, weekly.FIELDS)
        weekly.at_their_days(form)

    if not await sent(request, site, form, "PUT", path, body=body, changing=page, absorb=absorb):
        return await _page(request, site, staff_id, hours=form, status=form.status)
    return site.pages.redirect(request, page, "The hours are saved.")


@router.post("/{staff_id}/exceptions")
async def set_exception(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    special = weekly.special_date(form)
    path = f"/v1/staff/{staff_id}/exceptions/{special['date']}"
    body, absorb = {"intervals": special["intervals"]}, partial(form.absorb, fields=_DATE_FIELDS)
    if not await sent(request, site, form, "PUT", path, body=body, absorb=absorb):
        return await _page(request, site, staff_id, exception=form, status=form.status)
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}", "The date is saved.")


@router.post("/{staff_id}/exceptions/{day}/remove")
async def remove_exception(request: Request, site: Site, staff_id: StaffId, day: dt.date) -> Response:
    await read_form(request)
    await site.sessions.call(request, "DELETE", f"/v1/staff/{staff_id}/exceptions/{day.isoformat()}")
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}", "The weekly hours hold again.")


@router.post("/{staff_id}/remove")
async def remove(request: Request, site: Site, staff_id: StaffId) -> Response:
    await read_form(request)
    path, everybody = f"/v1/staff/{staff_id}", "/dashboard/staff"
    page, done = f"{everybody}/{staff_id}", "Removed. Appointments already booked stay."
    return await press(
        request, site, "DELETE", path, back=page, then=everybody, done=done, refused={403, 409}
    )
