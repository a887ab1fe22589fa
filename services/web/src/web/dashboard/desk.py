"""Booking by the business itself: somebody rings up, and whoever answers books for them, once or as a series.

A time is chosen as customers choose it, or typed in, as the business need not keep to a service's notice and
booking window. It can be changed in the form itself: people on the telephone think again, and what has been typed
is not to be lost by that. No time is held meanwhile; one that is taken says so at its field.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from servicekit.ids import new_id
from web import contact, questions, times
from web.dashboard.reading import everything, if_there, profile
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.picker import Week, free_week, named, why_not
from web.service import Site, Web

router = Router(prefix="/dashboard/appointments/new", include_in_schema=False)

_HERE = "/dashboard/appointments/new"
_FIELDS = contact.FIELDS | {
    "/starts_at": "starts_at",
    "/staff_id": "staff",
    "/notes": "notes",
    "/rule/count": "count",
    "/rule": "repeat",
}
RHYTHMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "week": ("every week", {"every": "week"}),
    "two-weeks": ("every two weeks", {"every": "week", "interval": 2}),
    "month": ("every month", {"every": "month"}),
}
"""How an appointment may recur: in words, and as the API takes it."""
_FOUND = 10
_TAKEN = "This time is taken. Please choose another."
_SENT_BEFORE = (
    "This form has booked something else before. Look whether that is what you want; sent again now, it books "
    "once more."
)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What can be booked. `offer` is the chosen service, `people` are those who perform it."""

    business: Mapping[str, Any]
    services: list[dict[str, Any]]
    offer: Mapping[str, Any] | None
    people: list[dict[str, Any]]

    @property
    def zone(self) -> str:
        zone: str = self.business["timezone"]
        return zone


async def _desk(request: Request, site: Web, service: str, *, choosing: bool = False) -> _Desk:
    """What can be booked. With `choosing`, a business's only service counts as chosen."""
    business = await profile(request, site)
    # A service that nobody performs has no times.
    services = [item for item in await everything(request, site, "/v1/services") if item["staff_ids"]]
    offer = named(services, service) or (services[0] if choosing and len(services) == 1 else None)
    staff = await everything(request, site, "/v1/staff")
    people = [item for item in staff if offer and item["id"] in offer["staff_ids"]]
    return _Desk(business, services, offer, people)


async def _known(request: Request, site: Web, customer: str) -> Mapping[str, Any] | None:
    """The customer with this id; None where there is none (any more)."""
    try:
        path = f"/v1/customers/{UUID(customer)}"
    except ValueError:
        return None
    found = await if_there(request, site, path)
    return None if found is None or found["erased_at"] else found


async def _week(site: Web, desk: _Desk, staff: str, date: str | None) -> Week | None:
    """Free times from a date on; None without a service, for a business that is not active, and for a service that
    booking does not know yet, a moment after it was made."""
    if desk.offer is None or desk.business["state"] != "active":
        return None
    member = named(desk.people, staff)
    try:
        return await free_week(
            site.gateway,
            desk.business["slug"],
            service=desk.offer["id"],
            staff=member["id"] if member else None,
            zone=desk.zone,
            date=date,
            window_days=desk.offer["booking_window_days"],
        )
    except ApiProblem as problem:
        if not {"?service", "?staff"} & problem.errors.keys():
            raise
        return None


@router.get("")
async def choose(
    request: Request, site: Site, service: str = "", staff: str = "", date: str = "", customer: str = ""
) -> Response:
    desk = await _desk(request, site, service, choosing=True)
    return site.pages.render(
        request,
        "dashboard/desk.html",
        desk=desk,
        offer=desk.offer,
        member=named(desk.people, staff),
        week=await _week(site, desk, staff, date),
        date=date,
        customer=await _known(request, site, customer),
        key=str(new_id()),
    )


@router.get("/details")
async def details(
    request: Request,
    site: Site,
    service: str = "",
    staff: str = "",
    starts_at: str = "",
    customer: str = "",
    q: str = "",
    key: str = "",
) -> Response:
    desk = await _desk(request, site, service)
    form = Form({"service": service, "staff": staff, "slot": starts_at, "key": key})
    with suppress(ValueError):
        form.values["starts_at"] = times.to_input(times.local(starts_at, desk.zone))
    known = await _known(request, site, customer)
    if known:
        form.values["customer"] = known["id"]  # for the way back to the free times
        form.values |= {name: known[name] or "" for name in ("name", "email", "phone")}
        form.values |= {f"consent_{way}": "yes" for way in ("email", "sms") if known["consent"][way]}
    search = None if known else await _search(request, site, q)
    return await _page(request, site, desk, form, search=search)


@dataclass(frozen=True, slots=True)
class _Search:
    """The first customers whose name or e-mail address begins with `begins`; `more`: there are others."""

    begins: str = ""
    found: Sequence[Mapping[str, Any]] = ()
    more: bool = False


async def _search(request: Request, site: Web, begins: str) -> _Search:
    begins = begins.strip()[:120]
    if not begins:
        return _Search()
    query = {"q": begins, "limit": str(_FOUND)}
    try:
        answer = (await site.sessions.call(request, "GET", "/v1/customers", query=query)).data
    except ApiProblem as problem:
        if problem.status != 422:  # characters that no name has
            raise
        return _Search(begins)
    return _Search(begins, answer["items"], answer["next_cursor"] is not None)


