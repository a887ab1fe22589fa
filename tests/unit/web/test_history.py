"""What the services write into their audit trails, told in plain words: written by their own code here."""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from booking import trail as booking_trail
from booking.domain import Appointment, Customer, Status
from business import trail as business_trail
from business.domain import Holidays, Profile, ReminderPolicy, Resource, ServiceOffer, StaffMember
from contracts.booking import AppointmentNoShow, Channel, Consent
from contracts.business import (
    Holiday,
    Hours,
    HoursException,
    Interval,
    Question,
    ReminderRule,
    ResourceNeed,
    TimeOff,
)
from notification import trail as notification_trail
from notification.quiet import UNSET
from notification.suppression import Suppression
from notification.webhooks.domain import DisabledFor, Endpoint
from notification.wording import Wording
from servicekit import audit
from support import web_samples as samples
from support.web_samples_customers import entry
from unit.web.telling import GONE, KNOWN, ROOM, lines, sentence
from web.dashboard.history_words import Line, Told, told

CONN: Any = None
NOON = dt.datetime(2026, 7, 1, 11, tzinfo=dt.UTC)
Write = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[Write], Told]:
    """The entry that a service writes when it is made to, as web tells it."""
    entries: list[dict[str, Any]] = []

    async def record(
        conn: Any,
        tenant_id: UUID,
        action: str,
        entity_kind: str,
        entity_id: UUID,
        changes: dict[str, Any] | None = None,
        **_who: Any,
    ) -> None:
        entries.append(entry(action, entity_kind, entity_id, changes))

    monkeypatch.setattr(audit, "record", record)

    def run(write: Write) -> Told:
        asyncio.run(write())
        return told(entries.pop(), KNOWN)

    return run


APPOINTMENT = Appointment(
    appointment_id=samples.APPOINTMENT,
    version=1,
    status=Status.PENDING,
    service_id=samples.SERVICE,
    resource_ids=(samples.ADA, ROOM, GONE),
    customer_id=samples.CUSTOMER,
    starts_at=NOON,
    ends_at=NOON + dt.timedelta(minutes=30),
    timezone=samples.ZONE,
    price_amount=2500,
    currency="EUR",
    source="public",
    notes="",
    created_at=NOON,
)
LIN = Customer(samples.CUSTOMER, 1, "Lin", None, None, "en", Consent(email=False, sms=False))
ADA = StaffMember(
    samples.ADA,
    1,
    "Ada",
    None,
    samples.ZONE,
    (
        Hours(weekday=4, opens=dt.time(9), closes=dt.time(12)),
        Hours(weekday=4, opens=dt.time(13), closes=dt.time(17)),
        Hours(weekday=0, opens=dt.time(9), closes=dt.time(0)),
    ),
    (),
)
CUT = ServiceOffer(
    service_id=samples.SERVICE,
    version=1,
    name="Haircut",
    description="",
    duration_minutes=90,
    buffer_before_minutes=0,
    buffer_after_minutes=5,
    slot_step_minutes=15,
    minimum_notice_minutes=60,
    booking_window_days=60,
    cancellation_window_minutes=1440,
    capacity=1,
    requires_confirmation=False,
    price_amount=2500,
    staff_ids=(samples.ADA,),
)


def test_a_booking_is_told_by_names_and_the_businesss_clock(written: Callable[[Write], Told]) -> None:
    found = written(
        lambda: booking_trail.appointment(CONN, samples.TENANT, "appointment.booked", None, APPOINTMENT)
    )
    assert sentence(found) == "Ada Owner booked an appointment"
    assert found.page == f"/dashboard/appointments/{samples.APPOINTMENT}"
    assert found.at.strftime("%H:%M") == "09:30"
    assert lines(found) == {
        "Status": (None, "to be confirmed"),
        "Service": (None, "Haircut"),
        "With": (None, "Ada, Chair, somebody or something former"),
        "Starts": (None, "Wed 1 Jul 2026, 12:00"),
    }


def test_a_move_is_told_from_time_to_time(written: Callable[[Write], Told]) -> None:
    later = dt.timedelta(days=180)
    moved = replace(APPOINTMENT, starts_at=NOON + later, ends_at=NOON + later, notes="Tea")

    def write() -> Coroutine[Any, Any, None]:
        action = "appointment.rescheduled"
        return booking_trail.appointment(CONN, samples.TENANT, action, APPOINTMENT, moved)

    found = written(write)
    assert sentence(found) == "Ada Owner moved an appointment"
    assert found.lines == [
        Line("Starts", "Wed 1 Jul 2026, 12:00", "Mon 28 Dec 2026, 11:00"),
        Line("Notes", None, None, hidden=True),
    ]


def test_who_did_not_come_is_told(written: Callable[[Write], Told]) -> None:
    missed = replace(APPOINTMENT, status=Status.NO_SHOW)
    action = booking_trail.action_of(AppointmentNoShow)

    found = written(lambda: booking_trail.appointment(CONN, samples.TENANT, action, APPOINTMENT, missed))
    assert sentence(found) == "Ada Owner marked an appointment as one to which nobody came"
    assert lines(found) == {"Status": ("to be confirmed", "did not come")}


