"""The public booking page: choose a service, somebody or anyone, a time; then name, address, consent.

Every step is an address or a form, so that it works without JavaScript; htmx only saves the reload. The chosen time
is held while its form is filled in, and given back when another one is wanted.
"""

import datetime as dt
import re
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.models import LOCALE
from servicekit.http.routes import Router
from servicekit.ids import new_id
from web import contact, questions, times
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.picker import free_week, named, why_not
from web.service import Site, Web

router = Router(prefix="/b/{slug}", include_in_schema=False)

Slug = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

_TIME_POINTERS = frozenset({"/starts_at", "/staff_id"})
"""Faults of the chosen time, which is no field of this form: it would be refused again as it is."""
_TAKEN = "Somebody else has just taken that time. Please choose another."
_EXPIRED = "The time was kept for you, but that has run out. If it is still free, sending again will book it."
_BOOKED_BEFORE = (
    "You have booked this time already. If you agreed to mails, one has the link with which you can change or "
    "cancel it."
)


async def _business(site: Web, slug: str) -> dict[str, Any]:
    business: dict[str, Any] = (await site.gateway.call("GET", f"/v1/public/{slug}")).data
    return business


def _picker(slug: str, form: Form, date: str | None = None) -> str:
    names = ("service", "staff", "timezone")
    query = {name: form.get(name) for name in names if form.get(name)} | ({"date": date} if date else {})
    return f"/b/{slug}?{urlencode(query)}"


def _day(form: Form) -> str | None:
    """The date of the chosen time, where whoever chose it is; None when it is no time."""
    try:
        return (
            times.local(form.get("starts_at"), times.zone_or(form.get("timezone"), "UTC")).date().isoformat()
        )
    except ValueError:
        return None


@router.get("")
async def choose(
    request: Request,
    slug: Slug,
    site: Site,
    service: str | None = None,
    staff: str | None = None,
    date: str | None = None,
    timezone: str | None = None,
) -> Response:
    values = {"service": service, "staff": staff, "date": date, "timezone": timezone}
    form = Form({name: value for name, value in values.items() if value})
    return await picker_page(request, slug, site, form)


async def picker_page(request: Request, slug: str, site: Web, form: Form, status: int = 200) -> Response:
    """The page on which a time is chosen; `form` has the choices so far, or is the waitlist's form with faults."""
    business = await _business(site, slug)
    service, staff, timezone = (form.optional(name) for name in ("service", "staff", "timezone"))
    # A service that nobody performs has no times.
    services = [item for item in business["services"] if item["staff_ids"]]
    offer = named(services, service) or (services[0] if len(services) == 1 else None)
    zone = times.zone_or(timezone, business["timezone"])
    people = [item for item in business["staff"] if offer and item["id"] in offer["staff_ids"]]
    member = named(people, staff)
    week = None
    if offer is not None and business["accepts_bookings"]:
        try:
            week = await free_week(
                site.gateway,
                slug,
                service=offer["id"],
                staff=member["id"] if member else None,
                zone=zone,
                date=form.optional("date"),
                window_days=offer["booking_window_days"],
            )
        except ApiProblem as problem:
            # A moment after a service is made, the profile tells of it and booking does not know it yet.
            if not {"?service", "?staff"} & problem.errors.keys():
                raise
    return site.pages.render(
        request,
        "booking/choose.html",
        status=status,
        form=form,
        business=business,
        services=services,
        offer=offer,
        people=people,
        member=member,
        zone=zone,
        week=week,
        key=form.key(),
    )


@router.post("/hold")
async def keep(request: Request, slug: Slug, site: Site) -> Response:
    form = await read_form(request)
    try:
        starts_at = times.instant(form.get("starts_at"))
    except ValueError:
        return site.pages.redirect(request, _picker(slug, form), "Please choose a time.", failed=True)
    body = {"service_id": form.get("service"), "starts_at": form.get("starts_at")}
    if form.get("staff"):
        body["staff_id"] = form.get("staff")
    try:
        held = await _hold(site, slug, body, f"{form.key()}.{int(starts_at.timestamp())}")
    except ApiProblem as problem:
        if problem.status not in {403, 409, 422} and problem.slug != "too-many-holds":
            raise
        words = {409: _TAKEN, 422: why_not(problem)}.get(problem.status, problem.detail)
        return site.pages.redirect(request, _picker(slug, form, _day(form)), words, failed=True)
    query = {name: form.get(name) for name in ("service", "staff", "starts_at", "timezone")}
    query |= {"hold": held["id"], "until": held["expires_at"]}
    return site.pages.redirect(request, f"/b/{slug}/details?{urlencode(query)}")


async def _hold(site: Web, slug: str, body: dict[str, str], key: str) -> dict[str, Any]:
    """A hold that is live: a key used before (back button, same time again) may answer one that has run out."""
    path = f"/v1/public/{slug}/holds"
    held: dict[str, Any] = (await site.gateway.call("POST", path, body=body, idempotency_key=key)).data
    if times.instant(held["expires_at"]) <= dt.datetime.now(dt.UTC):
        held = (await site.gateway.call("POST", path, body=body, idempotency_key=str(new_id()))).data
    return held


