"""The business's closed days, and the time off of its staff."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import AfterValidator, Field

from business.domain import MAX_HOLIDAYS, Holidays
from business.ical import MAX_BYTES
from business.routes.deps import Business
from contracts.business import Holiday, TimeOff
from servicekit.errors import Invalid, PayloadTooLarge
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Answer, Body, Instant, LocalDate, Name
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(tags=["holidays and time off"])

_CALENDAR = {
    "requestBody": {
        "required": True,
        "content": {"text/calendar": {"schema": {"type": "string", "maxLength": MAX_BYTES}}},
    }
}


class HolidayBody(Body):
    date: LocalDate
    name: Name


def _each_once(value: list[HolidayBody]) -> list[HolidayBody]:
    if len({item.date for item in value}) != len(value):
        raise ValueError("a date stands there twice")
    return value


class HolidaysBody(Body):
    days: Annotated[list[HolidayBody], Field(max_length=MAX_HOLIDAYS), AfterValidator(_each_once)]


class HolidaysAnswer(Answer):
    version: int
    days: list[Holiday]


class TimeOffBody(Body):
    starts_at: Instant
    ends_at: Instant


class TimeOffAnswer(Answer):
    id: UUID
    starts_at: dt.datetime
    ends_at: dt.datetime


def _holidays(holidays: Holidays, response: Response) -> HolidaysAnswer:
    response.headers["ETag"] = etag(holidays.version)
    return HolidaysAnswer(version=holidays.version, days=list(holidays.days))


def _time_off(item: TimeOff) -> TimeOffAnswer:
    return TimeOffAnswer(id=item.time_off_id, starts_at=item.starts_at, ends_at=item.ends_at)


@router.get("/v1/business/holidays", summary="Read the holidays")
async def read_holidays(who: Member, business: Business, response: Response) -> HolidaysAnswer:
    """The dates on which nobody works, except staff who have an exception for that date."""
    return _holidays(await business.closures.holidays(who.tenant_id), response)


@router.put("/v1/business/holidays", summary="Replace the holidays")
async def replace_holidays(
    body: HolidaysBody, who: Owner, version: IfMatch, business: Business, response: Response
) -> HolidaysAnswer:
    days = [Holiday(date=item.date, name=item.name) for item in body.days]
    return _holidays(await business.closures.replace_holidays(who.tenant_id, version, days), response)


@router.post(
    "/v1/business/holidays/import", openapi_extra=_CALENDAR, summary="Import holidays from a calendar file"
)
async def import_holidays(
    request: Request, who: Owner, business: Business, response: Response
) -> HolidaysAnswer:
    """Adds the all-day events of an iCalendar file from today until three years on, with yearly recurrences.
    Existing holidays stay as they are."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/calendar":
        raise Invalid.field("header:Content-Type", "must be text/calendar")
    calendar = await request.body()
    if len(calendar) > MAX_BYTES:
        raise PayloadTooLarge(f"A calendar may have {MAX_BYTES // 1024} KiB; send only the closed days.")
    return _holidays(await business.closures.import_holidays(who.tenant_id, calendar), response)


@router.get("/v1/staff/{staff_id}/time-off", summary="List a staff member's time off")
async def list_time_off(staff_id: UUID, who: Member, business: Business) -> list[TimeOffAnswer]:
    return [_time_off(item) for item in (await business.staff_member(who.tenant_id, staff_id)).time_off]


@router.post(
    "/v1/staff/{staff_id}/time-off", status_code=201, response_model=TimeOffAnswer, summary="Add time off"
)
async def add_time_off(
    staff_id: UUID, body: TimeOffBody, who: Owner, key: Idempotency, business: Business
) -> Response:
    """Existing appointments are not changed; `GET /v1/appointments` with `staff`, `from` and `to` lists them."""
    return respond(
        await business.closures.add_time_off(
            who.tenant_id, staff_id, key, body.starts_at, body.ends_at, _time_off
        )
    )


@router.delete("/v1/staff/{staff_id}/time-off/{time_off_id}", status_code=204, summary="Delete time off")
async def delete_time_off(staff_id: UUID, time_off_id: UUID, who: Owner, business: Business) -> None:
    await business.closures.delete_time_off(who.tenant_id, staff_id, time_off_id)
