"""What the services write into their audit trails, told in plain words: written by their own code here."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import to_jsonable_python

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
from web.history import Line, Told, told
from web.history_values import Known

CONN: Any = None
ROOM, GONE = UUID(int=50), UUID(int=51)
KNOWN = Known(
    zone=samples.ZONE,
    currency="EUR",
    services={str(samples.SERVICE): "Haircut"},
    staff={str(samples.ADA): "Ada", str(samples.GRACE): "Grace"},
    things={str(ROOM): "Chair"},
    members={str(samples.ADA): "Ada Owner"},
)
NOON = dt.datetime(2026, 7, 1, 11, tzinfo=dt.UTC)
Write = Callable[[], Awaitable[None]]


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

    async def ran(write: Write) -> None:
        await write()

    def run(write: Write) -> Told:
        asyncio.run(ran(write))
        return told(entries.pop(), KNOWN)

    return run


def sentence(found: Told) -> str:
    before, after = found.says
    return f"{found.actor} {before}{found.entity}{after}"


def lines(found: Told) -> dict[str, tuple[str | None, str | None]]:
    return {line.label: (line.before, line.after) for line in found.lines}


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
    def write() -> Awaitable[None]:
        return booking_trail.appointment(CONN, samples.TENANT, "appointment.booked", None, APPOINTMENT)

    found = written(write)
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

    def write() -> Awaitable[None]:
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

    def write() -> Awaitable[None]:
        return booking_trail.appointment(CONN, samples.TENANT, action, APPOINTMENT, missed)

    found = written(write)
    assert sentence(found) == "Ada Owner marked an appointment as one to which nobody came"
    assert lines(found) == {"Status": ("to be confirmed", "did not come")}


def test_of_a_customer_it_is_told_what_was_corrected_and_not_what_it_says(
    written: Callable[[Write], Told],
) -> None:
    other = replace(LIN, name="Lin Chen", consent=Consent(email=True, sms=True))

    def write() -> Awaitable[None]:
        return booking_trail.customer(CONN, samples.TENANT, "customer.changed", LIN, other)

    found = written(write)
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

    def write() -> Awaitable[None]:
        return business_trail.staff(CONN, samples.TENANT, "staff.changed", ADA, other)

    found = written(write)
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

    def write() -> Awaitable[None]:
        return business_trail.staff(CONN, samples.TENANT, action, *pair)

    found = written(write)
    assert sentence(found) == f"Ada Owner {action.removeprefix('staff.')} Ada"
    assert found.removed is (action == "staff.removed")
    assert (found.page is None) is found.removed
    told_of = {"Name": "Ada", "Time zone": "Europe/Lisbon"}
    hours = "Mon 09:00–00:00; Fri 09:00–12:00, 13:00–17:00"
    wanted = {name: (None, words) for name, words in (told_of | {"Weekly hours": hours}).items()}
    assert lines(found) == ({name: pair[::-1] for name, pair in wanted.items()} if found.removed else wanted)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({0: "09", 1: "09", 2: "09"}, "Mon–Wed 09:00–17:00"),
        ({0: "09", 2: "09"}, "Mon 09:00–17:00; Wed 09:00–17:00"),
        ({5: "09", 6: "10", 0: "10"}, "Mon 10:00–17:00; Sat 09:00–17:00; Sun 10:00–17:00"),
    ],
)
def test_days_that_are_alike_are_told_together(days: dict[int, str], words: str) -> None:
    hours = [{"weekday": day, "opens": f"{at}:00:00", "closes": "17:00:00"} for day, at in days.items()]
    changes = {"weekly_hours": {"old": [], "new": hours}}
    found = told(entry("staff.changed", "staff", samples.ADA, changes), KNOWN)
    assert lines(found) == {"Weekly hours": ("no hours", words)}


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

    def write() -> Awaitable[None]:
        return business_trail.service(CONN, samples.TENANT, "service.changed", CUT, other)

    found = written(write)
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
    def write() -> Awaitable[None]:
        return business_trail.service(CONN, samples.TENANT, "service.added", None, CUT)

    found = written(write)
    assert str(samples.SERVICE) not in str(found.lines)
    assert str(samples.ADA) not in str(found.lines)
    assert lines(found)["Name"] == (None, "Haircut")
    assert "Description" not in lines(found), "there is none"


def test_a_room_that_keeps_no_hours_is_always_available(written: Callable[[Write], Told]) -> None:
    room = Resource(ROOM, 1, "Chair", samples.ZONE, 1, None, ())
    other = replace(room, weekly_hours=ADA.weekly_hours[:1], capacity=2)

    def write() -> Awaitable[None]:
        return business_trail.resource(CONN, samples.TENANT, "resource.changed", room, other)

    found = written(write)
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

    def profile_changed() -> Awaitable[None]:
        other = replace(profile, display_name="River", contact_email="a@b.example")
        return business_trail.profile(CONN, samples.TENANT, profile, other)

    def holidays_changed() -> Awaitable[None]:
        other = Holidays(2, (Holiday(date=dt.date(2026, 12, 26), name=""),))
        return business_trail.holidays(CONN, samples.TENANT, days, other)

    def policy_changed() -> Awaitable[None]:
        policies = ReminderPolicy(1, ()), ReminderPolicy(2, tuple(rules))
        return business_trail.policy(CONN, samples.TENANT, *policies)

    found = [written(write) for write in (profile_changed, holidays_changed, policy_changed)]
    assert [sentence(each).removeprefix("Ada Owner ") for each in found] == [
        "changed what the business says of itself",
        "changed the closed days",
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

    def wording() -> Awaitable[None]:
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


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (("member", samples.ADA), "Ada Owner"),
        (("member", GONE), "A former member"),
        (("customer", samples.CUSTOMER), "A customer"),
        (("customer", None), "A customer"),
        (("system", None), "Slotwright"),
    ],
)
def test_who_did_it_is_named_where_they_are_known(actor: tuple[str, UUID | None], words: str) -> None:
    found = told(entry("customer.erased", "customer", samples.CUSTOMER, actor=actor), KNOWN)
    assert sentence(found) == f"{words} erased a customer"
    customers = f"/dashboard/customers/{samples.CUSTOMER}" if actor[1] == samples.CUSTOMER else None
    assert found.actor_page == customers
    assert found.page is None
    unknown = told(entry("x.changed", "x", GONE, actor=actor), replace(KNOWN, members=None))
    assert unknown.actor == ("A member" if actor[0] == "member" else words)


def test_what_a_newer_release_writes_is_still_told() -> None:
    changes = {
        "loyalty_points": {"old": 3, "new": [1, True, {"a-b": None}]},
        "a/b": {"old": "x", "new": ""},
        "same": {"old": None, "new": ""},
    }
    found = told(entry("voucher.cashed-in", "gift-voucher", GONE, to_jsonable_python(changes)), KNOWN)
    assert sentence(found) == "Ada Owner Voucher cashed in: Gift voucher"
    assert lines(found) == {"Loyalty points": ("3", "1, yes, A b: nothing"), "A b": ("x", None)}


def test_what_somebody_typed_is_not_taken_for_a_code() -> None:
    changes = {"name": {"old": "email", "new": "all"}, "description": {"old": None, "new": "pending"}}
    found = told(entry("service.changed", "service", samples.SERVICE, changes), KNOWN)
    assert lines(found) == {"Name": ("email", "all"), "Description": (None, "pending")}


@pytest.mark.parametrize(
    "field", ["starts_at", "weekly_hours", "exceptions/x", "time_off/x", "rules", "a_minutes"]
)
def test_what_an_older_release_wrote_otherwise_is_still_told(field: str) -> None:
    changes = {field: {"old": {"odd": 1}, "new": [3]}}
    found = told(entry("staff.changed", "staff", samples.ADA, changes), KNOWN)
    assert [(line.before, line.after) for line in found.lines] == [("Odd: 1", "3")]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("staff-feed.rotated", "made a new calendar address for Ada"),
        ("staff-feed.withdrawn", "withdrew the calendar address of Ada"),
        ("busy-calendar.set", "connected another calendar of Ada"),
        ("busy-calendar.removed", "disconnected the other calendar of Ada"),
    ],
)
def test_calendars_are_told_by_whose_they_are(action: str, words: str) -> None:
    host = {"host": {"old": None, "new": "calendar.example"}} if action == "busy-calendar.set" else {}
    found = told(entry(action, "staff", samples.ADA, host), KNOWN)
    assert sentence(found) == f"Ada Owner {words}"
    assert lines(found) == ({"Found at": (None, "calendar.example")} if host else {})