def test_of_a_customer_it_is_told_what_was_corrected_and_not_what_it_says(
    written: Callable[[Write], Told],
) -> None:
    other = replace(LIN, name="Lin Chen", consent=Consent(email=True, sms=True))

    found = written(lambda: booking_trail.customer(CONN, samples.TENANT, "customer.changed", LIN, other))
    assert sentence(found) == "Ada Owner corrected a customer"
    assert found.page == f"/dashboard/customers/{samples.CUSTOMER}"
    assert found.lines == [
        Line("Name", None, None, hidden=True),
        Line("May be written to", "not at all", "by e-mail and by text message"),
    ]


def test_staff_are_told_by_name_with_hours_and_dates(written: Callable[[Write], Told]) -> None:
    nine = Interval(opens=dt.time(9), closes=dt.time(10, 30))
    other = replace(
        ADA,
        name="Ada L.",
        weekly_hours=(),
        exceptions=(
            HoursException(date=dt.date(2026, 12, 24), intervals=[nine]),
            HoursException(date=dt.date(2026, 12, 25), intervals=[]),
        ),
        time_off=(TimeOff(time_off_id=GONE, starts_at=NOON, ends_at=NOON + dt.timedelta(hours=1)),),
    )

    found = written(lambda: business_trail.staff(CONN, samples.TENANT, "staff.changed", ADA, other))
    assert sentence(found) == "Ada Owner changed Ada"
    assert found.page == f"/dashboard/staff/{samples.ADA}"
    assert lines(found) == {
        "Name": ("Ada", "Ada L."),
        "Weekly hours": ("Mon 09:00–00:00; Fri 09:00–12:00, 13:00–17:00", "no hours"),
        "On Thu 24 Dec 2026": ("as every week", "09:00–10:30"),
        "On Fri 25 Dec 2026": ("as every week", "not available"),
        "Time off": (None, "Wed 1 Jul 2026, 12:00 – Wed 1 Jul 2026, 13:00"),
    }


@pytest.mark.parametrize("action", ["staff.added", "staff.removed"])
def test_what_comes_or_goes_is_told_as_it_is_or_was(written: Callable[[Write], Told], action: str) -> None:
    pair = (None, ADA) if action == "staff.added" else (ADA, None)

    found = written(lambda: business_trail.staff(CONN, samples.TENANT, action, *pair))
    assert sentence(found) == f"Ada Owner {action.removeprefix('staff.')} Ada"
    assert found.removed is (action == "staff.removed")
    assert (found.page is None) is found.removed
    told_of = {"Name": "Ada", "Time zone": "Europe/Lisbon"}
    hours = "Mon 09:00–00:00; Fri 09:00–12:00, 13:00–17:00"
    wanted = {name: (None, words) for name, words in (told_of | {"Weekly hours": hours}).items()}
    assert lines(found) == ({name: pair[::-1] for name, pair in wanted.items()} if found.removed else wanted)


def test_a_service_is_told_in_money_and_durations(written: Callable[[Write], Told]) -> None:
    other = replace(
        CUT,
        duration_minutes=30,
        buffer_after_minutes=0,
        booking_window_days=7,
        cancellation_window_minutes=120,
        price_amount=2750,
        requires_confirmation=True,
        staff_ids=(samples.GRACE, GONE),
        needs=(ResourceNeed(resource_ids=[ROOM], count=2),),
        questions=(Question(question_id=GONE, label="Which dog?", kind="text"),),
    )

    found = written(lambda: business_trail.service(CONN, samples.TENANT, "service.changed", CUT, other))
    assert sentence(found) == "Ada Owner changed Haircut"
    assert lines(found) == {
        "Takes": ("90 minutes", "30 minutes"),
        "Time after": ("5 minutes", "none"),
        "Booked at most so long before": ("60 days", "7 days"),
        "Cancelled at least so long before": ("1 day", "2 hours"),
        "Has to be confirmed": ("no", "yes"),
        "Price": ("€25.00", "€27.50"),
        "With": ("Ada", "Grace, somebody or something former"),
        "Needs": ("nothing", "2 of Chair"),
        "Questions": ("none", "Which dog?"),
    }


def test_a_new_service_tells_no_ids(written: Callable[[Write], Told]) -> None:
    found = written(lambda: business_trail.service(CONN, samples.TENANT, "service.added", None, CUT))
    assert str(samples.SERVICE) not in str(found.lines)
    assert str(samples.ADA) not in str(found.lines)
    assert lines(found)["Name"] == (None, "Haircut")
    assert "Description" not in lines(found), "there is none"


