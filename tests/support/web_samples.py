"""What the services answer, made with their own models."""

import datetime as dt
from typing import Any
from uuid import UUID

from auth.routes.members import MemberAnswer
from auth.routes.sessions import BusinessAnswer as Membership
from auth.routes.sessions import SessionAnswer
from auth.routes.signups import SignupAnswer
from billing.routes.subscription import PlanAnswer, SubscriptionAnswer
from billing.routes.usage import AppointmentsAnswer, MetricAnswer, UsageAnswer
from booking.domain import Status
from booking.routes.managed import BookedServiceAnswer, BusinessAnswer, ManagedAnswer, NamedAnswer
from booking.routes.models import AppointmentAnswer, BookedAnswer, CustomerAnswer
from booking.routes.public import AvailabilityAnswer, HoldAnswer, SlotAnswer
from booking.routes.waitlist import OfferAnswer, WaitingAnswer
from booking.waitlist.domain import EntryState
from business.routes.policy import PolicyAnswer, RuleAnswer
from business.routes.profile import ProfileAnswer, PublicBusiness, PublicStaff
from business.routes.resources import ResourceAnswer
from business.routes.services import ServiceAnswer
from business.routes.staff import StaffAnswer
from contracts.booking import Channel, Consent
from contracts.business import Hours, HoursException, Interval
from contracts.model import Money

TENANT, SERVICE, ADA, GRACE = (UUID(int=number) for number in (1, 2, 3, 4))
APPOINTMENT, CUSTOMER, HOLD, SESSION = (UUID(int=number) for number in (5, 6, 7, 8))
ROOM, CHAIRS = UUID(int=50), UUID(int=51)
TOKEN = "AAAA-token_of_an_appointment"
ZONE = "Europe/Lisbon"
PRICE = Money(amount=2500, currency="EUR")


def page(*items: Any, cursor: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": cursor}


def service(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": SERVICE,
        "version": 3,
        "name": "Haircut",
        "description": "Wash, cut and dry.",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 5,
        "slot_step_minutes": 15,
        "minimum_notice_minutes": 60,
        "booking_window_days": 60,
        "cancellation_window_minutes": 1440,
        "capacity": 1,
        "requires_confirmation": False,
        "price": PRICE,
        "staff_ids": [ADA, GRACE],
        "staff_count": 1,
        "needs": [],
        "questions": [],
    }
    return ServiceAnswer(**values | changes).model_dump(mode="json")


def business(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "slug": "riverside",
        "display_name": "Riverside Barbers",
        "description": "Cuts and shaves by the river, since 1987.",
        "contact_email": "hello@riverside.example",
        "contact_phone": "+351912345678",
        "address": "Rua das Flores 12, Lisboa",
        "timezone": ZONE,
        "locale": "en",
        "currency": "EUR",
        "accepts_bookings": True,
        "services": [service(), service(id=UUID(int=20), name="Beard trim", duration_minutes=15)],
        "staff": [PublicStaff(id=ADA, name="Ada"), PublicStaff(id=GRACE, name="Grace <b>Hopper</b>")],
    }
    return PublicBusiness(**values | changes).model_dump(mode="json")


def profile(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": TENANT,
        "slug": "riverside",
        "display_name": "Riverside Barbers",
        "description": "",
        "contact_email": None,
        "contact_phone": None,
        "address": None,
        "timezone": ZONE,
        "locale": "en",
        "currency": "EUR",
        "state": "active",
        "plan": "pro",
        "version": 1,
    }
    return ProfileAnswer(**values | changes).model_dump(mode="json")


def member(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": ADA,
        "version": 4,
        "name": "Ada",
        "email": "ada@riverside.example",
        "timezone": ZONE,
        "weekly_hours": [
            Hours(weekday=day, opens=dt.time(opens), closes=dt.time(closes))
            for day in range(5)
            for opens, closes in ((9, 12), (13, 17))
        ],
        "exceptions": [
            HoursException(
                date=dt.date(2030, 12, 24), intervals=[Interval(opens=dt.time(9), closes=dt.time(12))]
            ),
            HoursException(date=dt.date(2030, 12, 25), intervals=[]),
        ],
    }
    return StaffAnswer(**values | changes).model_dump(mode="json")


def room(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": ROOM,
        "version": 2,
        "name": "Massage room",
        "timezone": ZONE,
        "capacity": 1,
        "weekly_hours": None,
        "exceptions": [],
    }
    return ResourceAnswer(**values | changes).model_dump(mode="json")


def availability(*starts: dt.datetime, to: dt.date = dt.date(2099, 12, 31)) -> dict[str, Any]:
    slots = [
        SlotAnswer(starts_at=start, ends_at=start + dt.timedelta(minutes=30), staff_ids=[ADA])
        for start in starts
    ]
    return AvailabilityAnswer(service_id=SERVICE, timezone=ZONE, to=to, slots=slots).model_dump(mode="json")


def hold(starts_at: dt.datetime, *, minutes: float = 5) -> dict[str, Any]:
    return HoldAnswer(
        id=HOLD,
        service_id=SERVICE,
        staff_id=ADA,
        starts_at=starts_at,
        ends_at=starts_at + dt.timedelta(minutes=30),
        expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes),
    ).model_dump(mode="json")


def booked(starts_at: dt.datetime) -> dict[str, Any]:
    return BookedAnswer(
        id=APPOINTMENT,
        version=1,
        status=Status.CONFIRMED,
        starts_at=starts_at,
        ends_at=starts_at + dt.timedelta(minutes=30),
        timezone=ZONE,
        service_id=SERVICE,
        staff_ids=[ADA],
        price=PRICE,
        manage_url=f"http://slotwright.test/appointments/{TOKEN}",
        token=TOKEN,
    ).model_dump(mode="json")


