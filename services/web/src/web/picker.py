"""The free times of a week, for the pages on which an appointment is booked or moved, or a time offered to somebody
on the waitlist: web.pages.booking and .appointment, web.dashboard.desk and .waiting."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web import times
from web.gateway_client import ApiProblem, Gateway

WEEK = 7
_LOOK_AHEAD = 28
_LONGEST_WINDOW = 730
"""The longest booking window that a service can have, in days."""


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
        """The days without a free time, for which the waitlist can be joined."""
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
    """The free times of the week from `date` on.

    Where it has none, four weeks are looked through for the next free time. `next` is None where the week after is
    beyond the booking window: `window_days` from now, where that is known. Such weeks can still be asked for, as
    the waitlist can be joined for them.
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
    """The slots from `start` to before `following`; where there are none, the next ones after that."""
    last = start + dt.timedelta(days=_LOOK_AHEAD - 1)
    found: list[dict[str, Any]] = []
    begin = start
    while begin < following or (not found and begin <= last):
        asked = {**query, "from": begin.isoformat(), "to": last.isoformat()}
        answer = await gateway.call("GET", f"/v1/public/{slug}/availability", query=asked)
        found += answer.data["slots"]
        # Booking as of the last release has no `to`: it answers all that was asked for.
        begin = dt.date.fromisoformat(answer.data.get("to", asked["to"])) + dt.timedelta(days=1)
    return found


def why_not(problem: ApiProblem) -> str:
    """A sentence for a chosen time that the API refuses, as it is not one of those that are offered (422)."""
    fault = problem.errors.get("/starts_at", "can no longer be booked").removeprefix("Value error, ")
    return f"This time {fault}. Please choose another."


def named(items: list[dict[str, Any]], wanted: str | None) -> Mapping[str, Any] | None:
    """The item with this id."""
    return next((item for item in items if item["id"] == wanted), None)
