"""The reminder policy: how long before an appointment its customer is reminded, and by what."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from web.forms import CHANGED, Form, read_form
from web.gateway_client import ApiProblem
from web.service import Site, Web
from web.times import offset_words

router = APIRouter(prefix="/dashboard/reminders", include_in_schema=False)

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
_LIMIT = 10
_FARTHEST = 365 * 86400
"""In seconds, as the API has it."""
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


def _render(request: Request, site: Web, form: Form, policy: dict[str, Any], status: int = 200) -> Response:
    rows = min(_LIMIT, len(policy["rules"]) + _SPARE)
    offsets = sorted({rule["offset_seconds"] for rule in policy["rules"]}, reverse=True)
    return site.pages.render(
        request,
        "dashboard/reminders.html",
        status=status,
        form=form,
        rows=range(max(rows, 1 + max((_row(name) for name in form.values), default=0))),
        units=UNITS,
        offsets=[offset_words(seconds) for seconds in offsets],
    )


def _row(name: str) -> int:
    prefix, _, row = name.partition("-")
    return min(int(row), _LIMIT - 1) if prefix == "amount" and row.isdigit() else 0


async def _policy(request: Request, site: Web) -> dict[str, Any]:
    policy: dict[str, Any] = (await site.sessions.call(request, "GET", "/v1/reminder-policy")).data
    return policy


@router.get("")
async def show(request: Request, site: Site) -> Response:
    policy = await _policy(request, site)
    return _render(request, site, _form(policy), policy)


@router.post("")
async def replace(request: Request, site: Site) -> Response:
    form = await read_form(request)
    rules = _rules(form)
    if not form.faults:
        version = form.if_match()
        body = {"rules": rules}
        try:
            await site.sessions.call(request, "PUT", "/v1/reminder-policy", body=body, if_match=version)
        except ApiProblem as problem:
            if problem.status == 412:
                return site.pages.redirect(request, "/dashboard/reminders", CHANGED, failed=True)
            if problem.status not in {403, 409, 422}:
                raise
            form.absorb(problem, {})
    if form.faults:
        return _render(request, site, form, await _policy(request, site), 422)
    return site.pages.redirect(request, "/dashboard/reminders", "The reminders are saved.")


def _rules(form: Form) -> list[dict[str, Any]]:
    """The rows that are filled in; faults stand in the form."""
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