def managed(starts_at: dt.datetime, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": APPOINTMENT,
        "version": 1,
        "status": Status.CONFIRMED,
        "cancelled_by": None,
        "starts_at": starts_at,
        "ends_at": starts_at + dt.timedelta(minutes=30),
        "timezone": ZONE,
        "business": BusinessAnswer(slug="riverside", display_name="Riverside Barbers", timezone=ZONE),
        "service": BookedServiceAnswer(id=SERVICE, name="Haircut", booking_window_days=60),
        "staff": [NamedAnswer(id=ADA, name="Ada")],
        "resources": [],
        "price": PRICE,
        "changeable_until": starts_at - dt.timedelta(days=1),
        "manage_url": f"http://slotwright.test/appointments/{TOKEN}",
    }
    return ManagedAnswer(**values | changes).model_dump(mode="json")


def appointment(starts_at: dt.datetime, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": APPOINTMENT,
        "version": 1,
        "status": Status.CONFIRMED,
        "cancelled_by": None,
        "starts_at": starts_at,
        "ends_at": starts_at + dt.timedelta(minutes=30),
        "timezone": ZONE,
        "service_id": SERVICE,
        "staff_ids": [ADA],
        "price": PRICE,
        "source": "public",
        "notes": "",
        "answers": [],
        "created_at": starts_at - dt.timedelta(days=3),
        "series_id": None,
        "customer": CustomerAnswer(
            id=CUSTOMER,
            version=1,
            name="Lin <Chen>",
            email="lin@example.com",
            phone=None,
            locale="en",
            consent=Consent(email=True, sms=False),
            notes="",
            erased_at=None,
        ),
    }
    return AppointmentAnswer(**values | changes).model_dump(mode="json")


def place(starts_at: dt.datetime, *, offered: bool = False, **changes: Any) -> dict[str, Any]:
    """A place on the waitlist for the day of `starts_at`, with that time offered or not."""
    offer = OfferAnswer(
        starts_at=starts_at,
        ends_at=starts_at + dt.timedelta(minutes=30),
        staff_ids=[ADA],
        expires_at=starts_at - dt.timedelta(hours=1),
    )
    values: dict[str, Any] = {
        "id": APPOINTMENT,
        "state": EntryState.OFFERED if offered else EntryState.WAITING,
        "earliest": starts_at,
        "latest": starts_at + dt.timedelta(hours=8),
        "timezone": ZONE,
        "business": BusinessAnswer(slug="riverside", display_name="Riverside Barbers", timezone=ZONE),
        "service": NamedAnswer(id=SERVICE, name="Haircut"),
        "staff_id": None,
        "staff": [NamedAnswer(id=ADA, name="Ada")] if offered else [],
        "price": PRICE,
        "questions": [],
        "offer": offer if offered else None,
        "manage_url": None,
        "url": f"http://slotwright.test/waitlist/{TOKEN}",
        "token": TOKEN,
    }
    return WaitingAnswer(**values | changes).model_dump(mode="json")


def policy(*offsets: int) -> dict[str, Any]:
    rules = [
        RuleAnswer(id=UUID(int=30 + number), offset_seconds=offset, channel=Channel.EMAIL)
        for number, offset in enumerate(offsets)
    ]
    return PolicyAnswer(version=2, rules=rules).model_dump(mode="json")


def subscription(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mode": "Stripe",
        "state": "active",
        "plan": PlanAnswer(name="pro", display_name="Pro", price=PRICE, interval="month"),
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "current_period_end": dt.datetime(2030, 1, 31, tzinfo=dt.UTC),
        "trial_end": None,
        "cancel_at_period_end": False,
        "has_payment_method": False,
        "checkout_url": None,
    }
    return SubscriptionAnswer(**values | changes).model_dump(mode="json")


def usage() -> dict[str, Any]:
    metrics = [
        MetricAnswer(metric="bookings_per_month", limit=500, used=42),
        MetricAnswer(metric="staff", limit=None, used=None),
    ]
    return UsageAnswer(
        month="2030-01", plan="pro", metrics=metrics, appointments=AppointmentsAnswer(booked=42)
    ).model_dump(mode="json")


def colleague(**changes: Any) -> dict[str, Any]:
    """Of those who can sign in, as auth lists them."""
    values: dict[str, Any] = {
        "id": GRACE,
        "email": "grace@riverside.example",
        "name": "Grace",
        "role": "staff",
        "joined_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        "signed_in_at": dt.datetime(2030, 7, 1, 12, tzinfo=dt.UTC),
    }
    return MemberAnswer(**values | changes).model_dump(mode="json")


def tokens(**changes: Any) -> dict[str, Any]:
    riverside = Membership(
        id=TENANT, slug="riverside", display_name="Riverside Barbers", role="owner", suspended=False
    )
    values: dict[str, Any] = {
        "session_id": SESSION,
        "access_token": "access-1",
        "expires_in": 600,
        "refresh_token": "refresh-1",
        "businesses": [riverside],
    }
    return SessionAnswer(**values | changes).model_dump(mode="json")


def signup(signup_id: str, *, status: str = "requested") -> dict[str, Any]:
    return SignupAnswer(
        id=UUID(signup_id),
        status=status,
        message="The business is being set up.",
        slug="riverside",
        business_id=None,
        created_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    ).model_dump(mode="json")
