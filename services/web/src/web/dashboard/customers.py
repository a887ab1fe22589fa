"""The business's customers: finding one, what is known of them, correcting it, and erasing them.

Whoever works for the business sees and corrects them; only an owner erases (docs/records.md).
"""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import contact, times
from web.dashboard import languages
from web.dashboard.pressing import press
from web.dashboard.reading import OPEN, everything, names, next_page
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

router = Router(prefix="/dashboard/customers", include_in_schema=False)

CustomerId = Annotated[UUID, Path()]
_HERE = "/dashboard/customers"
_LATEST = 10
"""How many past appointments are shown at first."""
_CONTACT = ("name", "email", "phone", "locale", "notes")
_FIELDS = {f"/{name}": name for name in _CONTACT} | {"/consent": "consent_email"}
_STILL_TO_COME = (
    "There are appointments to come. Cancel them first, "
    "and wait a moment until the mail that says so has gone out."
)


@router.get("")
async def listing(request: Request, site: Site, q: str = "", cursor: str = "") -> Response:
    form = Form({"q": q.strip()})
    query = {"limit": "50"} | {
        name: text for name, text in (("q", form.get("q")), ("cursor", cursor)) if text
    }
    try:
        answer = (await site.sessions.call(request, "GET", "/v1/customers", query=query)).data
    except ApiProblem as problem:
        if problem.status != 422:
            raise
        form.absorb(problem, {"?q": "q"})
        answer = {"items": []}
    chosen = {"q": form.get("q")} if form.get("q") else {}
    return site.pages.render(
        request,
        "dashboard/customers.html",
        status=422 if form.faults else 200,
        form=form,
        items=answer["items"],
        further=bool(cursor),
        more=next_page(_HERE, chosen, answer),
    )


@dataclass(frozen=True, slots=True)
class Visits:
    """Somebody's appointments: those that are not over, the next one first; those that are, the last one first."""

    coming: list[dict[str, Any]]
    past: list[dict[str, Any]]

    @property
    def any_open(self) -> bool:
        """Whether an appointment is still to take place; the API does not erase the customer then."""
        return any(item["status"] in OPEN for item in self.coming)


async def _visits(request: Request, site: Web, customer_id: UUID) -> Visits:
    query = {"customer": str(customer_id), "order": "desc"}
    found = await everything(request, site, "/v1/appointments", query)
    now = dt.datetime.now(dt.UTC)
    over = [times.instant(item["ends_at"]) <= now for item in found]
    coming = [item for item, past in zip(found, over, strict=True) if not past]
    return Visits(coming[::-1], [item for item, past in zip(found, over, strict=True) if past])


async def _page(
    request: Request,
    site: Web,
    customer_id: UUID,
    *,
    form: Form | None = None,
    every: bool = False,
) -> Response:
    known = await names(request, site)
    answer = await site.sessions.call(request, "GET", f"/v1/customers/{customer_id}")
    customer, visits = answer.data, await _visits(request, site, customer_id)
    form = form or _form(customer)
    return site.pages.render(
        request,
        "dashboard/customer.html",
        status=form.status,
        known=known,
        zone=known.business["timezone"],
        customer=customer,
        form=form,
        languages=languages.choices(customer["locale"]),
        visits=visits,
        still_to_come=_STILL_TO_COME,
        past=visits.past if every else visits.past[:_LATEST],
    )


def _form(customer: dict[str, Any]) -> Form:
    values = {name: customer[name] or "" for name in _CONTACT} | {"version": str(customer["version"])}
    ticked = {f"consent_{way}": "yes" for way in ("email", "sms") if customer["consent"][way]}
    return Form(values | ticked)


@router.get("/{customer_id}")
async def show(request: Request, site: Site, customer_id: CustomerId, past: str = "") -> Response:
    return await _page(request, site, customer_id, every=past == "all")


@router.post("/{customer_id}")
async def correct(request: Request, site: Site, customer_id: CustomerId) -> Response:
    form = await read_form(request)
    contact.require_reachable(form)
    path, page = f"/v1/customers/{customer_id}", f"{_HERE}/{customer_id}"
    body = {
        "name": form.get("name"),
        "email": form.optional("email"),
        "phone": contact.customer(form).get("phone"),
        "locale": form.get("locale"),
        "consent": contact.consent(form),
        "notes": form.get("notes"),
    }
    absorb = partial(form.absorb, fields=_FIELDS)
    if not await sent(request, site, form, "PATCH", path, body=body, changing=page, absorb=absorb):
        return await _page(request, site, customer_id, form=form)
    return site.pages.redirect(request, page, "Saved.")


@router.post("/{customer_id}/erase")
async def erase(request: Request, site: Site, customer_id: CustomerId) -> Response:
    await read_form(request)
    return await press(
        request,
        site,
        "DELETE",
        f"/v1/customers/{customer_id}",
        back=f"{_HERE}/{customer_id}",
        then=_HERE,
        done="Erased. Nothing here leads to this person any more.",
        refused={403, 409},
        said={"customer-has-appointments": _STILL_TO_COME},
    )
