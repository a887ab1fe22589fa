"""What is decided about a message, how long it is left alone, and how addresses are masked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.booking import Channel
from contracts.platform import TenantState
from notification.domain import (
    Appointment,
    AppointmentStatus,
    Customer,
    Decision,
    Fail,
    Message,
    MessageKind,
    Send,
    Status,
    Suppress,
    Wait,
    backoff,
    decide,
    masked,
    next_look,
)
from servicekit.clock import utc_now
from servicekit.ids import new_id
from support.tenants import new_tenant

NOW = utc_now()
START = NOW + timedelta(days=1)
TENANT = new_tenant()
APPOINTMENT = Appointment(
    appointment_id=new_id(),
    version=2,
    status=AppointmentStatus.CONFIRMED,
    service_id=new_id(),
    staff_ids=(),
    customer_id=new_id(),
    starts_at=START,
    ends_at=START + timedelta(minutes=30),
    timezone="Europe/Lisbon",
)
CUSTOMER = Customer(
    customer_id=APPOINTMENT.customer_id,
    erased=False,
    name="Ana",
    email="ana@riverside.example",
    phone="+351912345678",
    locale="en",
    consent_email=True,
    consent_sms=False,
)
REMINDER = Message(
    tenant_id=TENANT.tenant_id,
    message_id=new_id(),
    channel=Channel.EMAIL,
    kind="reminder",
    appointment_id=APPOINTMENT.appointment_id,
    appointment_version=2,
    customer_id=CUSTOMER.customer_id,
    reminder_id=new_id(),
    due_at=NOW,
    starts_at=START,
    previous_starts_at=None,
    entry_id=None,
    status=Status.QUEUED,
    queued_at=NOW,
    expires_at=START,
    attempts=0,
    counted_at=None,
    repeated=False,
    settled_at=None,
    reason=None,
    provider=None,
    recipient=None,
)


def test_a_true_message_to_somebody_who_agreed_is_sent() -> None:
    assert decide(REMINDER, TENANT, APPOINTMENT, CUSTOMER, NOW) == Send("ana@riverside.example")


@pytest.mark.parametrize(
    ("message", "appointment", "customer", "expected"),
    [
        ({}, {}, {"consent_email": False}, Suppress("no-consent")),
        ({}, {}, {"email": None}, Suppress("no-address")),
        ({"channel": Channel.SMS}, {}, {}, Suppress("no-consent")),
        ({}, {}, {"erased": True}, Suppress("erased")),
        ({}, {"starts_at": START + timedelta(hours=1)}, {}, Suppress("stale")),
        ({}, {"version": 3}, {}, Send("ana@riverside.example")),
        ({}, {"version": 1}, {}, Wait("UnknownAppointment")),
        ({"expires_at": NOW}, {}, {}, Suppress("too-late")),
        ({"expires_at": NOW, "attempts": 4}, {}, {}, Fail("Unreachable")),
    ],
)
def test_what_else_becomes_of_a_reminder(
    message: dict[str, Any],
    appointment: dict[str, Any],
    customer: dict[str, Any],
    expected: Decision,
) -> None:
    decided = decide(
        replace(REMINDER, **message),
        TENANT,
        replace(APPOINTMENT, **appointment),
        replace(CUSTOMER, **customer),
        NOW,
    )
    assert decided == expected


def test_what_has_not_been_told_yet_is_waited_for() -> None:
    assert decide(REMINDER, None, APPOINTMENT, CUSTOMER, NOW) == Wait("UnknownBusiness")
    assert decide(REMINDER, TENANT, None, CUSTOMER, NOW) == Wait("UnknownAppointment")
    assert decide(REMINDER, TENANT, APPOINTMENT, None, NOW) == Wait("UnknownCustomer")


def test_a_suspended_business_sends_nothing() -> None:
    suspended = TENANT.model_copy(update={"state": TenantState.SUSPENDED})
    assert decide(REMINDER, suspended, APPOINTMENT, CUSTOMER, NOW) == Suppress("suspended")


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("reminder", {"confirmed"}),
        ("booked", {"pending", "confirmed"}),
        ("waitlist-offer", {"offered"}),
        ("rescheduled", {"pending", "confirmed"}),
        ("confirmed", {"confirmed"}),
        ("cancelled", {"cancelled"}),
    ],
)
def test_a_message_is_true_in_some_states_of_its_appointment_only(kind: MessageKind, fits: set[str]) -> None:
    sent = {
        status.value
        for status in AppointmentStatus
        if isinstance(
            decide(replace(REMINDER, kind=kind), TENANT, replace(APPOINTMENT, status=status), CUSTOMER, NOW),
            Send,
        )
    }
    assert sent == fits


def test_backoff_doubles_and_ends_at_ten_minutes() -> None:
    for attempt in range(1, 40):
        full = min(600.0, 2.0 ** (attempt - 1))
        assert 0.75 * full <= backoff(attempt).total_seconds() <= full


def test_what_is_waited_for_is_looked_for_soon_and_then_more_rarely() -> None:
    assert next_look(NOW, NOW) - NOW == timedelta(seconds=0.2)
    later = NOW + timedelta(seconds=8)
    assert next_look(NOW, later) - later == timedelta(seconds=2)
    later = NOW + timedelta(hours=1)
    assert next_look(NOW, later) - later == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("address", "channel", "shown"),
    [
        ("ana@riverside.example", Channel.EMAIL, "a***@riverside.example"),
        ("+351912345678", Channel.SMS, "+351*******78"),
        ("+3519", Channel.SMS, "***"),
    ],
)
def test_a_masked_address_cannot_be_used(address: str, channel: Channel, shown: str) -> None:
    assert masked(address, channel) == shown
