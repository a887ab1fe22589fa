"""A staff member's time off: whole days or hours, in their own zone.

The form has days and may have times, the API takes instants: without times, whole days are meant.
Shown by the staff pages, beside hours and calendars.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from servicekit.localtime import instant_of
from web import times
from web.dashboard.pressing import press
from web.dashboard.reading import OPEN, everything
from web.dashboard.sending import sent
from web.dashboard.staff import StaffId
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/staff/{staff_id}/time-off", include_in_schema=False)

_LONGEST = dt.timedelta(days=1)
"""How long before a time off an appointment may have begun that runs into it."""


@dataclass(frozen=True, slots=True)
class Off:
    """One time off as its table shows it; `first` is its first day."""

    id: str
    words: str
    first: dt.date
    ends: dt.datetime


def _off(item: dict[str, Any], zone: str) -> Off:
    starts, ends = times.instant(item["starts_at"]), times.instant(item["ends_at"])
    return Off(item["id"], span_in_words(starts, ends, zone), times.local(starts, zone).date(), ends)


def span_in_words(starts: dt.datetime, ends: dt.datetime, zone: str) -> str:
    """Mon 3 Aug – Fri 14 Aug 2026, or with the times where it does not begin or end with a day."""
    begin, end = times.local(starts, zone), times.local(ends, zone)
    # An end at midnight is of the day before.
    first, last = begin.date(), times.local(ends - dt.timedelta(microseconds=1), zone).date()
    since = "" if starts == times.day_bounds(first, zone)[0] else f"{begin:%H:%M}"
    until = "" if ends == times.day_bounds(last, zone)[1] else f"{end:%H:%M}"
    if not since and not until:
        return times.days_in_words(first, last)
    if first == last:
        hours = f"{since}–{until}" if since and until else f"from {since}" if since else f"until {until}"
        return f"{times.days_in_words(first, last)}, {hours}"
    parts = ((first, since), (last, until))
    return " – ".join(times.days_in_words(day, day) + (f", {time}" if time else "") for day, time in parts)


async def _page(
    request: Request, site: Web, staff_id: UUID, form: Form | None = None, status: int = 200
) -> Response:
    form = form or Form()
    member = (await site.sessions.call(request, "GET", f"/v1/staff/{staff_id}")).data
    found = (await site.sessions.call(request, "GET", f"/v1/staff/{staff_id}/time-off")).data
    now = dt.datetime.now(dt.UTC)
    listed = [_off(item, member["timezone"]) for item in found]
    return site.pages.render(
        request,
        "dashboard/time_off.html",
        status=status,
        member=member,
        coming=[item for item in listed if item.ends > now],
        past=[item for item in reversed(listed) if item.ends <= now],
        form=form,
        key=form.key(),
    )


@router.get("")
async def show(request: Request, site: Site, staff_id: StaffId) -> Response:
    return await _page(request, site, staff_id)


@router.post("")
async def add(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    zone = (await site.sessions.call(request, "GET", f"/v1/staff/{staff_id}")).data["timezone"]
    span = _span(form, zone)
    if span is None:
        return await _page(request, site, staff_id, form, 422)
    body = {"starts_at": span[0].isoformat(), "ends_at": span[1].isoformat()}
    path, key = f"/v1/staff/{staff_id}/time-off", form.key()

    def absorb(problem: ApiProblem) -> None:
        if "/" in problem.errors:
            form.faults[""] = "There are too many already. Remove what is over, below."
        last = "last_day" if form.get("last_day") else "first_day"
        form.absorb(problem, {"/starts_at": "first_day", "/ends_at": last})

    if not await sent(request, site, form, "POST", path, body=body, idempotency_key=key, absorb=absorb):
        return await _page(request, site, staff_id, form, form.status)
    booked = await _booked(request, site, staff_id, *span)
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}/time-off", _saved(booked))


def _span(form: Form, zone: str) -> tuple[dt.datetime, dt.datetime] | None:
    """The instants that were typed; None when there is a fault in the form.

    Without times it begins and ends with its days; without a last day it is one day. 00:00 as the end is the end of
    the day, as in opening hours.
    """
    first = times.day_or(form.get("first_day"), dt.date.min)
    last = times.day_or(form.get("last_day"), dt.date.min) if form.get("last_day") else first
    for name, day in (("first_day", first), ("last_day", last)):
        if day == dt.date.min and (form.get(name) or name == "first_day"):
            form.faults[name] = "This must be a date."
    since, until = _time(form, "from_time"), _time(form, "until_time")
    if form.faults:
        return None
    tz = ZoneInfo(zone)
    starts = instant_of(first, since, tz)
    ends = instant_of(last, until, tz) if until != dt.time() else times.day_bounds(last, zone)[1]
    if last < first:
        form.faults["last_day"] = "This must not lie before the first day."
    elif ends <= starts:
        form.faults["until_time"] = "This must be later than the beginning."
    return None if form.faults else (starts, ends)


def _time(form: Form, name: str) -> dt.time:
    """Midnight when nothing was typed."""
    try:
        return dt.time.fromisoformat(form.get(name) or "00:00")
    except ValueError:
        form.faults[name] = "This must be a time, such as 14:00."
        return dt.time()


async def _booked(request: Request, site: Web, staff_id: UUID, starts: dt.datetime, ends: dt.datetime) -> int:
    """How many open appointments lie in this time or run into it."""
    query = {"staff": str(staff_id), "from": (starts - _LONGEST).isoformat(), "to": ends.isoformat()}
    found = await everything(request, site, "/v1/appointments", query)
    return sum(item["status"] in OPEN and times.instant(item["ends_at"]) > starts for item in found)


def _saved(booked: int) -> str:
    if not booked:
        return "Saved. No appointment is booked in this time."
    several = f"{booked} appointments are" if booked > 1 else "One appointment is"
    return f"Saved. {several} booked in this time and will stay: move or cancel what cannot take place."


@router.post("/{time_off_id}/remove")
async def remove(
    request: Request, site: Site, staff_id: StaffId, time_off_id: Annotated[UUID, Path()]
) -> Response:
    await read_form(request)
    page = f"/dashboard/staff/{staff_id}/time-off"
    path, refused = f"/v1/staff/{staff_id}/time-off/{time_off_id}", {403, 404, 409}
    return await press(request, site, "DELETE", path, back=page, done="Removed.", refused=refused)
