"""A week of free times, as the pages offer them on which one is booked or moved."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web import times
from web.gateway_client import ApiProblem, Gateway

WEEK = 7
_LOOK_AHEAD = 28
_LONGEST_WINDOW = 730
"""So many days ahead any service can be booked at most."""


@dataclass(frozen=True, slots=True)
class Week:
    """Seven local days from `start`. Each day's slots carry their local start; `next_free` lies beyond the week."""

    start: dt.date
    zone: str
    days: list[tuple[dt.date, list[dict[str, Any]]]]
    previous: dt.date | None
    next: dt.date | None
    next_free: dt.date | None

    @property
    def empty(self) -> bool:
        return not any(slots for _day, slots in self.days)

    @property
    def full(self) -> list[dt.date]:
        """The days without a free time: one may wait for one."""
        return [day for day, slots in self.days if not slots]


async def free_week(
    gateway: Gateway,
    slug: str,
    *,
    service: str,
    staff: str | None,
    zone: str,
    date: str | None,
    window_days: int | None = None,
) -> Week:
    """The week from `date` on, and up to four weeks ahead, so that an empty one can say when the next free time is.

    `next` ends with the days on which the service can be booked: `window_days` from now on, where that is known.
    Weeks behind them can be asked for, as one may wait for them.
    """
    today = times.today(zone)
    window = dt.timedelta(days=window_days or _LONGEST_WINDOW)
    last = times.local(dt.datetime.now(dt.UTC) + window, zone).date()
    start = min(max(times.day_or(date, today), today), today + dt.timedelta(days=_LONGEST_WINDOW))
    following = start + dt.timedelta(days=WEEK)
    query = {"service": service, "timezone": zone} | ({"staff": staff} if staff else {})
    found = times.by_day(await _free(gateway, slug, query, start, following), zone)
    days = [start + dt.timedelta(days=offset) for offset in range(WEEK)]
    return Week(
        start=start,
        zone=zone,
        days=[(day, found.get(day, [])) for day in days],
        previous=max(start - dt.timedelta(days=WEEK), today) if start > today else None,
        next=following if following <= last else None,
        next_free=next((day for day in sorted(found) if day > days[-1]), None),
    )


async def _free(
    gateway: Gateway, slug: str, query: Mapping[str, str], start: dt.date, following: dt.date
) -> list[dict[str, Any]]:
    """The slots of the week from `start` to before `following`, and where it has none, those behind it."""
    last = start + dt.timedelta(days=_LOOK_AHEAD - 1)
    found: list[dict[str, Any]] = []
    begin = start
    while begin < following or (not found and begin <= last):
        asked = {**query, "from": begin.isoformat(), "to": last.isoformat()}
        answer = await gateway.call("GET", f"/v1/public/{slug}/availability", query=asked)
        found += answer.data["slots"]
        # A booking of the release before tells all that was asked for, and not how far.
        begin = dt.date.fromisoformat(answer.data.get("to", asked["to"])) + dt.timedelta(days=1)
    return found


def why_not(problem: ApiProblem) -> str:
    """What to say of a chosen time that the API takes for none that is offered (422)."""
    fault = problem.errors.get("/starts_at", "can no longer be booked").removeprefix("Value error, ")
    return f"This time {fault}. Please choose another."


def named(items: list[dict[str, Any]], wanted: str | None) -> Mapping[str, Any] | None:
    """The item with this id."""
    return next((item for item in items if item["id"] == wanted), None)
