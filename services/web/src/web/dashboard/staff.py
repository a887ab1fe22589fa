"""Staff members: who they are, their weekly hours, and the dates on which those do not hold."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from servicekit.ids import new_id
from web.dashboard import hours as weekly
from web.dashboard.pressing import press
from web.dashboard.reading import everything
from web.forms import CHANGED, Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = APIRouter(prefix="/dashboard/staff", include_in_schema=False)

StaffId = Annotated[UUID, Path()]
_FIELDS = {"/name": "name", "/email": "email", "/timezone": "timezone"}


async def _list(request: Request, site: Web, form: Form, status: int = 200) -> Response:
    people = await everything(request, site, "/v1/staff")
    return site.pages.render(
        request, "dashboard/staff.html", status=status, people=people, form=form, key=str(new_id())
    )


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    return await _list(request, site, Form())


@router.post("")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("name")
    if form.faults:
        return await _list(request, site, form, 422)
    body: dict[str, Any] = {"name": form.get("name"), "weekly_hours": _office_hours(form)}
    if form.get("email"):
        body["email"] = form.get("email")
    try:
        answer = await site.sessions.call(request, "POST", "/v1/staff", body=body, idempotency_key=form.key())
    except ApiProblem as problem:
        if problem.status not in {403, 409, 422}:
            raise
        form.absorb(problem, _FIELDS)
        return await _list(request, site, form, problem.status)
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
    if form.faults:
        return await _page(request, site, staff_id, person=form, status=422)
    body = {"name": form.get("name"), "email": form.optional("email"), "timezone": form.get("timezone")}
    try:
        await site.sessions.call(
            request, "PATCH", f"/v1/staff/{staff_id}", body=body, if_match=form.if_match()
        )
    except ApiProblem as problem:
        return await _refused(request, site, staff_id, form, problem, "person")
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}", "Saved.")


async def _refused(
    request: Request, site: Web, staff_id: UUID, form: Form, problem: ApiProblem, part: str
) -> Response:
    if problem.status == 412:
        return site.pages.redirect(request, f"/dashboard/staff/{staff_id}", CHANGED, failed=True)
    if problem.status not in {403, 409, 422}:
        raise problem
    form.absorb(problem, _FIELDS | weekly.FIELDS | {"/intervals": "opens", "path:day": "date"})
    weekly.at_their_days(form)
    forms: dict[str, Any] = {part: form}
    return await _page(request, site, staff_id, status=problem.status, **forms)


@router.post("/{staff_id}/hours")
async def set_hours(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    hours = weekly.typed(form)
    if form.faults:
        return await _page(request, site, staff_id, hours=form, status=422)
    try:
        await site.sessions.call(
            request,
            "PUT",
            f"/v1/staff/{staff_id}/hours",
            body={"weekly_hours": hours},
            if_match=form.if_match(),
        )
    except ApiProblem as problem:
        return await _refused(request, site, staff_id, form, problem, "hours")
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}", "The hours are saved.")


@router.post("/{staff_id}/exceptions")
async def set_exception(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    special = weekly.special_date(form)
    if form.faults:
        return await _page(request, site, staff_id, exception=form, status=422)
    path = f"/v1/staff/{staff_id}/exceptions/{special['date']}"
    try:
        await site.sessions.call(request, "PUT", path, body={"intervals": special["intervals"]})
    except ApiProblem as problem:
        return await _refused(request, site, staff_id, form, problem, "exception")
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
