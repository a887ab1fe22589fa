"""A staff member's other calendar: while it says that they are busy, nothing is offered and nothing booked."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from booking.busy_calendars.store import BusyCalendar
from booking.routes.deps import BusyCalendars
from servicekit.http.models import Answer, Body
from servicekit.http.routes import Router
from servicekit.http.tokens import Owner
from servicekit.outbound import MAX_URL

router = Router(prefix="/v1/busy-calendars/{staff_id}", tags=["busy calendars"])


class BusyCalendarBody(Body):
    url: Annotated[str, Field(max_length=MAX_URL, description="The https:// address of an iCalendar file.")]


class BusyCalendarAnswer(Answer):
    """The calendar is fetched every quarter of an hour. While that fails, the busy times of the last success are
    kept: `failing_since` says since when, `fault` why. `busy_times` is their number."""

    staff_id: UUID
    url: str
    last_fetch_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    fault: str | None
    busy_times: int


def _answer(calendar: BusyCalendar) -> BusyCalendarAnswer:
    return BusyCalendarAnswer(
        staff_id=calendar.resource_id,
        url=calendar.url,
        last_fetch_at=calendar.last_fetch_at,
        last_success_at=calendar.last_success_at,
        failing_since=calendar.failing_since,
        fault=calendar.fault,
        busy_times=calendar.times,
    )


@router.put("", summary="Import busy times from a calendar")
async def import_from(
    staff_id: UUID, body: BusyCalendarBody, who: Owner, calendars: BusyCalendars
) -> BusyCalendarAnswer:
    """Imports busy times from this address. Those from an earlier address are removed."""
    return _answer(await calendars.import_from(who.tenant_id, staff_id, body.url))


@router.get("", summary="Read the state of the import")
async def read(staff_id: UUID, who: Owner, calendars: BusyCalendars) -> BusyCalendarAnswer:
    return _answer(await calendars.calendar(who.tenant_id, staff_id))


@router.delete("", status_code=204, summary="End the import")
async def remove(staff_id: UUID, who: Owner, calendars: BusyCalendars) -> None:
    await calendars.remove(who.tenant_id, staff_id)
