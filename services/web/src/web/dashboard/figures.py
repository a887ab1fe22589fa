"""Figures by day: what was booked, cancelled and missed, as tiles, a chart and the table behind it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from servicekit.http.routes import Router
from web import times
from web.dashboard.reading import profile
from web.service import Site

router = Router(prefix="/dashboard/figures", include_in_schema=False)

SPANS = {"7": "7 days", "30": "30 days", "90": "90 days"}
WIDTH, HEIGHT, FLOOR = 720, 190, 160


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar in the chart's own units: `height` of the bookings, `lost` of the cancellations on top."""

    x: float
    width: float
    height: float
    lost: float
    label: str


def bars(days: list[dict[str, Any]]) -> list[Bar]:
    """The chart's bars, scaled to the fullest day."""
    most = max([1, *(day["booked"] + day["cancelled"] for day in days)])
    step = WIDTH / max(1, len(days))
    scale = (FLOOR - 10) / most
    return [
        Bar(
            x=round(index * step + step * 0.15, 2),
            width=round(step * 0.7, 2),
            height=round(day["booked"] * scale, 2),
            lost=round(day["cancelled"] * scale, 2),
            label=f"{day['date']}: {day['booked']} booked, {day['cancelled']} cancelled",
        )
        for index, day in enumerate(days)
    ]


@router.get("")
async def figures(request: Request, site: Site, days: str = "30") -> Response:
    business = await profile(request, site)
    span = int(days) if days in SPANS else 30
    last = times.today(business["timezone"])
    first = last - dt.timedelta(days=span - 1)
    query = {"from": first.isoformat(), "to": last.isoformat()}
    answer = (await site.sessions.call(request, "GET", "/v1/analytics/daily", query=query)).data
    found = _every_day(answer["items"], first, span)
    return site.pages.render(
        request,
        "dashboard/figures.html",
        days=found,
        totals={name: sum(day[name] for day in found) for name in _COUNTS},
        bars=bars(found),
        span=str(span),
        spans=SPANS,
        width=WIDTH,
        height=HEIGHT,
        floor=FLOOR,
    )


_COUNTS = ("booked", "cancelled", "completed", "no_shows", "reminders_sent", "reminders_failed")


def _every_day(items: list[dict[str, Any]], first: dt.date, span: int) -> list[dict[str, Any]]:
    """One entry a day, with zeros where nothing happened."""
    known = {item["date"]: item for item in items}
    dates = [first + dt.timedelta(days=offset) for offset in range(span)]
    return [
        {"date": date.isoformat(), "day": date}
        | {name: int(known.get(date.isoformat(), {}).get(name) or 0) for name in _COUNTS}
        for date in dates
    ]
