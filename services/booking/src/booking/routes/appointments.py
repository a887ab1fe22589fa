"""The business's day: its appointments, and what is done with them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from booking.domain import Appointment, Customer, Status
from booking.routes.deps import Booking
from booking.routes.models import AppointmentAnswer, AppointmentEdit, BookedAnswer, BookingBody
from servicekit.http.headers import Idempotency, IfMatch, etag, respond
from servicekit.http.models import Instant, Text
from servicekit.http.pages import Page, Paging, encode_cursor
from servicekit.http.routes import Router
from servicekit.http.tokens import Member

router = Router(prefix="/v1/appointments", tags=["appointments"])


class StaffBookingBody(BookingBody):
    notes: Text = Field(default="", description="Notes that only the business sees.")


def _tagged(found: tuple[Appointment, Customer], response: Response) -> AppointmentAnswer:
    response.headers["ETag"] = etag(found[0].revision)
    return AppointmentAnswer.of(*found)


@router.post("", status_code=201, response_model=BookedAnswer, summary="Book an appointment for a customer")
async def book(body: StaffBookingBody, who: Member, key: Idempotency, booking: Booking) -> Response:
    wanted = body.request("staff", notes=body.notes)
    return respond(await booking.book(who.tenant_id, key, wanted, body.person, BookedAnswer.of))


@router.get("", summary="List appointments")
async def list_appointments(
    who: Member,
    paging: Paging,
    booking: Booking,
    begin: Annotated[
        Instant | None, Query(alias="from", description="Appointments that start at this time or later.")
    ] = None,
    end: Annotated[
        Instant | None, Query(alias="to", description="Appointments that start before this time.")
    ] = None,
    status: Status | None = None,
    staff: UUID | None = None,
    customer: UUID | None = None,
    series: UUID | None = None,
    order: Annotated[
        Literal["asc", "desc"],
        Query(description="`asc`: the earliest start first; `desc`: the latest first."),
    ] = "asc",
) -> Page[AppointmentAnswer]:
    found = await booking.appointments(
        who.tenant_id,
        begin=begin,
        end=end,
        status=status,
        staff_id=staff,
        customer_id=customer,
        series_id=series,
        latest_first=order == "desc",
        after=paging.after_time_and_id(),
        limit=paging.limit + 1,
    )
    more = len(found) > paging.limit
    found = found[: paging.limit]
    cursor = None
    if more:
        last = found[-1][0]
        cursor = encode_cursor(last.starts_at.isoformat(), str(last.appointment_id))
    return Page(items=[AppointmentAnswer.of(*item) for item in found], next_cursor=paging.link(cursor))


@router.get("/{appointment_id}", summary="Read an appointment")
async def read(appointment_id: UUID, who: Member, booking: Booking, response: Response) -> AppointmentAnswer:
    return _tagged(await booking.appointment(who.tenant_id, appointment_id), response)


@router.patch("/{appointment_id}", summary="Move an appointment or change its notes")
async def edit(
    appointment_id: UUID,
    body: AppointmentEdit,
    who: Member,
    revision: IfMatch,
    booking: Booking,
    response: Response,
) -> AppointmentAnswer:
    found = await booking.edit(
        who.tenant_id,
        appointment_id,
        revision,
        starts_at=body.starts_at,
        staff_id=body.staff_id,
        notes=body.notes,
    )
    return _tagged(found, response)


@router.post("/{appointment_id}/cancel", summary="Cancel an appointment")
async def cancel(
    appointment_id: UUID, who: Member, booking: Booking, response: Response
) -> AppointmentAnswer:
    return _tagged(await booking.cancel(who.tenant_id, appointment_id), response)


@router.post("/{appointment_id}/confirm", summary="Confirm a pending appointment")
async def confirm(
    appointment_id: UUID, who: Member, booking: Booking, response: Response
) -> AppointmentAnswer:
    return _tagged(await booking.settle(who.tenant_id, appointment_id, Status.CONFIRMED), response)


@router.post("/{appointment_id}/complete", summary="Mark an appointment as completed")
async def complete(
    appointment_id: UUID, who: Member, booking: Booking, response: Response
) -> AppointmentAnswer:
    return _tagged(await booking.settle(who.tenant_id, appointment_id, Status.COMPLETED), response)


@router.post("/{appointment_id}/no-show", summary="Mark an appointment as no-show")
async def no_show(
    appointment_id: UUID, who: Member, booking: Booking, response: Response
) -> AppointmentAnswer:
    return _tagged(await booking.settle(who.tenant_id, appointment_id, Status.NO_SHOW), response)
