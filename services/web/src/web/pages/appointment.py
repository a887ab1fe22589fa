"""An appointment by its link: the confirmation after booking, and later moving or cancelling it."""

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.forms import read_form
from web.gateway_client import ApiProblem, GatewayDown
from web.links import Token
from web.picker import Week, free_week, why_not
from web.service import Site, Web

router = Router(prefix="/appointments/{token}", include_in_schema=False)

_NOT_OFFERED = "This service is no longer offered; the appointment can only be cancelled."
_SUSPENDED = "{name} does not take bookings online at the moment; the appointment can only be cancelled."


async def _appointment(site: Web, token: str) -> dict[str, Any]:
    found: dict[str, Any] = (await site.gateway.call("GET", f"/v1/public/appointments/{token}")).data
    return found


@router.get("")
async def show(request: Request, token: Token, site: Site, booked: str | None = None) -> Response:
    found = await _appointment(site, token)
    return site.pages.render(
        request,
        "appointment/show.html",
        appointment=found,
        token=token,
        booked=bool(booked),
        zone=times.zone_or(found["timezone"], found["business"]["timezone"]),
    )


@router.post("/cancel")
async def cancel(request: Request, token: Token, site: Site) -> Response:
    await read_form(request)
    try:
        await site.gateway.call("DELETE", f"/v1/public/appointments/{token}")
    except ApiProblem as problem:
        if problem.status not in {403, 409}:
            raise
        return site.pages.redirect(request, f"/appointments/{token}", problem.detail, failed=True)
    return site.pages.redirect(request, f"/appointments/{token}", "Your appointment is cancelled.")


@router.get("/reschedule")
async def choose(
    request: Request, token: Token, site: Site, date: str | None = None, anyone: str | None = None
) -> Response:
    found = await _appointment(site, token)
    zone = times.zone_or(found["timezone"], found["business"]["timezone"])
    if found["changeable_until"] is None:
        return site.pages.redirect(request, f"/appointments/{token}")
    member = found["staff"][0] if found["staff"] else None
    asked = None if anyone or member is None else member["id"]
    try:
        week = await _free_week(site, found, zone, date, asked)
    except ApiProblem as problem:
        if "?service" in problem.errors:
            return site.pages.redirect(request, f"/appointments/{token}", _NOT_OFFERED, failed=True)
        if asked is None or "?staff" not in problem.errors:
            raise
        # Who was booked has left, or does not perform this service any more.
        member, week = None, await _free_week(site, found, zone, date, None)
    if week.next_free is None and week.empty and not await _accepts_bookings(site, found["business"]["slug"]):
        words = _SUSPENDED.format(name=found["business"]["display_name"])
        return site.pages.redirect(request, f"/appointments/{token}", words, failed=True)
    return site.pages.render(
        request,
        "appointment/reschedule.html",
        appointment=found,
        token=token,
        zone=zone,
        week=week,
        member=member,
        anyone=bool(anyone),
    )


async def _accepts_bookings(site: Web, slug: str) -> bool:
    """Whether the business takes bookings; one that does not has no free times in any week."""
    try:
        return bool((await site.gateway.call("GET", f"/v1/public/{slug}")).data["accepts_bookings"])
    except GatewayDown:  # the page can be shown without the answer
        return True


async def _free_week(
    site: Web, appointment: dict[str, Any], zone: str, date: str | None, staff: str | None
) -> Week:
    service = appointment["service"]
    return await free_week(
        site.gateway,
        appointment["business"]["slug"],
        service=service["id"],
        staff=staff,
        zone=zone,
        date=date,
        window_days=service.get("booking_window_days"),  # an older booking does not say it
    )


@router.post("/reschedule")
async def reschedule(request: Request, token: Token, site: Site) -> Response:
    form = await read_form(request)
    starts_at, _, staff = form.get("slot").partition(" ")
    body = {"starts_at": starts_at} | ({"staff_id": staff} if staff else {})
    try:
        await site.gateway.call("PATCH", f"/v1/public/appointments/{token}", body=body)
    except ApiProblem as problem:
        if problem.status not in {403, 409, 422}:
            raise
        words = why_not(problem) if problem.status == 422 else problem.detail
        query = {name: form.get(name) for name in ("date", "anyone") if form.get(name)}
        target = f"/appointments/{token}/reschedule?{urlencode(query)}"
        return site.pages.redirect(request, target, words, failed=True)
    return site.pages.redirect(request, f"/appointments/{token}", "Your appointment has been moved.")
