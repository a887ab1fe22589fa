"""A staff member's two calendars, for owners: the feed of their appointments, and a calendar of their busy times.

The API answers a feed's address only when it makes one, so only the page that does so can show it. Whether there is
a feed is known from the audit trail alone. The busy times come from a calendar elsewhere, and cannot be booked.
"""

import re
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.reading import everything, if_there
from web.dashboard.sending import sent
from web.dashboard.staff import StaffId
from web.forms import Form, in_words, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/staff/{staff_id}/calendars", include_in_schema=False)

_REFUSED = frozenset({403, 404, 409, 422})
_NOT_KNOWN_YET = "This person was added a moment ago. Try again in a few seconds."
_FEED = "staff-feed."
_STATUS = re.compile(r"answers with status (\d+)")
_STATUS_WORDS = {
    "401": "lets nobody in without signing in: take its secret address",
    "403": "lets nobody in without signing in: take its secret address",
    "404": "is not at this address",
    "410": "is not at this address any more",
}
_WEBCAL = re.compile(r"^webcals?://", re.IGNORECASE)


def why(fault: str) -> str:
    """Why the API cannot read a calendar, as the end of a sentence that begins with the calendar."""
    status = _STATUS.fullmatch(fault)
    if status is None:
        return fault.replace("an iCalendar file", "a calendar file")
    return _STATUS_WORDS.get(status[1], f"answers with an error ({status[1]})")


async def _page(
    request: Request,
    site: Web,
    staff_id: UUID,
    *,
    other: Form | None = None,
    feed: Form | None = None,
    address: str | None = None,
    status: int = 200,
) -> Response:
    member = (await site.sessions.call(request, "GET", f"/v1/staff/{staff_id}")).data
    busy = await if_there(request, site, f"/v1/busy-calendars/{staff_id}")
    return site.pages.render(
        request,
        "dashboard/calendars.html",
        status=status,
        member=member,
        address=address,
        made=await _made(request, site, staff_id),
        feed=feed or Form(),
        busy=busy,
        why=why(busy["fault"] or "") if busy else "",
        other=other or Form({"url": busy["url"] if busy else ""}),
    )


async def _made(request: Request, site: Web, staff_id: UUID) -> str | None:
    """When the present feed address was made; None without one. The trail has its newest entry first."""
    trail = await everything(request, site, "/v1/audit", {"entity": str(staff_id)})
    last = next((entry for entry in trail if entry["action"].startswith(_FEED)), None)
    return last["at"] if last and last["action"] == f"{_FEED}rotated" else None


@router.get("")
async def show(request: Request, site: Site, staff_id: StaffId) -> Response:
    return await _page(request, site, staff_id)


@router.post("/feed")
async def make(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)

    def absorb(problem: ApiProblem) -> None:
        form.faults[""] = _NOT_KNOWN_YET if problem.status == 404 else problem.detail

    path = f"/v1/staff-feeds/{staff_id}"
    answer = await sent(request, site, form, "POST", path, absorb=absorb, refused=_REFUSED)
    if answer is None:
        return await _page(request, site, staff_id, feed=form, status=form.status)
    # Other forms redirect. Here the address would have to be stored for the next page.
    return await _page(request, site, staff_id, address=answer.data["url"])


@router.post("/feed/end")
async def end(request: Request, site: Site, staff_id: StaffId) -> Response:
    done = "The address leads to nothing any more."
    return await _taken_back(request, site, staff_id, f"/v1/staff-feeds/{staff_id}", done)


@router.post("/busy")
async def follow(request: Request, site: Site, staff_id: StaffId) -> Response:
    form = await read_form(request)
    form.require("url")
    # Calendar programs give webcal:// as the address to subscribe to; the same file is served by https.
    body = {"url": _WEBCAL.sub("https://", form.get("url"))}

    def absorb(problem: ApiProblem) -> None:
        if problem.status == 404:
            form.faults[""] = _NOT_KNOWN_YET
        elif "/url" in problem.errors:
            form.faults["url"] = in_words(problem.errors["/url"].replace("a URL", "a web address"))
        form.absorb(problem, {"/url": "url"})

    path = f"/v1/busy-calendars/{staff_id}"
    if not await sent(request, site, form, "PUT", path, body=body, absorb=absorb, refused=_REFUSED):
        return await _page(request, site, staff_id, other=form, status=form.status)
    done = "Saved. It is read at once, and then every quarter of an hour."
    return site.pages.redirect(request, f"/dashboard/staff/{staff_id}/calendars", done)


@router.post("/busy/remove")
async def unfollow(request: Request, site: Site, staff_id: StaffId) -> Response:
    done = "The calendar is not read any more, and its times can be booked."
    return await _taken_back(request, site, staff_id, f"/v1/busy-calendars/{staff_id}", done)


async def _taken_back(request: Request, site: Web, staff_id: UUID, path: str, done: str) -> Response:
    """Ends the feed or the import; one that has ended already is no error."""
    await read_form(request)
    page = f"/dashboard/staff/{staff_id}/calendars"
    try:
        await site.sessions.call(request, "DELETE", path)
    except ApiProblem as problem:
        if problem.status not in {403, 404, 409}:
            raise
        if problem.status != 404:
            return site.pages.redirect(request, page, problem.detail, failed=True)
    return site.pages.redirect(request, page, done)