async def _page(
    request: Request,
    site: Web,
    desk: _Desk,
    form: Form,
    status: int = 200,
    *,
    search: _Search | None = None,
    free: Sequence[dt.datetime] = (),
    refused: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """The form; `free` are times of the chosen day, `refused` the times of a series that cannot be booked, `search`
    the search for a known customer, before anything is typed.

    The form keeps the Idempotency-Key that came with the address or with it: sent again after a lost answer, it
    books nothing twice, even where the page was reloaded or the form had faults in between.
    """
    if desk.offer is None:
        return site.pages.redirect(request, _HERE, "Please choose a service.", failed=True)
    return site.pages.render(
        request,
        "dashboard/desk_details.html",
        status=status,
        desk=desk,
        offer=desk.offer,
        form=form,
        search=search,
        free=free,
        refused=refused,
        rhythms=RHYTHMS,
        question_field=questions.field,
        key=form.key(),
    )


@router.post("")
async def book(request: Request, site: Site) -> Response:
    form = await read_form(request)
    desk = await _desk(request, site, form.get("service"))
    if desk.offer is None:
        return await _page(request, site, desk, form)
    asked = desk.offer["questions"]
    contact.require_reachable(form)
    questions.require(form, asked)
    starts_at, rule = _starts_at(form, desk.zone), _rule(form)
    if form.faults or starts_at is None:
        return await _page(request, site, desk, form, 422)
    body = {
        "service_id": desk.offer["id"],
        "starts_at": starts_at.isoformat(),
        "customer": contact.customer(form),
        "consent": contact.consent(form),
        "notes": form.get("notes"),
        "answers": questions.answers(form, asked),
    }
    if form.get("staff"):
        body["staff_id"] = form.get("staff")
    if rule:
        body |= {"rule": rule, "on_conflict": "skip" if form.checked("skip") else "refuse"}
    path = "/v1/series" if rule else "/v1/appointments"
    try:
        answer = await site.sessions.call(request, "POST", path, body=body, idempotency_key=form.key())
    except ApiProblem as problem:
        return await _refused(request, site, desk, form, problem, starts_at)
    day = times.local(starts_at, desk.zone).date()
    if rule:
        first = times.local(answer.data["appointments"][0]["starts_at"], desk.zone)
        day, words = first.date(), _booked_as_series(answer.data, form, desk.zone)
    else:
        words = f"Booked for {form.get('name')} at {times.clock(times.local(starts_at, desk.zone))}."
    return site.pages.redirect(request, f"/dashboard?{urlencode({'date': day.isoformat()})}", words)


def _starts_at(form: Form, zone: str) -> dt.datetime | None:
    """The start that was typed. Unchanged, it is the slot that was chosen: a local time may come twice in a day."""
    with suppress(ValueError):
        chosen = times.local(form.get("slot"), zone)
        if form.get("starts_at") == times.to_input(chosen):
            return chosen
    try:
        return times.from_input(form.get("starts_at"), zone)
    except ValueError:
        form.faults["starts_at"] = "This must be a date and a time."
        return None


def _rule(form: Form) -> dict[str, Any] | None:
    """The rule of the series; None for a single appointment."""
    if form.get("repeat") not in RHYTHMS:
        return None
    _words, rule = RHYTHMS[form.get("repeat")]
    return {**rule, "count": form.whole("count", "must be a whole number, such as 6")}


def _booked_as_series(series: Mapping[str, Any], form: Form, zone: str) -> str:
    """How often it was booked, until when, and what was left out."""
    last = times.local(series["appointments"][-1]["starts_at"], zone)
    count = len(series["appointments"])
    often = "once" if count == 1 else f"{count} times"
    words = f"Booked {often} for {form.get('name')}, the last on {times.long_day(last)}."
    if left_out := [times.short_day(times.local(item["starts_at"], zone)) for item in series["skipped"]]:
        words += f" Left out: {', '.join(left_out)}."
    if lacking := [times.month(item) for item in series["months_without_day"]]:
        words += f" Without that day, and so left out: {', '.join(lacking)}."
    return words


async def _refused(
    request: Request, site: Web, desk: _Desk, form: Form, problem: ApiProblem, starts_at: dt.datetime
) -> Response:
    if problem.status not in {403, 409, 422}:
        raise problem
    free: list[dt.datetime] = []
    refused: list[Mapping[str, Any]] = []
    if problem.slug == "series-refused":
        refused = problem.body["refused"]
        form.faults["repeat"] = "Nothing is booked, as not all of it can be."
    elif problem.slug == "slot-taken" or "/starts_at" in problem.errors:
        form.faults["starts_at"] = _TAKEN if problem.slug == "slot-taken" else why_not(problem)
        free = await _free_on(site, desk, form.get("staff"), starts_at)
    elif problem.slug == "idempotency-key-reused":
        form.renew_key(_SENT_BEFORE)
    if "/staff_id" in problem.errors:
        form.faults["staff"] = f"This person {problem.errors['/staff_id']}."
    form.absorb(
        problem, _FIELDS | questions.answer_fields(form, desk.offer["questions"] if desk.offer else ())
    )
    return await _page(request, site, desk, form, problem.status, free=free, refused=refused)


async def _free_on(site: Web, desk: _Desk, staff: str, starts_at: dt.datetime) -> list[dt.datetime]:
    """The times of that day that customers could still choose."""
    day = times.local(starts_at, desk.zone).date()
    week = await _week(site, desk, staff, day.isoformat())
    return [slot["local"] for first, slots in week.days if first == day for slot in slots] if week else []
