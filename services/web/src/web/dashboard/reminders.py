"""The reminder policy: how long before an appointment its customer is reminded, and by what."""

from functools import partial
from typing import Any

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web.dashboard.sending import sent
from web.forms import Form, read_form
from web.service import Site, Web
from web.times import offset_words

_HERE = "/dashboard/reminders"
_API = "/v1/reminder-policy"
router = Router(prefix=_HERE, include_in_schema=False)

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
_LIMIT = 10
_FARTHEST = 365 * 86400
"""In seconds; the API has the same limit."""
_SPARE = 2


def _form(policy: dict[str, Any]) -> Form:
    form = Form({"version": str(policy["version"])})
    for row, rule in enumerate(sorted(policy["rules"], key=lambda item: -item["offset_seconds"])):
        seconds = rule["offset_seconds"]
        unit = next(name for name in reversed(UNITS) if seconds % UNITS[name] == 0)
        form.values[f"amount-{row}"] = str(seconds // UNITS[unit])
        form.values[f"unit-{row}"] = unit
        form.values[f"channel-{row}"] = rule["channel"]
    return form


def _render(request: Request, site: Web, form: Form, policy: dict[str, Any]) -> Response:
    rows = min(_LIMIT, len(policy["rules"]) + _SPARE)
    offsets = sorted({rule["offset_seconds"] for rule in policy["rules"]}, reverse=True)
    return site.pages.render(
        request,
        "dashboard/reminders.html",
        status=form.status,
        form=form,
        rows=range(max(rows, 1 + max((_row(name) for name in form.values), default=0))),
        units=UNITS,
        offsets=[offset_words(seconds) for seconds in offsets],
    )


def _row(name: str) -> int:
    prefix, _, row = name.partition("-")
    return min(int(row), _LIMIT - 1) if prefix == "amount" and row.isdigit() else 0


async def _policy(request: Request, site: Web) -> dict[str, Any]:
    policy: dict[str, Any] = (await site.sessions.call(request, "GET", _API)).data
    return policy


@router.get("")
async def show(request: Request, site: Site) -> Response:
    policy = await _policy(request, site)
    return _render(request, site, _form(policy), policy)


@router.post("")
async def replace(request: Request, site: Site) -> Response:
    form = await read_form(request)
    body, absorb = {"rules": _rules(form)}, partial(form.absorb, fields={})
    if not await sent(request, site, form, "PUT", _API, body=body, changing=_HERE, absorb=absorb):
        return _render(request, site, form, await _policy(request, site))
    return site.pages.redirect(request, _HERE, "The reminders are saved.")


def _rules(form: Form) -> list[dict[str, Any]]:
    """The rows that are filled in; notes faults in the form."""
    rules: list[dict[str, Any]] = []
    for row in range(_LIMIT):
        if not form.get(f"amount-{row}"):
            continue
        amount = form.whole(f"amount-{row}")
        if amount is None:
            continue
        unit = UNITS.get(form.get(f"unit-{row}"), UNITS["hours"])
        channel = "sms" if form.get(f"channel-{row}") == "sms" else "email"
        rule = {"offset_seconds": amount * unit, "channel": channel}
        if amount == 0:
            form.faults[f"amount-{row}"] = "This must be at least 1."
        elif amount * unit > _FARTHEST:
            form.faults[f"amount-{row}"] = f"This must be at most {offset_words(_FARTHEST)}."
        elif rule in rules:
            form.faults[f"amount-{row}"] = "This one is there already."
        else:
            rules.append(rule)
    return rules
