"""Webhooks: where the business's own server is told what happens, and what it was sent. For owners.

A secret stands in the page that answers the form which makes it, and nowhere else: a notice is a cookie, and an
address is kept by browsers. That page asks the API for nothing more: a secret that is made and not shown is lost.
"""

import datetime as dt
import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from servicekit.http.routes import Router
from servicekit.ids import new_id
from web import times
from web.dashboard.pressing import press
from web.dashboard.reading import everything, next_page, profile
from web.dashboard.sending import REFUSED, sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web

_HERE = "/dashboard/webhooks"
_API = "/v1/webhook-endpoints"
router = Router(prefix=_HERE, include_in_schema=False)

EndpointId = Annotated[UUID, Path()]
DeliveryId = Annotated[UUID, Path()]

ALL = "*"
EVENTS = {
    "appointment.booked": "An appointment is booked",
    "appointment.confirmed": "An appointment is confirmed",
    "appointment.rescheduled": "An appointment is moved",
    "appointment.cancelled": "An appointment is cancelled",
    "appointment.completed": "An appointment is completed",
    "appointment.no_show": "A customer did not come",
    "message.sent": "A message went out to a customer",
    "message.failed": "A message could not be sent",
}
"""The events that an endpoint can be sent, in the order of the form."""
TOLD = EVENTS | {"webhook.test": "A test"}
STATUSES = {
    "queued": "waiting",
    "sending": "being sent",
    "delivered": "arrived",
    "failed": "did not arrive",
}
_FIELDS = {"/url": "url", "/events": "events", "/description": "description"}
_REFUSED = frozenset({403, 404, 409, 422})
_OFF = "This webhook is turned off. Turn it on first."
_LATEST = "5"
_PAGE = "50"
_MOMENT = dt.timedelta(seconds=10)


def _title(endpoint: Mapping[str, Any]) -> str:
    return str(endpoint["description"] or urlsplit(endpoint["url"]).hostname or endpoint["url"])


async def _zone(request: Request, site: Web) -> str:
    zone: str = (await profile(request, site))["timezone"]
    return zone


async def _endpoint(request: Request, site: Web, endpoint_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await site.sessions.call(request, "GET", f"{_API}/{endpoint_id}")).data
    return found


@router.get("")
async def listing(request: Request, site: Site) -> Response:
    zone = await _zone(request, site)
    endpoints = await everything(request, site, _API)
    return site.pages.render(
        request,
        "dashboard/webhooks.html",
        zone=zone,
        endpoints=[item | {"title": _title(item)} for item in endpoints],
    )


def _new(request: Request, site: Web, form: Form) -> Response:
    return site.pages.render(
        request, "dashboard/webhook_new.html", status=form.status, form=form, events=EVENTS, key=form.key()
    )


@router.get("/new")
async def new(request: Request, site: Site) -> Response:
    await site.sessions.call(request, "GET", _API, query={"limit": "1"})  # refuses who is no owner
    return _new(request, site, Form())


@router.post("/new")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    body, key, absorb = _body(form), form.key(), partial(form.absorb, fields=_FIELDS)
    answer = await sent(
        request, site, form, "POST", _API, body=body, idempotency_key=key, absorb=absorb, refused=_REFUSED
    )
    if answer is None:
        return _new(request, site, form)
    return _secret(request, site, answer.data, replaced=False)


def _body(form: Form) -> dict[str, Any]:
    """The API's body; notes faults in the form."""
    form.require("url")
    chosen = form.all("events")
    if not chosen:
        form.faults["events"] = "Choose at least one."
    elif ALL in chosen and len(chosen) > 1:  # they contradict each other
        form.faults["events"] = "Choose either everything or some of them."
    return {"url": form.get("url"), "events": chosen, "description": form.get("description")}


def _secret(request: Request, site: Web, endpoint: dict[str, Any], *, replaced: bool) -> Response:
    """The page that shows the secret; `endpoint` is the API's answer, with none where the form came again."""
    return site.pages.render(
        request,
        "dashboard/webhook_secret.html",
        endpoint=endpoint,
        title=_title(endpoint),
        replaced=replaced,
    )


async def _page(request: Request, site: Web, endpoint_id: UUID, form: Form | None = None) -> Response:
    zone = await _zone(request, site)
    endpoint = await _endpoint(request, site, endpoint_id)
    path = f"{_API}/{endpoint_id}/deliveries"
    latest = (await site.sessions.call(request, "GET", path, query={"limit": _LATEST})).data["items"]
    as_it_is = {name: str(endpoint[name]) for name in ("url", "description", "version")}
    # An event of a later release is shown too, where it is chosen already.
    others = {name: name for name in endpoint["events"] if name not in EVENTS and name != ALL}
    form = form or Form(as_it_is, {"events": endpoint["events"]})
    return site.pages.render(
        request,
        "dashboard/webhook.html",
        status=form.status,
        zone=zone,
        endpoint=endpoint,
        title=_title(endpoint),
        latest=latest,
        told=TOLD,
        statuses=STATUSES,
        form=form,
        events=EVENTS | others,
        key=str(new_id()),
    )


@router.get("/{endpoint_id}")
async def show(request: Request, site: Site, endpoint_id: EndpointId) -> Response:
    return await _page(request, site, endpoint_id)


