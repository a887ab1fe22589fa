"""What the handlers are given."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request

from booking.busy_service import BusyCalendarService
from booking.feed_service import FeedService
from booking.record_service import RecordService
from booking.service import BookingService
from booking.waitlist_service import WaitlistService


@dataclass(frozen=True, slots=True)
class Services:
    """The service layer, as booking.app wires it."""

    booking: BookingService
    records: RecordService
    feeds: FeedService
    busy_calendars: BusyCalendarService


# Asynchronous, though nothing is awaited: FastAPI runs other dependencies in a thread, and waits for one.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.service
    return services


Wired = Annotated[Services, Depends(_services)]


async def _booking(services: Wired) -> BookingService:
    return services.booking


async def _records(services: Wired) -> RecordService:
    return services.records


async def _feeds(services: Wired) -> FeedService:
    return services.feeds


async def _busy_calendars(services: Wired) -> BusyCalendarService:
    return services.busy_calendars


Booking = Annotated[BookingService, Depends(_booking)]
"""Appointments and holds."""
Records = Annotated[RecordService, Depends(_records)]
"""Customers, exports and the audit trail."""
Feeds = Annotated[FeedService, Depends(_feeds)]
"""Staff members' calendars, for them to subscribe to."""
BusyCalendars = Annotated[BusyCalendarService, Depends(_busy_calendars)]
"""Staff members' other calendars."""


async def _waitlist(booking: Booking) -> WaitlistService:
    return booking.waitlist


Waitlist = Annotated[WaitlistService, Depends(_waitlist)]
"""Its part for the waitlist."""


async def _business(slug: Annotated[str, Path(max_length=63)], booking: Booking) -> UUID:
    return await booking.tenant_id(slug)


PublicBusiness = Annotated[UUID, Depends(_business)]
"""The tenant whose slug stands in the path."""
