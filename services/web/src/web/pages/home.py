"""The front page with the sign-up form, and the page that waits until the new business is there."""

import re
import unicodedata
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from servicekit.localtime import zone_names
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(include_in_schema=False)

_LOCALE = "en"  # the language of the pages
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "JPY")
ZONES = sorted(name for name in zone_names() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
_SIGNED_UP_BEFORE = (
    "This form has signed up another business before: look for its mail. Sent again now, it signs up this one as"
    " well."
)
_FIELDS = {
    "/business_name": "business_name",
    "/slug": "slug",
    "/name": "name",
    "/email": "email",
    "/timezone": "timezone",
    "/currency": "currency",
}


def _home(request: Request, site: Web, form: Form, status: int = 200) -> Response:
    return site.pages.render(
        request, "home.html", status=status, form=form, key=form.key(), zones=ZONES, currencies=CURRENCIES
    )


@router.get("/")
async def home(request: Request, site: Site) -> Response:
    return _home(request, site, Form())


@router.post("/signup")
async def sign_up(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("business_name", "name", "email")
    form.values["slug"] = form.get("slug") or slug_of(form.get("business_name"))
    if form.get("business_name") and not form.get("slug"):
        form.faults["slug"] = "None can be made of this name. Please choose one, such as my-business."
    if form.faults:
        return _home(request, site, form, 422)
    body = {
        "email": form.get("email"),
        "name": form.get("name"),
        "business_name": form.get("business_name"),
        "slug": form.get("slug"),
        "plan": site.signup_plan,
        "timezone": form.get("timezone") or "UTC",
        "locale": _LOCALE,
        "currency": form.get("currency") or "EUR",
    }
    key = form.key()
    try:
        answer = await site.gateway.call("POST", "/v1/signups", body=body, idempotency_key=key)
    except ApiProblem as problem:
        if problem.status not in {400, 409, 422, 429}:
            raise
        if problem.slug == "idempotency-key-reused":
            form.renew_key(_SIGNED_UP_BEFORE)
        form.absorb(problem, _FIELDS)
        return _home(request, site, form, problem.status)
    return site.pages.redirect(request, f"/signup/{answer.data['id']}")


@router.get("/signup/{signup_id}")
async def progress(request: Request, site: Site, signup_id: Annotated[UUID, Path()]) -> Response:
    signup = (await site.gateway.call("GET", f"/v1/signups/{signup_id}")).data
    status = signup["status"]
    return site.pages.render(
        request, "signup.html", signup=signup, done=status == "provisioned", failed=status == "failed"
    )


def slug_of(name: str) -> str:
    """An address made of a name: lower case, letters without their accents, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:63].rstrip("-")