@router.post("/another-time")
async def give_back(request: Request, slug: Slug, site: Site) -> Response:
    form = await read_form(request)
    await _release(site, slug, form.get("hold"))
    return site.pages.redirect(request, _picker(slug, form, form.optional("date")))


async def _release(site: Web, slug: str, hold: str) -> None:
    """Gives a hold back; a refusal does not matter, as a hold that is kept expires."""
    if hold:
        with suppress(ApiProblem):
            await site.gateway.call("DELETE", f"/v1/public/{slug}/holds/{quote(hold, safe='')}")


@router.get("/details")
async def details(
    request: Request,
    slug: Slug,
    site: Site,
    service: str = "",
    staff: str = "",
    starts_at: str = "",
    timezone: str = "",
    hold: str = "",
    until: str = "",
) -> Response:
    values = {"service": service, "staff": staff, "starts_at": starts_at, "timezone": timezone}
    form = Form(values | {"hold": hold, "until": until})
    return await _details(request, slug, site, form)


async def _details(request: Request, slug: str, site: Web, form: Form, status: int = 200) -> Response:
    business = await _business(site, slug)
    offer = named(business["services"], form.get("service"))
    try:
        starts_at = times.instant(form.get("starts_at"))
    except ValueError:
        offer = None
    if offer is None:
        return site.pages.redirect(request, f"/b/{slug}", "Please choose a service and a time.", failed=True)
    zone = times.zone_or(form.get("timezone"), business["timezone"])
    return site.pages.render(
        request,
        "booking/details.html",
        status=status,
        business=business,
        offer=offer,
        member=named(business["staff"], form.get("staff")),
        starts=times.local(starts_at, zone),
        ends=times.local(starts_at + dt.timedelta(minutes=offer["duration_minutes"]), zone),
        zone=zone,
        minutes_left=_minutes_left(form.get("until")),
        form=form,
        question_field=questions.field,
        key=_key(form),
    )


def _key(form: Form) -> str:
    """The form's Idempotency-Key: the hold's id, where there is one, so that a page that is reloaded after a lost
    answer does not book twice.

    The id comes from the address, and so may be anything. Without a hold, the form keeps the key that it was sent
    with: a request that was refused has stored nothing under it.
    """
    try:
        return str(UUID(form.get("hold")))
    except ValueError:
        return form.key()


def _minutes_left(until: str) -> int | None:
    """Whole minutes that the time is still kept for; None when it is not."""
    try:
        left = (times.instant(until) - dt.datetime.now(dt.UTC)).total_seconds()
    except ValueError:
        return None
    return max(1, round(left / 60)) if left > 0 else None


@router.post("/appointments")
async def book(request: Request, slug: Slug, site: Site) -> Response:
    form = await read_form(request)
    business = await _business(site, slug)
    asked = (named(business["services"], form.get("service")) or {"questions": []})["questions"]
    contact.require(form)
    questions.require(form, asked)
    if form.faults:
        return await _details(request, slug, site, form, 422)
    try:
        answer = await site.gateway.call(
            "POST",
            f"/v1/public/{slug}/appointments",
            body=_booking(request, form, asked),
            idempotency_key=form.key(),
        )
    except ApiProblem as problem:
        return await _refused(request, slug, site, form, problem, questions.answer_fields(form, asked))
    return site.pages.redirect(request, f"/appointments/{quote(answer.data['token'])}?booked=1")


async def _refused(
    request: Request,
    slug: str,
    site: Web,
    form: Form,
    problem: ApiProblem,
    answer_fields: dict[str, str],
) -> Response:
    if problem.slug == "slot-taken":
        return site.pages.redirect(request, _picker(slug, form, _day(form)), _TAKEN, failed=True)
    if problem.slug == "hold-expired":
        # Where the service was changed, the hold may still be there, and would block the next try.
        await _release(site, slug, form.get("hold"))
        form.values |= {"hold": "", "until": ""}
        form.faults[""] = _EXPIRED
        return await _details(request, slug, site, form, 409)
    if problem.status not in {403, 409, 422}:
        raise problem
    if problem.slug == "idempotency-key-reused":
        form.values["until"] = ""
        form.faults[""] = _BOOKED_BEFORE
    if _TIME_POINTERS & problem.errors.keys():
        form.faults[""] = why_not(problem)
    form.absorb(problem, contact.FIELDS | answer_fields)
    return await _details(request, slug, site, form, problem.status)


def customer(request: Request, form: Form) -> dict[str, str]:
    """The API's customer: what was typed, and the browser's first language, in which they get messages."""
    typed = contact.customer(form)
    tags = request.headers.get("accept-language", "").split(",")
    languages = (tag.partition(";")[0].strip() for tag in tags)
    if locale := next((tag for tag in languages if re.fullmatch(LOCALE, tag)), None):
        typed["locale"] = locale
    return typed


def _booking(request: Request, form: Form, asked: list[dict[str, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "service_id": form.get("service"),
        "starts_at": form.get("starts_at"),
        "customer": customer(request, form),
        "consent": contact.consent(form),
    }
    if answers := questions.answers(form, asked):
        body["answers"] = answers
    optional = {"staff_id": "staff", "hold_id": "hold", "timezone": "timezone"}
    return body | {name: form.get(field) for name, field in optional.items() if form.get(field)}
