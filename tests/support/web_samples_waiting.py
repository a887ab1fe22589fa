"""Who waits, as the services answer with their own models: for a time, and for an invitation to be accepted."""

import datetime as dt
from typing import Any

from auth.routes.invitations import InvitationAnswer
from booking.routes.models import CustomerAnswer
from booking.routes.waitlist import EntryAnswer, OfferAnswer
from booking.waitlist.domain import EntryState
from contracts.booking import Consent
from support.web_samples import ADA, APPOINTMENT, CUSTOMER, HOLD, SERVICE, ZONE


def offer(starts_at: dt.datetime, expires_at: dt.datetime) -> OfferAnswer:
    """Half an hour with Ada."""
    ends_at = starts_at + dt.timedelta(minutes=30)
    return OfferAnswer(starts_at=starts_at, ends_at=ends_at, staff_ids=[ADA], expires_at=expires_at)


def entry(earliest: dt.datetime, latest: dt.datetime, **changes: Any) -> dict[str, Any]:
    """Somebody who waits for a start in this time, with anyone, since two days before it."""
    values: dict[str, Any] = {
        "id": APPOINTMENT,
        "state": EntryState.WAITING,
        "service_id": SERVICE,
        "staff_id": None,
        "earliest": earliest,
        "latest": latest,
        "timezone": ZONE,
        "created_at": earliest - dt.timedelta(days=2),
        "customer": CustomerAnswer(
            id=CUSTOMER,
            version=1,
            name="Lin <Chen>",
            email="lin@example.com",
            phone="+351912345678",
            locale="en",
            consent=Consent(email=True, sms=False),
            notes="",
            erased_at=None,
        ),
        "offer": None,
        "offers": 0,
    }
    return EntryAnswer(**values | changes).model_dump(mode="json")


def invitation(**changes: Any) -> dict[str, Any]:
    """Of somebody who was asked in as staff; the mail with the link was sent."""
    values: dict[str, Any] = {
        "id": HOLD,
        "email": "bo@riverside.example",
        "name": "Bo",
        "role": "staff",
        "status": "pending",
        "created_at": dt.datetime(2030, 1, 7, 9, tzinfo=dt.UTC),
        "sent_at": dt.datetime(2030, 7, 1, 12, tzinfo=dt.UTC),
        "expires_at": dt.datetime(2030, 7, 8, 12, tzinfo=dt.UTC),
        "refused": None,
    }
    return InvitationAnswer(**values | changes).model_dump(mode="json")