def test_a_room_that_keeps_no_hours_is_always_available(written: Callable[[Write], Told]) -> None:
    room = Resource(ROOM, 1, "Chair", samples.ZONE, 1, None, ())
    other = replace(room, weekly_hours=ADA.weekly_hours[:1], capacity=2)

    found = written(lambda: business_trail.resource(CONN, samples.TENANT, "resource.changed", room, other))
    assert sentence(found) == "Ada Owner changed Chair"
    assert found.page == f"/dashboard/rooms/{ROOM}"
    assert lines(found) == {
        "Places": ("1", "2"),
        "Weekly hours": ("always available", "Fri 09:00–12:00"),
    }


def test_what_the_business_has_one_of_is_told(written: Callable[[Write], Told]) -> None:
    profile = Profile(1, "Riverside", "", None, None, None)
    days = Holidays(1, (Holiday(date=dt.date(2026, 12, 25), name="Christmas"),))
    rules = [
        ReminderRule(rule_id=GONE, offset_seconds=seconds, channel=channel)
        for seconds, channel in ((5400, Channel.SMS), (86400, Channel.EMAIL))
    ]

    def profile_changed() -> Coroutine[Any, Any, None]:
        other = replace(profile, display_name="River", contact_email="a@b.example")
        return business_trail.profile(CONN, samples.TENANT, profile, other)

    def holidays_changed() -> Coroutine[Any, Any, None]:
        other = Holidays(2, (Holiday(date=dt.date(2026, 12, 26), name=""),))
        return business_trail.holidays(CONN, samples.TENANT, days, other)

    def policy_changed() -> Coroutine[Any, Any, None]:
        policies = ReminderPolicy(1, ()), ReminderPolicy(2, tuple(rules))
        return business_trail.policy(CONN, samples.TENANT, *policies)

    found = [written(write) for write in (profile_changed, holidays_changed, policy_changed)]
    assert [sentence(each).removeprefix("Ada Owner ") for each in found] == [
        "changed what the business says of itself",
        "changed the holidays",
        "changed the reminders",
    ]
    assert [lines(each) for each in found] == [
        {"Name": ("Riverside", "River"), "E-mail": (None, "a@b.example")},
        {
            "On Fri 25 Dec 2026": ("closed: Christmas", "open"),
            "On Sat 26 Dec 2026": ("open", "closed"),
        },
        {"Reminders": ("none", "1 day by e-mail, 90 minutes by text message")},
    ]
    assert {each.entity_id for each in found} == {None}, "all have the business's id"


def test_messages_are_told(written: Callable[[Write], Told]) -> None:
    quiet = replace(UNSET, channels=frozenset({Channel.SMS, Channel.EMAIL}), notices=True)
    listed = Suppression(GONE, Channel.EMAIL, "by-hand", "reminders", "l…@e…", NOON)
    endpoint = Endpoint(
        samples.TENANT,
        GONE,
        1,
        "https://till.example/in?token=s3cret",
        ("appointment.booked", "appointment.no_show"),
        "Till",
        None,
        None,
        None,
        NOON,
    )
    off = replace(endpoint, url="https://till.example/in", events=("*",), disabled_reason=DisabledFor.OWNER)
    tenant = samples.TENANT
    trail = notification_trail

    def wording() -> Coroutine[Any, Any, None]:
        own = Wording(text="Hello {{ name }}")
        return trail.wording(CONN, tenant, "reminder", Channel.SMS, "pt", Wording(), own)

    writes: list[Write] = [
        wording,
        lambda: trail.quiet_hours(CONN, tenant, UNSET, quiet),
        lambda: trail.suppressed(CONN, tenant, None, listed),
        lambda: trail.suppressed(CONN, tenant, "reminders", replace(listed, scope="all")),
        lambda: trail.unsuppressed(CONN, tenant, listed),
        lambda: trail.endpoint(CONN, tenant, "webhook-endpoint.changed", endpoint, off),
        lambda: trail.secret_rotated(CONN, tenant, GONE),
    ]
    found = [written(write) for write in writes]
    assert [sentence(each).removeprefix("Ada Owner ") for each in found] == [
        "changed the wording of messages",
        "changed the quiet hours",
        "blocked an address",
        "changed how far an address is blocked",
        "took an address off the blocked ones",
        "changed a webhook",
        "made a new secret for a webhook",
    ]
    assert [lines(each) for each in found] == [
        {"Reminder by text message, Portuguese, text": ("the usual words", "Hello {{ name }}")},
        {
            "For messages": ("none", "by e-mail, by text message"),
            "Not only for reminders": ("no", "yes"),
        },
        {
            "For messages": (None, "by e-mail"),
            "Reason": (None, "entered by hand"),
            "Blocked for": (None, "reminders"),
        },
        {"Blocked for": ("reminders", "all messages")},
        {
            "For messages": ("by e-mail", None),
            "Reason": ("entered by hand", None),
            "Blocked for": ("reminders", None),
        },
        {
            "End of the address": (None, None),
            "Told of": ("Appointment booked, Appointment no show", "everything"),
            "Switched on": ("yes", "no"),
        },
        {},
    ]
    assert "s3cret" not in str(found)
    assert [each.page for each in found] == [None] * 5 + [f"/dashboard/webhooks/{GONE}"] * 2
