"""Rooms, chairs and equipment, which services need beside staff: a list, and a page of each with its hours."""

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
from web.dashboard.sending import REFUSED, sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/rooms", include_in_schema=False)

RoomId = Annotated[UUID, Path()]
_HERE = "/dashboard/rooms"
_FIELDS = {"/name": "name", "/capacity": "capacity", "/exceptions/0/date": "date", "/exceptions": "opens"}
_NEVER_OPEN = "It is closed at all times. Saving here with all lines empty opens it at any time."


async def _list(request: Request, site: Web, form: Form) -> Response:
    rooms = await everything(request, site, "/v1/resources")
    return site.pages.render(
        request, "dashboard/rooms.html", status=form.status, rooms=rooms, form=form, key=form.key()
    )


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    return await _list(request, site, Form())


def _details(form: Form) -> dict[str, Any]:
    """The name and the number as the API takes them; notes faults in the form."""
    form.require("name")
    return {"name": form.get("name"), "capacity": form.whole("capacity")}


@router.post("")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    body, key, absorb = _details(form), form.key(), partial(form.absorb, fields=_FIELDS)
    if not await sent(
        request, site, form, "POST", "/v1/resources", body=body, idempotency_key=key, absorb=absorb
    ):
        return await _list(request, site, form)
    return site.pages.redirect(request, _HERE, f"{form.get('name')} is added. Services can need it now.")


async def _page(
    request: Request,
    site: Web,
    room_id: UUID,
    *,
    details: Form | None = None,
    hours: Form | None = None,
    exception: Form | None = None,
    status: int = 200,
) -> Response:
    room = (await site.sessions.call(request, "GET", f"/v1/resources/{room_id}")).data
    services = await everything(request, site, "/v1/services")
    return site.pages.render(
        request,
        "dashboard/room.html",
        status=status,
        room=room,
        details=details or Form({name: str(room[name]) for name in ("name", "capacity", "version")}),
        hours=hours or _hours(room),
        exception=exception or Form({"version": str(room["version"])}),
        spans=range(weekly.SPANS),
        needed_by=[
            item for item in services if any(room["id"] in need["resource_ids"] for need in item["needs"])
        ],
    )


def _hours(room: dict[str, Any]) -> Form:
    form = weekly.form_of(room["weekly_hours"] or [], room["version"])
    if room["weekly_hours"] == []:  # set through the API; in the form, empty lines are no hours at all
        form.faults[""] = _NEVER_OPEN
    return form


@router.get("/{room_id}")
async def show(request: Request, site: Site, room_id: RoomId) -> Response:
    return await _page(request, site, room_id)


async def _edit(
    request: Request, site: Web, room_id: UUID, form: Form, body: dict[str, Any], part: str, done: str
) -> Response:
    """Sends the change on; `part` names the form that is shown again where something is wrong."""
    path, page = f"/v1/resources/{room_id}", f"{_HERE}/{room_id}"

    def absorb(problem: ApiProblem) -> None:
        form.absorb(problem, _FIELDS | weekly.FIELDS)
        weekly.at_their_days(form)

    if not await sent(request, site, form, "PATCH", path, body=body, changing=page, absorb=absorb):
        forms: dict[str, Any] = {part: form}
        return await _page(request, site, room_id, status=form.status, **forms)
    return site.pages.redirect(request, page, done)


@router.post("/{room_id}")
async def edit(request: Request, site: Site, room_id: RoomId) -> Response:
    form = await read_form(request)
    return await _edit(request, site, room_id, form, _details(form), "details", "Saved.")


@router.post("/{room_id}/hours")
async def set_hours(request: Request, site: Site, room_id: RoomId) -> Response:
    form = await read_form(request)
    body = {"weekly_hours": weekly.typed(form) or None}
    done = "The hours are saved." if body["weekly_hours"] else "It can be used at any time now."
    return await _edit(request, site, room_id, form, body, "hours", done)


async def _exceptions(request: Request, site: Web, room_id: UUID, day: str) -> list[dict[str, Any]]:
    """The exceptions on other dates: the API replaces all of them at once."""
    room = (await site.sessions.call(request, "GET", f"/v1/resources/{room_id}")).data
    return [item for item in room["exceptions"] if item["date"] != day]


@router.post("/{room_id}/exceptions")
async def set_exception(request: Request, site: Site, room_id: RoomId) -> Response:
    form = await read_form(request)
    special = weekly.special_date(form)
    others = [] if form.faults else await _exceptions(request, site, room_id, special["date"])
    body = {"exceptions": [special, *others]}
    return await _edit(request, site, room_id, form, body, "exception", "The date is saved.")


@router.post("/{room_id}/exceptions/{day}/remove")
async def remove_exception(request: Request, site: Site, room_id: RoomId, day: dt.date) -> Response:
    form = await read_form(request)
    body = {"exceptions": await _exceptions(request, site, room_id, day.isoformat())}
    path, page, done = f"/v1/resources/{room_id}", f"{_HERE}/{room_id}", "The weekly hours hold again."
    return await press(
        request, site, "PATCH", path, back=page, done=done, refused=REFUSED, changing=form, body=body
    )


@router.post("/{room_id}/remove")
async def remove(request: Request, site: Site, room_id: RoomId) -> Response:
    await read_form(request)
    path, page = f"/v1/resources/{room_id}", f"{_HERE}/{room_id}"
    done = "Removed. Appointments already booked stay."
    return await press(request, site, "DELETE", path, back=page, then=_HERE, done=done, refused={403, 409})
