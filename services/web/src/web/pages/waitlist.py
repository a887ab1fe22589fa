"""The waitlist for customers: joining it for a week or a day without free times, and the page of a place on it.

On that page, which a customer reaches by its link, an offered time is accepted or the list left.
"""

from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import questions, times
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.links import Token
from web.pages.booking import Slug, customer, picker_page
from web.picker import WEEK
from web.service import Site, Web

router = Router(include_in_schema=False)

_FIELDS = {"/customer/name": "name", "/customer/email": "email", "/to": "", "/service_id": ""}
_CONTACT = ("name", "email")
_JOINED_BEFORE = (
    "This form has put somebody on the waitlist before. Sent again now, it does so with what stands here as"
    " well."
)
_TAKEN_BEFORE = "You have sent this before, with other answers: those count."
_REFUSALS = {
    "already-waiting": "You are on the waitlist for this already. To wait for other days instead, leave it first, "
    "by the link that you were shown when you joined.",
    "too-many-waitlist-entries": "From your internet connection as many people are on this waitlist already as can "
    "be at once. Somebody has to leave it first, by the link to their place.",
}


@router.post("/b/{slug}/waitlist")
async def join(request: Request, slug: Slug, site: Site) -> Response:
    form = await read_form(request)
    form.require(*_CONTACT)
    if form.faults:
        return await picker_page(request, slug, site, form, 422)
    try:
        answer = await site.gateway.call(
            "POST",
            f"/v1/public/{slug}/waitlist",
            body=_wish(request, form),
            idempotency_key=form.key(),
        )
    except ApiProblem as problem:
        if problem.slug in _REFUSALS:
            form.faults[""] = _REFUSALS[problem.slug]
        elif problem.slug == "idempotency-key-reused":
            form.renew_key(_JOINED_BEFORE)
        elif problem.status in {403, 409, 422}:
            form.absorb(problem, _FIELDS)
        else:
            raise
        return await picker_page(request, slug, site, form, problem.status)
    return site.pages.redirect(request, f"/waitlist/{quote(answer.data['token'])}")


def _wish(request: Request, form: Form) -> dict[str, Any]:
    """The API's body: for any start in the week that was shown, or on one of its days, where that was chosen."""
    zone = times.zone_or(form.get("timezone"), "UTC")
    day = form.get("day")
    start = times.day_or(day or form.get("date"), times.today(zone))
    begin, end = times.day_bounds(start, zone, 1 if day else WEEK)
    body: dict[str, Any] = {
        "service_id": form.get("service"),
        "from": begin.isoformat(),
        "to": end.isoformat(),
        "customer": customer(request, form),
        "consent": {"email": True},
        "timezone": zone,
    }
    return body | ({"staff_id": form.get("staff")} if form.get("staff") else {})


async def _place(site: Web, token: str) -> dict[str, Any]:
    found: dict[str, Any] = (await site.gateway.call("GET", f"/v1/public/waitlist/{token}")).data
    return found


@router.get("/waitlist/{token}")
async def show(request: Request, token: Token, site: Site) -> Response:
    return await _page(request, token, site, Form())


async def _page(request: Request, token: str, site: Web, form: Form, status: int = 200) -> Response:
    place = await _place(site, token)
    named = place["offer"]["staff_ids"] if place["offer"] else [place["staff_id"]]
    return site.pages.render(
        request,
        "waitlist/show.html",
        status=status,
        form=form,
        question_field=questions.field,
        place=place,
        token=token,
        zone=times.zone_or(place["timezone"], place["business"]["timezone"]),
        people=[person["name"] for person in place["staff"] if person["id"] in named],
        key=form.key(),
    )


@router.post("/waitlist/{token}/accept")
async def accept(request: Request, token: Token, site: Site) -> Response:
    form = await read_form(request)
    place = await _place(site, token)
    asked = place["questions"]
    if place["offer"]:  # without one, the API says why: it may be booked already
        questions.require(form, asked)
    if form.faults:
        return await _page(request, token, site, form, 422)
    answers = questions.answers(form, asked)
    try:
        answer = await site.gateway.call(
            "POST",
            f"/v1/public/waitlist/{token}/accept",
            body={"answers": answers} if answers else None,
            idempotency_key=form.key(),
        )
    except ApiProblem as problem:
        if problem.status == 409:
            return site.pages.redirect(request, f"/waitlist/{token}", problem.detail, failed=True)
        if problem.status not in {403, 422}:
            raise
        if problem.slug == "idempotency-key-reused":
            form.renew_key(_TAKEN_BEFORE)
        form.absorb(problem, questions.answer_fields(form, asked))
        return await _page(request, token, site, form, problem.status)
    return site.pages.redirect(request, f"/appointments/{quote(answer.data['token'])}?booked=1")


@router.post("/waitlist/{token}/leave")
async def leave(request: Request, token: Token, site: Site) -> Response:
    await read_form(request)
    await site.gateway.call("DELETE", f"/v1/public/waitlist/{token}")
    return site.pages.redirect(request, f"/waitlist/{token}", "You are no longer on the waitlist.")
