"""An appointment by its customer's link: see it, move it, cancel it, put it into a calendar."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Response
from pydantic import Field

from booking.domain import CALENDAR_STATUS, Resource, Status
from booking.routes.deps import Booking
from booking.routes.models import Canceller, MoveBody
from booking.service import Managed
from contracts.model import Money
from contracts.platform import TenantChanged
from servicekit.http.models import Answer
from servicekit.http.routes import Router
from servicekit.ical import MEDIA_TYPE, CalendarEvent, calendar_file

router = Router(prefix="/v1/public/appointments", tags=["appointment by link"])

Token = Annotated[str, Path(max_length=100)]


class BusinessAnswer(Answer):
    slug: str
    display_name: str
    timezone: str

    @classmethod
    def of(cls, tenant: TenantChanged) -> "BusinessAnswer":
        return cls(slug=tenant.slug, display_name=tenant.display_name, timezone=tenant.timezone)


class NamedAnswer(Answer):
    id: UUID
    name: str


class BookedServiceAnswer(NamedAnswer):
    booking_window_days: int = Field(description="How many days ahead the appointment can be moved at most.")


class ManagedAnswer(Answer):
    """`changeable_until` is null when the appointment can no longer be changed online."""

    id: UUID
    version: int
    status: Status
    cancelled_by: Canceller
    starts_at: datetime
    ends_at: datetime
    timezone: str
    business: BusinessAnswer
    service: BookedServiceAnswer
    staff: list[NamedAnswer]
    resources: list[NamedAnswer]
    price: Money
    changeable_until: datetime | None
    manage_url: str

    @classmethod
    def of(cls, managed: Managed) -> "ManagedAnswer":
        tenant, appointment, offer = managed.tenant, managed.appointment, managed.offer
        return cls(
            id=appointment.appointment_id,
            version=appointment.version,
            status=appointment.status,
            cancelled_by=appointment.cancelled_by,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            timezone=appointment.timezone,
            business=BusinessAnswer.of(tenant),
            service=BookedServiceAnswer(
                id=offer.service_id, name=offer.name, booking_window_days=offer.booking_window.days
            ),
            staff=_named(managed.taken, "staff"),
            resources=_named(managed.taken, "resource"),
            price=Money(amount=appointment.price_amount, currency=appointment.currency),
            changeable_until=managed.changeable_until,
            manage_url=managed.manage_url,
        )


def _named(taken: Sequence[Resource], kind: str) -> list[NamedAnswer]:
    return [NamedAnswer(id=item.resource_id, name=item.name) for item in taken if item.kind == kind]


@router.get("/{token}.ics", response_class=Response, summary="Read an appointment as a calendar file")
async def calendar(token: Token, booking: Booking) -> Response:
    """An iCalendar file (RFC 5545). Its UID stays the same, its SEQUENCE rises with each change."""
    managed = await booking.managed(token)
    appointment = managed.appointment
    event = CalendarEvent(
        appointment_id=appointment.appointment_id,
        version=appointment.version,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        status=CALENDAR_STATUS[appointment.status],
        summary=f"{managed.offer.name} – {managed.tenant.display_name}",
        stamp=appointment.created_at,
        url=managed.manage_url,
    )
    return Response(
        calendar_file(event),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": 'attachment; filename="appointment.ics"'},
    )


@router.get("/{token}", summary="Read an appointment by its link")
async def read(token: Token, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.managed(token))


@router.patch("/{token}", summary="Move an appointment by its link")
async def reschedule(token: Token, body: MoveBody, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.reschedule_by_customer(token, body.starts_at, body.staff_id))


@router.delete("/{token}", summary="Cancel an appointment by its link")
async def cancel(token: Token, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.cancel_by_customer(token))
