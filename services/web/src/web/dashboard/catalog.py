"""The services that can be booked: a list, and a form for a new or an existing one (its rows: `service_rows`)."""

from decimal import Decimal
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard import service_rows
from web.dashboard.reading import everything, profile
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.money import decimals
from web.service import Site, Web

router = Router(prefix="/dashboard/services", include_in_schema=False)

ServiceId = Annotated[UUID, Path()]
_NUMBERS = (
    "duration_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "slot_step_minutes",
    "minimum_notice_minutes",
    "booking_window_days",
    "cancellation_window_minutes",
    "capacity",
    "staff_count",
)
_HIGHEST_PRICE = 100_000_000
"""In minor units; the API has the same limit."""
_DEFAULTS = {
    "duration_minutes": "30",
    "buffer_before_minutes": "0",
    "buffer_after_minutes": "0",
    "slot_step_minutes": "15",
    "minimum_notice_minutes": "60",
    "booking_window_days": "60",
    "cancellation_window_minutes": "1440",
    "capacity": "1",
    "staff_count": "1",
}
_FIELDS = {f"/{name}": name for name in (*_NUMBERS, "name", "description")} | {
    "/price_amount": "price",
    "/staff_ids": "staff",
}


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    services = await everything(request, site, "/v1/services")
    staff = await everything(request, site, "/v1/staff")
    names = {item["id"]: item["name"] for item in staff}
    return site.pages.render(request, "dashboard/services.html", services=services, names=names)


async def _page(request: Request, site: Web, form: Form, service_id: UUID | None = None) -> Response:
    business = await profile(request, site)
    rooms = await everything(request, site, "/v1/resources")
    return site.pages.render(
        request,
        "dashboard/service.html",
        status=form.status,
        form=form,
        service_id=service_id,
        staff=await everything(request, site, "/v1/staff"),
        rooms=rooms,
        kinds=service_rows.KINDS,
        currency=business["currency"],
        key=form.key(),
        **service_rows.rows(form, len(rooms)),
    )


@router.get("/new")
async def new(request: Request, site: Site) -> Response:
    staff = await everything(request, site, "/v1/staff")
    return await _page(request, site, Form(dict(_DEFAULTS), {"staff": [item["id"] for item in staff]}))


@router.post("/new")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    body = await _body(request, site, form)
    key, absorb = form.key(), partial(service_rows.absorb, form, fields=_FIELDS)
    if not await sent(
        request, site, form, "POST", "/v1/services", body=body, idempotency_key=key, absorb=absorb
    ):
        return await _page(request, site, form)
    outcome = "can be booked now" if body["staff_ids"] else "is saved; nobody performs it yet"
    return site.pages.redirect(request, "/dashboard/services", f"{form.get('name')} {outcome}.")


@router.get("/{service_id}")
async def show(request: Request, site: Site, service_id: ServiceId) -> Response:
    found = (await site.sessions.call(request, "GET", f"/v1/services/{service_id}")).data
    amount = Decimal(found["price"]["amount"]).scaleb(-decimals(found["price"]["currency"]))
    values = {name: str(found[name]) for name in (*_NUMBERS, "name", "description", "version")}
    values |= {"price": str(amount), "requires_confirmation": "yes" if found["requires_confirmation"] else ""}
    form = Form(values, {"staff": found["staff_ids"]})
    service_rows.fill(form, found)
    return await _page(request, site, form, service_id)


@router.post("/{service_id}")
async def replace(request: Request, site: Site, service_id: ServiceId) -> Response:
    form = await read_form(request)
    body = await _body(request, site, form)
    path, page = f"/v1/services/{service_id}", f"/dashboard/services/{service_id}"
    absorb = partial(service_rows.absorb, form, fields=_FIELDS)
    if not await sent(request, site, form, "PUT", path, body=body, changing=page, absorb=absorb):
        return await _page(request, site, form, service_id)
    return site.pages.redirect(request, "/dashboard/services", f"{form.get('name')} is saved.")


@router.post("/{service_id}/remove")
async def remove(request: Request, site: Site, service_id: ServiceId) -> Response:
    await read_form(request)
    await site.sessions.call(request, "DELETE", f"/v1/services/{service_id}")
    return site.pages.redirect(request, "/dashboard/services", "Removed. Appointments already booked stay.")


async def _body(request: Request, site: Web, form: Form) -> dict[str, Any]:
    """The API's body; notes faults in the form."""
    form.require("name", "price")
    business = await profile(request, site)
    body: dict[str, Any] = {"name": form.get("name"), "description": form.get("description")}
    body |= {name: form.whole(name) for name in _NUMBERS}
    return (
        body
        | {
            "requires_confirmation": form.checked("requires_confirmation"),
            "price_amount": _minor_units(form, str(business["currency"])),
            "staff_ids": form.all("staff"),
        }
        | service_rows.typed(form)
    )


def _minor_units(form: Form, currency: str) -> int | None:
    places = decimals(currency)
    highest = Decimal(_HIGHEST_PRICE).scaleb(-places)
    try:
        amount = Decimal(form.get("price").replace(",", "."))
    except ArithmeticError:
        amount = Decimal("NaN")
    exponent = amount.as_tuple().exponent
    # More decimals than the currency has mean that the point or comma separates thousands: 1,000 is not 1.
    if not isinstance(exponent, int) or exponent < -places or amount < 0:
        form.faults["price"] = f"This must be an amount such as {Decimal(25):.{places}f}."
    elif amount > highest:
        form.faults["price"] = f"This must be at most {highest:,.{places}f}."
    else:
        return int(amount.scaleb(places))
    return None
