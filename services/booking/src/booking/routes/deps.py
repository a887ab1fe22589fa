"""What the handlers are given."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from booking.service import BookingService
from booking.waitlist_service import WaitlistService


def _service(request: Request) -> BookingService:
    service: BookingService = request.app.state.service
    return service


Booking = Annotated[BookingService, Depends(_service)]
"""The service layer."""


def _waitlist(booking: Booking) -> WaitlistService:
    return booking.waitlist


Waitlist = Annotated[WaitlistService, Depends(_waitlist)]
"""Its part for the waitlist."""


async def _business(slug: Annotated[str, Path(max_length=63)], booking: Booking) -> UUID:
    return await booking.tenant_id(slug)


PublicBusiness = Annotated[UUID, Depends(_business)]
"""The tenant whose slug stands in the path."""
