"""An appointment by its customer's link: see it, move it, cancel it, put it into a calendar."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response
from icalendar import Calendar, Event

from booking.domain import Resource, Status
from booking.routes.deps import Booking
from booking.routes.models import MoveBody
from booking.service import Managed
from contracts.model import Money
from servicekit.http.models import Answer

router = APIRouter(prefix="/v1/public/appointments", tags=["appointment by link"])

Token = Annotated[str, Path(max_length=100)]

_ICAL_STATUS = {
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
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            timezone=appointment.timezone,
            business=BusinessAnswer(
                slug=tenant.slug, display_name=tenant.display_name, timezone=tenant.timezone
            ),
            service=NamedAnswer(id=offer.service_id, name=offer.name),
            staff=_named(managed.taken, "staff"),
            resources=_named(managed.taken, "resource"),
            price=Money(amount=appointment.price_amount, currency=appointment.currency),
            changeable_until=managed.changeable_until,
            manage_url=managed.manage_url,
        )


def _named(taken: Sequence[Resource], kind: str) -> list[NamedAnswer]:
    return [NamedAnswer(id=item.resource_id, name=item.name) for item in taken if item.kind == kind]


@router.get("/{token}.ics", response_class=Response)
async def calendar(token: Token, booking: Booking) -> Response:
    """RFC 5545, with a UID that stays and a SEQUENCE that rises with each change."""
    managed = await booking.managed(token)
    appointment = managed.appointment
    event = Event()
    event.add("uid", f"{appointment.appointment_id}@slotwright")
    event.add("sequence", appointment.version - 1)
    event.add("dtstamp", appointment.created_at.astimezone(UTC))
    event.add("dtstart", appointment.starts_at.astimezone(UTC))
    event.add("dtend", appointment.ends_at.astimezone(UTC))
    event.add("summary", f"{managed.offer.name} – {managed.tenant.display_name}")
    event.add("status", _ICAL_STATUS[appointment.status])
    event.add("url", managed.manage_url)
    document = Calendar()
    document.add("prodid", "-//Slotwright//Booking//EN")
    document.add("version", "2.0")
    document.add_component(event)
    return Response(
        document.to_ical(),
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
