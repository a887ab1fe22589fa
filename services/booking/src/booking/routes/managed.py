"""An appointment by its customer's link: see it, move it, cancel it, put it into a calendar."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from booking.domain import Status
from booking.routes.deps import Booking
from booking.routes.models import MoveBody
from booking.service import Managed
from contracts.model import Money
from servicekit.http.models import Answer
from servicekit.ical import CalendarEvent, EventStatus, calendar_file

router = APIRouter(prefix="/v1/public/appointments", tags=["appointment by link"])

Token = Annotated[str, Path(max_length=100)]

_ICAL_STATUS: dict[Status, EventStatus] = {
    Status.PENDING: "TENTATIVE",
    Status.CONFIRMED: "CONFIRMED",
    Status.COMPLETED: "CONFIRMED",
    Status.NO_SHOW: "CONFIRMED",
    Status.CANCELLED: "CANCELLED",
}


class BusinessAnswer(Answer):
    slug: str
    display_name: str
    timezone: str


class NamedAnswer(Answer):
    id: UUID
    name: str


class ManagedAnswer(Answer):
    """`changeable_until` is None when it can no longer be changed online."""

    id: UUID
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    business: BusinessAnswer
    service: NamedAnswer
    staff: list[NamedAnswer]
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
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            timezone=appointment.timezone,
            business=BusinessAnswer(
                slug=tenant.slug, display_name=tenant.display_name, timezone=tenant.timezone
            ),
            service=NamedAnswer(id=offer.service_id, name=offer.name),
            staff=[NamedAnswer(id=member.resource_id, name=member.name) for member in managed.staff],
            price=Money(amount=appointment.price_amount, currency=appointment.currency),
            changeable_until=managed.changeable_until,
            manage_url=managed.manage_url,
        )


@router.get("/{token}.ics", response_class=Response)
async def calendar(token: Token, booking: Booking) -> Response:
    """RFC 5545, with a UID that stays and a SEQUENCE that rises with each change."""
    managed = await booking.managed(token)
    appointment = managed.appointment
    event = CalendarEvent(
        appointment_id=appointment.appointment_id,
        version=appointment.version,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        status=_ICAL_STATUS[appointment.status],
        summary=f"{managed.offer.name} – {managed.tenant.display_name}",
        stamp=appointment.created_at,
        url=managed.manage_url,
    )
    return Response(
        calendar_file(event),
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="appointment.ics"'},
    )


@router.get("/{token}")
async def read(token: Token, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.managed(token))


@router.patch("/{token}")
async def reschedule(token: Token, body: MoveBody, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.reschedule_by_customer(token, body.starts_at, body.staff_id))


@router.delete("/{token}")
async def cancel(token: Token, booking: Booking) -> ManagedAnswer:
    return ManagedAnswer.of(await booking.cancel_by_customer(token))
