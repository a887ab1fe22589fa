"""What the handlers are given."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from booking.busy_calendars.service import BusyCalendarService
from booking.records.feeds import FeedService
from booking.records.service import RecordService
from booking.service import BookingService
from booking.waitlist.service import WaitlistService
from servicekit.http.clients import client_address


@dataclass(frozen=True, slots=True)
class Services:
    """The service layer, as booking.app wires it; `behind_gateway`: see servicekit.settings."""

    booking: BookingService
    records: RecordService
    feeds: FeedService
    busy_calendars: BusyCalendarService
    behind_gateway: bool


def _wired(request: Request) -> Services:
    services: Services = request.app.state.service
    return services


# Asynchronous, though nothing is awaited: FastAPI runs other dependencies in a thread, and waits for one. And each
# by itself: what depends on another costs a booking as much again.
async def _booking(request: Request) -> BookingService:
    return _wired(request).booking


async def _records(request: Request) -> RecordService:
    return _wired(request).records


async def _feeds(request: Request) -> FeedService:
    return _wired(request).feeds


async def _busy_calendars(request: Request) -> BusyCalendarService:
    return _wired(request).busy_calendars


async def _waitlist(request: Request) -> WaitlistService:
    return _wired(request).booking.waitlist


async def _client_address(request: Request) -> str:
    return client_address(request, behind_gateway=_wired(request).behind_gateway)


Booking = Annotated[BookingService, Depends(_booking)]
"""Appointments and holds."""
Records = Annotated[RecordService, Depends(_records)]
"""Customers, exports and the audit trail."""
Feeds = Annotated[FeedService, Depends(_feeds)]
"""Staff members' calendars, for them to subscribe to."""
BusyCalendars = Annotated[BusyCalendarService, Depends(_busy_calendars)]
"""Staff members' other calendars."""

Waitlist = Annotated[WaitlistService, Depends(_waitlist)]
"""Its part for the waitlist."""

ClientAddress = Annotated[str, Depends(_client_address)]
"""Where the request came from, as text."""
