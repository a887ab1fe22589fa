"""What anyone may do with a business, without an account: see free times, keep one or give it back, book one."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from pydantic_core import to_json

from booking.domain import Hold, Offer
from booking.placing import HoldRequest
from booking.routes.deps import Booking, ClientAddress
from booking.routes.models import BookedAnswer, BookingBody, CustomerBody, SlotBody
from booking.service import Availability
from booking.slots.availability import Slot
from contracts.model import Slug
from servicekit.http.headers import Idempotency, respond
from servicekit.http.models import Answer, Body, LocalDate, TimeZone
from servicekit.http.routes import Router

router = Router(prefix="/v1/public/{slug}", tags=["public booking"])

_AT_ONCE = 1000
"""Slots that are written at once; of more each so many in turn, in a thread."""


class AvailabilityQuery(Body):
    service: UUID
    staff: UUID | None = None
    first: LocalDate = Field(alias="from", description="The first local date, in `timezone`.")
    last: LocalDate = Field(
        alias="to",
        description="The last local date; the range has 62 days at most. The answer's `to` may be earlier.",
    )
    timezone: TimeZone | None = Field(default=None, description="The business's time zone by default.")


class SlotAnswer(Answer):
    starts_at: dt.datetime
    ends_at: dt.datetime
    staff_ids: list[UUID] = Field(description="The staff members who can be asked for at this time.")


class AvailabilityAnswer(Answer):
    service_id: UUID
    timezone: str
    to: dt.date = Field(
        description="The last local date whose slots are in this answer. Where it is before the one asked for, ask"
        " again from the day after: for services with a short step and many staff, one answer holds a few"
        " days only."
    )
    slots: list[SlotAnswer]


class PublicBookingBody(BookingBody):
    customer: CustomerBody
    hold_id: UUID | None = Field(
        default=None, description="The id of a hold of this slot, which then becomes the appointment."
    )


class HoldAnswer(Answer):
    id: UUID
    service_id: UUID
    staff_id: UUID
    starts_at: dt.datetime
    ends_at: dt.datetime
    expires_at: dt.datetime

    @classmethod
    def of(cls, hold: Hold, offer: Offer) -> "HoldAnswer":
        return cls(
            id=hold.hold_id,
            service_id=hold.service_id,
            staff_id=hold.resource_ids[0],
            starts_at=hold.starts_at,
            ends_at=hold.starts_at + offer.duration,
            expires_at=hold.expires_at,
        )


@router.get("/availability", response_model=AvailabilityAnswer, summary="List free slots")
async def availability(
    query: Annotated[AvailabilityQuery, Query()], slug: Slug, booking: Booking
) -> Response:
    found = await booking.availability(
        slug, query.service, query.staff, query.first, query.last, query.timezone
    )
    if len(found.slots) > _AT_ONCE:
        body = await asyncio.to_thread(_written, query.service, found)
    else:
        body = _written(query.service, found)
    return Response(body, media_type="application/json")


def _written(service_id: UUID, found: Availability) -> bytes:
    """An AvailabilityAnswer's JSON. Two months by the minute are 89,280 slots; as many models, made, checked and
    written one behind the other, would keep everybody else waiting for most of a second.
    """
    slots = found.slots
    parts = [_listed(slots[first : first + _AT_ONCE]) for first in range(0, len(slots), _AT_ONCE)]
    head = to_json({"service_id": service_id, "timezone": found.zone, "to": found.last})
    return head[:-1] + b',"slots":[' + b",".join(parts) + b"]}"


def _listed(slots: Sequence[Slot]) -> bytes:
    """SlotAnswers with commas between."""
    return to_json(
        [
            {"starts_at": slot.starts_at, "ends_at": slot.ends_at, "staff_ids": slot.resource_ids}
            for slot in slots
        ]
    )[1:-1]


@router.post("/holds", status_code=201, response_model=HoldAnswer, summary="Hold a slot")
async def hold(
    body: SlotBody, key: Idempotency, slug: Slug, address: ClientAddress, booking: Booking
) -> Response:
    wanted = HoldRequest(body.service_id, body.staff_id, body.starts_at)
    return respond(await booking.hold(slug, key, wanted, address, HoldAnswer.of))


@router.delete("/holds/{hold_id}", status_code=204, summary="Give a held slot back")
async def give_back(hold_id: UUID, slug: Slug, booking: Booking) -> None:
    """The answer is the same when the hold has expired, was used or never existed."""
    await booking.give_back(slug, hold_id)


@router.post("/appointments", status_code=201, response_model=BookedAnswer, summary="Book an appointment")
async def book(body: PublicBookingBody, key: Idempotency, slug: Slug, booking: Booking) -> Response:
    wanted = body.request("public", hold_id=body.hold_id)
    return respond(await booking.book(slug, key, wanted, body.person, BookedAnswer.of))
