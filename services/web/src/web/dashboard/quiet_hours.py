"""Quiet hours: from when until when messages to customers wait, and which of them do."""

from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.service import Site, Web

router = Router(prefix="/dashboard/messages/quiet-hours", include_in_schema=False)

_HERE = "/dashboard/messages/quiet-hours"
_API = "/v1/quiet-hours"
_CHANNELS = ("sms", "email")


async def _page(request: Request, site: Web, form: Form | None = None) -> Response:
    quiet: dict[str, Any] = (await site.sessions.call(request, "GET", _API)).data
    begins, ends = quiet["from"][:5], quiet["to"][:5]
    if form is None:
        values = {"version": str(quiet["version"]), "from": begins, "to": ends}
        values |= dict.fromkeys(quiet["channels"], "yes") | ({"notices": "yes"} if quiet["notices"] else {})
        form = Form(values)
    return site.pages.render(
        request,
        "dashboard/quiet_hours.html",
        status=form.status,
        form=form,
        waiting=quiet["channels"],
        notices=quiet["notices"],
        begins=begins,
        ends=ends,
    )


@router.get("")
async def show(request: Request, site: Site) -> Response:
    return await _page(request, site)


@router.post("")
async def replace(request: Request, site: Site) -> Response:
    form = await read_form(request)
    form.require("from", "to")
    if form.get("from") == form.get("to"):
        form.faults.setdefault("to", "This must be another time than that at which they begin.")
    body = {
        "from": form.get("from"),
        "to": form.get("to"),
        "channels": [channel for channel in _CHANNELS if form.checked(channel)],
        "notices": form.checked("notices"),
    }
    absorb = partial(form.absorb, fields={"/from": "from", "/to": "to"})
    if not await sent(request, site, form, "PUT", _API, body=body, changing=_HERE, absorb=absorb):
        return await _page(request, site, form)
    done = "The quiet hours are saved." if body["channels"] else "There are no quiet hours now."
    return site.pages.redirect(request, _HERE, done)
