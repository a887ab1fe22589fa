"""The days on which the business is closed: a list, days that are added and taken back, and a calendar file.

The API keeps days. People think of "the week between the years": days in a row with one name are one line here, and
are added and removed together. The list is sent as a whole, with the entity tag of what the page showed.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.pressing import press
from web.dashboard.reading import profile
from web.dashboard.sending import REFUSED, sent
from web.forms import Form, read_form
from web.gateway_client import ApiProblem, Document
from web.service import Site, Web

router = Router(prefix="/dashboard/holidays", include_in_schema=False)

MOST_BYTES = 256 * 1024
"""Of a calendar file; the API has the same limit."""
_HERE = "/dashboard/holidays"
_API = "/v1/business/holidays"
_DAY = dt.timedelta(days=1)
_LONGEST = dt.timedelta(days=366)
_AT = {"name": "name", "date": "first_day"}
_IN_PLAIN_WORDS = (
    (re.compile(r"^this is not an iCalendar file.*"), "This is not a calendar file"),
    (re.compile(r"^the file is not UTF-8"), "This is not a calendar file that can be read"),
    (re.compile(r": (DTSTART|DTEND|EXDATE|RECURRENCE-ID) has a time of day"), " has a time of day"),
    (re.compile(r" has an RRULE that cannot be taken"), " repeats in a way that cannot be taken"),
    (re.compile(r"^would make"), "With it there would be"),
)
"""What the API says of a calendar file for developers, and the words that are shown instead."""


@dataclass(frozen=True, slots=True)
class Run:
    """Days in a row that have one name."""

    first: dt.date
    last: dt.date
    name: str

    @property
    def words(self) -> str:
        return times.days_in_words(self.first, self.last)


def runs(days: list[dict[str, Any]]) -> list[Run]:
    """The days, which come by date, as lines of the list."""
    found: list[Run] = []
    for item in days:
        day, name = dt.date.fromisoformat(item["date"]), item["name"]
        if found and found[-1].name == name and found[-1].last + _DAY == day:
            found[-1] = Run(found[-1].first, day, name)
        else:
            found.append(Run(day, day, name))
    return found


async def _list(request: Request, site: Web) -> dict[str, Any]:
    found: dict[str, Any] = (await site.sessions.call(request, "GET", _API)).data
    return found


async def _today(request: Request, site: Web) -> dt.date:
    return times.today((await profile(request, site))["timezone"])


async def _page(
    request: Request, site: Web, *, added: Form | None = None, file: Form | None = None, status: int = 200
) -> Response:
    today = await _today(request, site)
    listed = await _list(request, site)
    found = runs(listed["days"])
    version = str(listed["version"])
    return site.pages.render(
        request,
        "dashboard/holidays.html",
        status=status,
        coming=[run for run in found if run.last >= today],
        past=[run for run in reversed(found) if run.last < today],
        version=version,
        added=added or Form({"version": version}),
        file=file or Form(),
        most_bytes=MOST_BYTES,
    )


@router.get("")
async def show(request: Request, site: Site) -> Response:
    return await _page(request, site)


@router.post("")
async def add(request: Request, site: Site) -> Response:
    form = await read_form(request)
    days = _days(form, await _today(request, site))
    if form.faults:
        return await _page(request, site, added=form, status=422)
    new = {day.isoformat(): form.get("name") for day in days}
    # A day that is there already gets the new name. If-Match ensures that the others are those that were shown.
    kept = {item["date"]: item["name"] for item in (await _list(request, site))["days"]}

    def absorb(problem: ApiProblem) -> None:
        if "/days" in problem.errors:
            form.faults[""] = "There would be too many days. Remove some of them first."
        parts = {pointer: pointer.rpartition("/")[2] for pointer in problem.errors}
        form.absorb(problem, {pointer: _AT[part] for pointer, part in parts.items() if part in _AT})

    body = _listed(kept | new)
    if not await sent(request, site, form, "PUT", _API, body=body, changing=_HERE, absorb=absorb):
        return await _page(request, site, added=form, status=form.status)
    return site.pages.redirect(request, _HERE, f"Saved: {times.days_in_words(days[0], days[-1])}.")


def _days(form: Form, today: dt.date) -> list[dt.date]:
    """The days that were typed; notes faults in the form."""
    form.require("name")
    first = times.day_or(form.get("first_day"), dt.date.min)
    last = times.day_or(form.get("last_day"), dt.date.min) if form.get("last_day") else first
    if first == dt.date.min:
        form.faults["first_day"] = "This must be a date."
    elif last == dt.date.min:
        form.faults["last_day"] = "This must be a date."
    elif last < first:
        form.faults["last_day"] = "This must not lie before the first day."
    elif last < today:
        form.faults["first_day"] = "This lies in the past."
    elif last - first > _LONGEST:
        form.faults["last_day"] = "This must be within a year of the first day."
    if form.faults:
        return []
    return [first + number * _DAY for number in range((last - first).days + 1)]


def _listed(days: dict[str, str]) -> dict[str, Any]:
    """The whole list as the API takes it."""
    return {"days": [{"date": date, "name": days[date]} for date in sorted(days)]}


@router.post("/{first}/{last}/remove")
async def remove(request: Request, site: Site, first: dt.date, last: dt.date) -> Response:
    form = await read_form(request)
    listed = (await _list(request, site))["days"]
    kept = {item["date"]: item["name"] for item in listed if not first <= _date(item) <= last}
    return await press(
        request,
        site,
        "PUT",
        _API,
        back=_HERE,
        done=f"Removed: {times.days_in_words(first, last)}.",
        refused=REFUSED,
        changing=form,
        body=_listed(kept),
    )


def _date(item: dict[str, Any]) -> dt.date:
    return dt.date.fromisoformat(item["date"])


@router.post("/import")
async def take(request: Request, site: Site) -> Response:
    form = await read_form(request, files={"calendar": MOST_BYTES})
    if "calendar" not in form.files:
        form.faults.setdefault("calendar", "Choose a file that is not empty.")
        return await _page(request, site, file=form, status=422)

    def absorb(problem: ApiProblem) -> None:
        if "/" in problem.errors:
            form.faults["calendar"] = _why_not(problem.errors["/"])
        elif problem.status == 413:
            form.faults["calendar"] = problem.detail
        form.absorb(problem, {"/": "calendar"})

    before = (await _list(request, site))["days"]
    path, calendar = f"{_API}/import", Document("text/calendar", form.files["calendar"])
    answer = await sent(
        request, site, form, "POST", path, body=calendar, absorb=absorb, refused={*REFUSED, 413}
    )
    if answer is None:
        return await _page(request, site, file=form, status=form.status)
    return site.pages.redirect(request, _HERE, _found(before, answer.data["days"]))


def _why_not(detail: str) -> str:
    for pattern, words in _IN_PLAIN_WORDS:
        detail = pattern.sub(words, detail)
    return f"{detail[:1].upper()}{detail[1:]}. Nothing was added."


def _found(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """A sentence on the days that a file has added or renamed."""
    known = {item["date"]: item["name"] for item in before}
    added = [_date(item) for item in after if item["date"] not in known]
    renamed = [item for item in after if known.get(item["date"], item["name"]) != item["name"]]
    told = []
    if added:
        one = len(added) == 1
        span = _dated(added[0]) if one else f"{_dated(added[0])} to {_dated(added[-1])}"
        told.append(f"{len(added)} {'day' if one else 'days'} added, {span}")
    if renamed:
        told.append(f"{len(renamed)} renamed as the file has {'it' if len(renamed) == 1 else 'them'}")
    return f"{'; '.join(told)}." if told else "Nothing new: all its days are on the list already."


def _dated(day: dt.date) -> str:
    return times.days_in_words(day, day)