@router.post("/{endpoint_id}")
async def edit(request: Request, site: Site, endpoint_id: EndpointId) -> Response:
    form = await read_form(request)
    body, absorb = _body(form), partial(form.absorb, fields=_FIELDS)
    path, page = f"{_API}/{endpoint_id}", f"{_HERE}/{endpoint_id}"
    if not await sent(request, site, form, "PATCH", path, body=body, changing=page, absorb=absorb):
        return await _page(request, site, endpoint_id, form)
    return site.pages.redirect(request, page, "Saved.")


@router.post("/{endpoint_id}/secret")
async def replace_secret(request: Request, site: Site, endpoint_id: EndpointId) -> Response:
    form = await read_form(request)
    path = f"{_API}/{endpoint_id}/rotate-secret"
    try:
        answer = await site.sessions.call(request, "POST", path, idempotency_key=form.key())
    except ApiProblem as problem:
        if problem.status not in _REFUSED:
            raise
        return site.pages.redirect(request, f"{_HERE}/{endpoint_id}", problem.detail, failed=True)
    return _secret(request, site, answer.data, replaced=True)


@router.post("/{endpoint_id}/test")
async def send_test(request: Request, site: Site, endpoint_id: EndpointId) -> Response:
    form = await read_form(request)
    path = f"{_API}/{endpoint_id}/test"
    try:
        answer = await site.sessions.call(request, "POST", path, idempotency_key=form.key())
    except ApiProblem as problem:
        return await _not_sent(request, site, endpoint_id, problem, f"{_HERE}/{endpoint_id}")
    return site.pages.redirect(request, f"{_HERE}/{endpoint_id}/deliveries/{answer.data['id']}")


async def _not_sent(
    request: Request, site: Web, endpoint_id: UUID, problem: ApiProblem, back: str
) -> Response:
    if problem.status not in {403, 409, 422}:
        raise problem
    words = problem.detail
    if problem.status == 409 and not (await _endpoint(request, site, endpoint_id))["enabled"]:
        words = _OFF
    return site.pages.redirect(request, back, words, failed=True)


@router.post("/{endpoint_id}/remove")
async def remove(request: Request, site: Site, endpoint_id: EndpointId) -> Response:
    await read_form(request)
    await site.sessions.call(request, "DELETE", f"{_API}/{endpoint_id}")
    return site.pages.redirect(request, _HERE, "Removed. Nothing more is sent there.")


@router.post("/{endpoint_id}/{state}")
async def turn(
    request: Request, site: Site, endpoint_id: EndpointId, state: Literal["on", "off"]
) -> Response:
    form = await read_form(request)
    return await press(
        request,
        site,
        "PATCH",
        f"{_API}/{endpoint_id}",
        back=f"{_HERE}/{endpoint_id}",
        done=f"The webhook is {state}.",
        refused=REFUSED,
        changing=form,
        body={"enabled": state == "on"},
    )


@router.get("/{endpoint_id}/deliveries")
async def log(
    request: Request,
    site: Site,
    endpoint_id: EndpointId,
    status: str = "",
    event: str = "",
    cursor: str = "",
) -> Response:
    zone = await _zone(request, site)
    endpoint = await _endpoint(request, site, endpoint_id)
    query, chosen = {"limit": _PAGE}, dict[str, str]()
    if status in STATUSES:
        query["status"] = chosen["status"] = status
    if event in TOLD:
        query["type"] = chosen["event"] = event
    if cursor:
        query["cursor"] = cursor
    path = f"{_API}/{endpoint_id}/deliveries"
    answer = (await site.sessions.call(request, "GET", path, query=query)).data
    return site.pages.render(
        request,
        "dashboard/webhook_log.html",
        zone=zone,
        endpoint=endpoint,
        title=_title(endpoint),
        items=answer["items"],
        chosen=chosen,
        told=TOLD,
        statuses=STATUSES,
        more=next_page(f"{_HERE}/{endpoint_id}/deliveries", chosen, answer),
    )


@router.get("/{endpoint_id}/deliveries/{delivery_id}")
async def delivery(
    request: Request, site: Site, endpoint_id: EndpointId, delivery_id: DeliveryId
) -> Response:
    zone = await _zone(request, site)
    endpoint = await _endpoint(request, site, endpoint_id)
    path = f"{_API}/{endpoint_id}/deliveries/{delivery_id}"
    item = (await site.sessions.call(request, "GET", path)).data
    return site.pages.render(
        request,
        "dashboard/webhook_delivery.html",
        zone=zone,
        endpoint=endpoint,
        title=_title(endpoint),
        item=item,
        told=TOLD,
        statuses=STATUSES,
        readable=_readable(item["payload"]),
        under_way=_under_way(item),
    )


def _under_way(item: Mapping[str, Any]) -> bool:
    """Whether its outcome is due within seconds; a retry hours from now is not worth waiting for."""
    if item["status"] == "queued":
        return times.instant(item["next_attempt_at"]) - dt.datetime.now(dt.UTC) < _MOMENT
    return bool(item["status"] == "sending")


def _readable(payload: str) -> str:
    """JSON with a line for each of its fields; anything else as it is."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload


@router.post("/{endpoint_id}/deliveries/{delivery_id}/resend")
async def resend(request: Request, site: Site, endpoint_id: EndpointId, delivery_id: DeliveryId) -> Response:
    await read_form(request)
    here = f"{_HERE}/{endpoint_id}/deliveries/{delivery_id}"
    path = f"{_API}/{endpoint_id}/deliveries/{delivery_id}/resend"
    try:
        await site.sessions.call(request, "POST", path)
    except ApiProblem as problem:
        return await _not_sent(request, site, endpoint_id, problem, here)
    return site.pages.redirect(request, here, "It is sent again.")
