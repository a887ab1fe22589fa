"""What is decided about a message, how long it is left alone, and how addresses are masked."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args

import pytest

from contracts.booking import Channel
from contracts.platform import TenantState
from notification.domain import (
    Appointment,
    AppointmentStatus,
    Customer,
    CustomerKind,
    CustomerMessage,
    Decision,
    Fail,
    Hold,
    OwnerMessage,
    Send,
    Status,
    Suppress,
    Wait,
    backoff,
    decide,
    decide_for_owner,
    masked,
    next_check,
    reason_and_detail,
)
from notification.quiet import QuietHours
from notification.suppression import Reason
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
    version=2,
    erased=False,
    name="Ana",
    email="ana@riverside.example",
    phone="+351912345678",
    locale="en",
    consent_email=True,
    consent_sms=False,
)
_QUEUED: dict[str, Any] = {
    "status": Status.QUEUED,
    "queued_at": NOW,
    "attempts": 0,
    "counted_at": None,
    "repeated": False,
    "settled_at": None,
    "reason": None,
    "repeated_at": None,
    "provider": None,
    "recipient": None,
    "segments": None,
    "held_until": None,
}
REMINDER = CustomerMessage(
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
    expires_at=START,
    **_QUEUED,
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
        ({}, {"customer_version": 3}, {"consent_email": False}, Wait("UnknownCustomer")),
        ({}, {"customer_version": 3}, {}, Wait("UnknownCustomer")),
        ({}, {"customer_version": 2}, {}, Send("ana@riverside.example")),
        ({}, {"customer_version": 1}, {}, Send("ana@riverside.example")),
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


def test_who_is_on_the_list_gets_nothing_that_it_stands_against() -> None:
    assert decide(REMINDER, TENANT, APPOINTMENT, CUSTOMER, NOW, unwanted="unsubscribed") == Suppress(
        "unsubscribed"
    )
    without = replace(CUSTOMER, email=None)
    assert decide(REMINDER, TENANT, APPOINTMENT, without, NOW, unwanted="bounced") == Suppress("no-address")
    told_apart = {reason_and_detail(reason) for reason in get_args(Reason)}
    assert told_apart == {
        ("no-consent", "unsubscribed"),
        ("no-consent", "complaint"),
        ("no-consent", "by-hand"),
        ("no-address", "bounced"),
    }
    assert reason_and_detail("quota") == ("quota", None)


ALL_DAY = QuietHours(
    version=1,
    begins=time(0),
    ends=time(23, 59),
    channels=frozenset({Channel.EMAIL}),
    notices=False,
)
NOON = datetime(2026, 6, 10, 11, tzinfo=UTC)
"""Quiet in Lisbon until 22:59 UTC."""


@pytest.mark.parametrize(
    ("message", "quiet", "held"),
    [
        ({}, {}, True),
        ({"attempts": 3}, {}, True),
        ({"status": Status.SENDING}, {}, True),
        ({"kind": "booked"}, {}, False),
        ({"kind": "booked"}, {"notices": True}, True),
        ({}, {"channels": frozenset({Channel.SMS})}, False),
        ({}, {"channels": frozenset()}, False),
        ({"expires_at": NOON + timedelta(hours=12)}, {}, False),
    ],
)
def test_what_comes_in_quiet_hours_waits_or_goes_at_once(
    message: dict[str, Any], quiet: dict[str, Any], *, held: bool
) -> None:
    starts_at = NOON + timedelta(days=2)
    appointment = replace(APPOINTMENT, starts_at=starts_at)
    given = replace(REMINDER, starts_at=starts_at, expires_at=starts_at)
    decided = decide(
        replace(given, **message), TENANT, appointment, CUSTOMER, NOON, quiet=replace(ALL_DAY, **quiet)
    )
    expected = Hold(datetime(2026, 6, 10, 22, 59, tzinfo=UTC)) if held else Send("ana@riverside.example")
    assert decided == expected


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
def test_a_message_is_true_in_some_states_of_its_appointment_only(kind: CustomerKind, fits: set[str]) -> None:
    sent = {
        status.value
        for status in AppointmentStatus
        if isinstance(
            decide(replace(REMINDER, kind=kind), TENANT, replace(APPOINTMENT, status=status), CUSTOMER, NOW),
            Send,
        )
    }
    assert sent == fits


TO_OWNER = OwnerMessage(
    tenant_id=TENANT.tenant_id,
    message_id=new_id(),
    channel=Channel.EMAIL,
    kind="webhook-disabled",
    expires_at=NOW + timedelta(days=7),
    **_QUEUED,
    endpoint_id=new_id(),
    disabled_at=NOW,
)


@pytest.mark.parametrize(
    ("message", "state", "given", "expected"),
    [
        ({}, TenantState.ACTIVE, {}, Send("ada@riverside.example")),
        ({}, TenantState.SUSPENDED, {}, Send("ada@riverside.example")),
        ({}, TenantState.DELETING, {}, Suppress("suspended")),
        ({}, TenantState.ACTIVE, {"stands": False}, Suppress("stale")),
        ({}, TenantState.ACTIVE, {"bounced": True}, Suppress("bounced")),
        ({"expires_at": NOW}, TenantState.ACTIVE, {}, Suppress("too-late")),
        ({"expires_at": NOW, "attempts": 4}, TenantState.ACTIVE, {}, Fail("Unreachable")),
    ],
)
def test_an_owner_is_told_while_it_is_true_and_somebody_is_there(
    message: dict[str, Any], state: TenantState, given: dict[str, bool], expected: Decision
) -> None:
    tenant = TENANT.model_copy(update={"state": state})
    told_of = replace(TO_OWNER, **message)
    known = {"stands": True, "bounced": False} | given
    assert decide_for_owner(told_of, tenant, NOW, **known) == expected


def test_backoff_doubles_and_ends_at_ten_minutes() -> None:
    for attempt in range(1, 40):
        full = min(600.0, 2.0 ** (attempt - 1))
        assert 0.75 * full <= backoff(attempt).total_seconds() <= full


def test_what_is_waited_for_is_looked_for_soon_and_then_more_rarely() -> None:
    assert next_check(NOW, NOW) - NOW == timedelta(seconds=0.2)
    later = NOW + timedelta(seconds=8)
    assert next_check(NOW, later) - later == timedelta(seconds=2)
    later = NOW + timedelta(hours=1)
    assert next_check(NOW, later) - later == timedelta(seconds=5)


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
