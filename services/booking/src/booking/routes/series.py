"""Recurring appointments: booked by the business in one go, cancelled from some day on."""

import datetime as dt
from typing import Literal, Self
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator

from booking.domain import Appointment, Customer
from booking.recurrence import MOST, Every, Rule
from booking.routes.appointments import StaffBookingBody
from booking.routes.deps import Booking
from booking.routes.models import AppointmentAnswer
from booking.series import Series, SeriesRequest
from servicekit.errors import Invalid
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, Instant, LocalDate
from servicekit.http.routes import Router
from servicekit.http.tokens import Member

router = Router(prefix="/v1/series", tags=["recurring appointments"])


class RuleBody(Body):
    """The local time recurs: 09:00 stays 09:00 when the clocks change.

    A time that a clock change skips moves to the end of the gap; of a time that comes twice, the first is meant. A
    month that lacks the day of the first start is left out and not counted.
    """

    every: Every
    interval: int = Field(
        default=1, ge=1, le=12, description="Every how many days, weeks or months it recurs."
    )
    count: int | None = Field(default=None, ge=2, le=MOST, description="The number of appointments.")
    until: LocalDate | None = Field(
        default=None, description=f"The last local date, instead of `count`; {MOST} appointments at most."
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.count is None) == (self.until is None):
            raise Invalid.field("/rule/count", "give either count or until")
        return self


class SeriesBody(StaffBookingBody):
    rule: RuleBody
    on_conflict: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="When some of the times cannot be booked: `refuse` books none, `skip` books the others.",
    )


class SkippedAnswer(Answer):
    starts_at: dt.datetime
    reason: Literal["taken", "not-offered"]
    detail: str


class SeriesAnswer(Answer):
    """`timezone` is the zone of the local time that recurs: that of the staff member in the request, else the
    business's."""

    id: UUID
    timezone: str
    appointments: list[AppointmentAnswer]
    skipped: list[SkippedAnswer]
    months_without_day: list[str] = Field(
        description="The months that were left out, as they lack the day: YYYY-MM."
    )

    @classmethod
    def of(cls, series: Series) -> "SeriesAnswer":
        return cls(
            id=series.series_id,
            timezone=series.zone,
            appointments=[AppointmentAnswer.of(item, series.customer) for item in series.appointments],
            skipped=[SkippedAnswer.model_validate(item) for item in series.skipped],
            months_without_day=list(series.months_without_day),
        )


class RestBody(Body):
    begin: Instant | None = Field(
        default=None,
        alias="from",
        description="Appointments that start before this time stay. Now, by default.",
    )


class RestAnswer(Answer):
    """The appointments that this request has cancelled: none when it is repeated."""

    id: UUID
    cancelled: list[AppointmentAnswer]

    @classmethod
    def of(cls, series_id: UUID, cancelled: list[tuple[Appointment, Customer]]) -> "RestAnswer":
        return cls(id=series_id, cancelled=[AppointmentAnswer.of(*item) for item in cancelled])


@router.post("", status_code=201, response_model=SeriesAnswer, summary="Book a series of appointments")
async def book(body: SeriesBody, who: Member, key: Idempotency, booking: Booking) -> Response:
    """Books all appointments in one transaction, or none. Without `staff_id`, one person takes all of them where
    somebody can; otherwise each goes to whoever is free and least busy."""
    rule = Rule(body.rule.every, body.rule.interval, body.rule.count, body.rule.until)
    first = body.request("staff", notes=body.notes)
    wanted = SeriesRequest(first, body.person, rule, body.on_conflict == "skip")
    return respond(await booking.book_series(who.tenant_id, key, wanted, SeriesAnswer.of))


@router.post("/{series_id}/cancel", summary="Cancel the rest of a series")
async def cancel(series_id: UUID, who: Member, booking: Booking, body: RestBody | None = None) -> RestAnswer:
    """Cancels the rest: every appointment of the series that has not begun. `GET /v1/appointments?series=` lists
    them."""
    begin = body.begin if body else None
    return RestAnswer.of(series_id, await booking.cancel_series(who.tenant_id, series_id, begin))
