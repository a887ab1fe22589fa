"""What notification answers, made with its own models; beside web_samples."""

import datetime as dt
from typing import Any
from uuid import UUID

from booking.routes.models import CustomerAnswer
from contracts.booking import Channel, Consent
from notification.domain import Status
from notification.routes.message_templates import PreviewAnswer, TemplateAnswer
from notification.routes.messages import MessageDetail
from notification.routes.quiet_hours import QuietHoursAnswer
from notification.routes.suppressions import SuppressionAnswer
from support import web_samples as samples

MESSAGE, BLOCKED = UUID(int=60), UUID(int=61)
AT = dt.datetime(2030, 7, 1, 20, 15, tzinfo=dt.UTC)
"""A quarter past nine where the business is."""


def message(**changes: Any) -> dict[str, Any]:
    """A reminder that has gone out by mail."""
    values: dict[str, Any] = {
        "id": MESSAGE,
        "kind": "reminder",
        "channel": Channel.EMAIL,
        "status": Status.SENT,
        "reason": None,
        "recipient": "lin<@example.com",
        "appointment_id": samples.APPOINTMENT,
        "appointment_version": 1,
        "customer_id": samples.CUSTOMER,
        "endpoint_id": None,
        "reminder_id": UUID(int=62),
        "due_at": AT,
        "segments": None,
        "held_until": None,
        "attempts": 1,
        "possibly_repeated": False,
        "provider": "smtp",
        "created_at": AT,
        "settled_at": AT + dt.timedelta(minutes=20),
        "text": None,
    }
    return MessageDetail(**values | changes).model_dump(mode="json")


def customer(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": samples.CUSTOMER,
        "version": 1,
        "name": "Lin <Chen>",
        "email": "lin@example.com",
        "phone": None,
        "locale": "en",
        "consent": Consent(email=True, sms=False),
        "notes": "",
        "erased_at": None,
    }
    return CustomerAnswer(**values | changes).model_dump(mode="json")


def template(**changes: Any) -> dict[str, Any]:
    """The mail of a booking, in the platform's words."""
    values: dict[str, Any] = {
        "kind": "booked",
        "channel": Channel.EMAIL,
        "language": "en",
        "version": 0,
        "own": [],
        "subject": "Booked: {{ service }}",
        "lead": "your appointment is booked.",
        "text": None,
    }
    return TemplateAnswer(**values | changes).model_dump(mode="json")


def preview(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "subject": "Booked: <Haircut>",
        "text": f"Hello Ana & co,\n\nhttp://slotwright.test/appointments/{'0' * 67}",
        "html": "<p>Hello</p>",
        "encoding": None,
        "units": None,
        "segments": None,
    }
    return PreviewAnswer(**values | changes).model_dump(mode="json")


def quiet(**changes: Any) -> dict[str, Any]:
    """Of a business that has laid down nothing."""
    values: dict[str, Any] = {
        "version": 0,
        "from": dt.time(21),
        "to": dt.time(8),
        "channels": [],
        "notices": False,
    }
    return QuietHoursAnswer(**values | changes).model_dump(mode="json", by_alias=True)


def blocked(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": BLOCKED,
        "channel": Channel.EMAIL,
        "address": "l***@<example.com",
        "reason": "unsubscribed",
        "scope": "reminders",
        "created_at": AT,
    }
    return SuppressionAnswer(**values | changes).model_dump(mode="json")
