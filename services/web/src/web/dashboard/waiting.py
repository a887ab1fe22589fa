"""The waitlist as the business sees it: the list, offering a time by hand, and removing an entry.

The customers' side is web.pages.waitlist. A time is chosen on one page and offered on the next one, as the mail
with the offer cannot be taken back.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.pressing import press
from web.dashboard.reading import everything, if_there, names, next_page
from web.dashboard.sending import REFUSED, sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.picker import Week, free_week, why_not
from web.service import Site, Web

router = Router(prefix="/dashboard/waitlist", include_in_schema=False)

EntryId = Annotated[UUID, Path()]
ENDED = {
    "booked": "booked",
    "left": "left by themselves",
    "removed": "taken off",
    "unanswered": "did not answer",
    "over": "days have passed",
}
_HERE = "/dashboard/waitlist"
_GONE = "They do not wait any more, or have been offered a time already."
_TAKEN = "That time is no longer free. Please choose another."
_NOT_OFFERED = "This service is no longer offered; they can only be taken off the list."


@dataclass(frozen=True, slots=True)
class Wish:
    """The days on which somebody's time may begin; `hours` says which part of them, "" for all."""

    first: dt.date
    last: dt.date
    hours: str


def wish(entry: Mapping[str, Any], zone: str) -> Wish:
    """An entry's wish. Where it begins when the customer joined, within a day, it shows no time for that."""
    begins, ends, joined = (times.instant(entry[name]) for name in ("from", "to", "created_at"))
    first = times.local(begins, zone).date()
    last = times.local(ends - dt.timedelta(microseconds=1), zone).date()
    hours = []
    if begins not in {joined, times.day_bounds(first, zone)[0]}:
        hours.append(f"from {times.local(begins, zone):%H:%M}{' on the first day' if first < last else ''}")
    if ends != times.day_bounds(last, zone)[1]:
        hours.append(f"until {times.local(ends, zone):%H:%M}{' on the last day' if first < last else ''}")
    return Wish(first, last, " ".join(hours))


@router.get("")
async def listing(
    request: Request, site: Site, show: str = "", service: str = "", cursor: str = ""
) -> Response:
    """Those who wait, with those who have an open offer first; or the entries that ended in the chosen way."""
    known = await names(request, site)
    zone = known.business["timezone"]
    of_service = {"service": service} if service in known.services else {}
    ended = {"show": show} if show in ENDED else {}
    query = {"state": ended.get("show", "waiting"), "limit": "50"} | of_service
    if cursor:
        query["cursor"] = cursor
    answer = (await site.sessions.call(request, "GET", "/v1/waitlist", query=query)).data
    offered: list[dict[str, Any]] = []
    if not ended and not cursor:
        offered = await everything(request, site, "/v1/waitlist", {"state": "offered"} | of_service)
    return site.pages.render(
        request,
        "dashboard/waitlist.html",
        known=known,
        zone=zone,
        today=times.today(zone),
        places=[(item, wish(item, zone)) for item in (*offered, *answer["items"])],
        ended=ENDED,
        show=ended.get("show", ""),
        service=of_service.get("service", ""),
        cursor=cursor,
        more=next_page(_HERE, ended | of_service, answer),
    )


@router.post("/{entry_id}/remove")
async def remove(request: Request, site: Site, entry_id: EntryId) -> Response:
    form = await read_form(request)
    shown = {name: form.get(name) for name in ("service", "cursor") if form.get(name)}
    back = f"{_HERE}?{urlencode(shown)}" if shown else _HERE
    return await press(
        request,
        site,
        "DELETE",
        f"/v1/waitlist/{entry_id}",
        back=back,
        done="They are no longer on the waitlist.",
        refused={403, 404, 409},
        said={404: _GONE},
    )


@router.get("/{entry_id}/offer")
async def choose(
    request: Request, site: Site, entry_id: EntryId, date: str = "", anyone: str = "", at: str = ""
) -> Response:
    return await _page(request, site, entry_id, Form({"date": date, "anyone": anyone, "at": at}))


async def _page(request: Request, site: Web, entry_id: UUID, form: Form) -> Response:
    """The free times of a week, at first of the wished days; once a time is chosen, what offering it will do."""
    known = await names(request, site)
    zone = known.business["timezone"]
    entry = await if_there(request, site, f"/v1/waitlist/{entry_id}")
    if entry is None or entry["state"] != "waiting":
        return site.pages.redirect(request, _HERE, _GONE, failed=True)
    wished = wish(entry, zone)
    asked = None if form.get("anyone") else entry["staff_id"]
    date = form.get("date") or wished.first.isoformat()
    try:
        week = await _free_week(site, known.business, entry, date, asked)
    except ApiProblem as problem:
        if "?service" in problem.errors:
            return site.pages.redirect(request, _HERE, _NOT_OFFERED, failed=True)
        if asked is None or "?staff" not in problem.errors:
            raise
        # The staff member who is wished for has left, or does not perform this service any more.
        asked, week = None, await _free_week(site, known.business, entry, date, None)
    at = form.get("at")
    slot = next((slot for _day, slots in week.days for slot in slots if slot["starts_at"] == at), None)
    if at and slot is None:
        form.faults.setdefault("", _TAKEN)
    return site.pages.render(
        request,
        "dashboard/waitlist_offer.html",
        status=form.status,
        form=form,
        known=known,
        zone=zone,
        item=entry,
        wished=wished,
        week=week,
        asked=asked,
        anyone=bool(form.get("anyone")),
        slot=slot,
        key=form.key(),
    )


async def _free_week(
    site: Web, business: Mapping[str, Any], entry: Mapping[str, Any], date: str, staff: str | None
) -> Week:
    return await free_week(
        site.gateway,
        business["slug"],
        service=entry["service_id"],
        staff=staff,
        zone=business["timezone"],
        date=date,
    )


@router.post("/{entry_id}/offer")
async def offer(request: Request, site: Site, entry_id: EntryId) -> Response:
    form = await read_form(request)
    body = {"starts_at": form.get("at")} | ({"staff_id": form.get("staff")} if form.get("staff") else {})
    path, key = f"/v1/waitlist/{entry_id}/offer", form.key()

    def absorb(problem: ApiProblem) -> None:
        if problem.slug == "slot-taken":
            form.faults[""] = _TAKEN
        elif "/starts_at" in problem.errors:
            form.faults[""] = why_not(problem)
        elif "/staff_id" in problem.errors:
            form.faults["staff"] = f"This person {problem.errors['/staff_id']}."
        form.absorb(problem, {})
        if "staff" not in form.faults and problem.status != 403:
            form.values["at"] = ""  # it cannot be offered any more: another one has to be chosen

    answer = await sent(
        request,
        site,
        form,
        "POST",
        path,
        body=body,
        idempotency_key=key,
        absorb=absorb,
        refused={404, *REFUSED},
    )
    if answer is None:
        return await _page(request, site, entry_id, form)
    customer = answer.data["customer"]
    told = ", who is told by e-mail" if customer["consent"]["email"] else ". Tell them: they take no e-mails"
    return site.pages.redirect(request, _HERE, f"The time is kept for {customer['name']}{told}.")
