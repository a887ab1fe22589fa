"""Appointments as calendars read them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar

from servicekit.ical import CalendarEvent, EventStatus, appointment_of, calendar_feed, calendar_file

APPOINTMENT = UUID(int=12)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def event_of(version: int = 1, status: EventStatus = "CONFIRMED", summary: str = "Cut") -> CalendarEvent:
    return CalendarEvent(APPOINTMENT, version, NOON, NOON + timedelta(minutes=30), status, summary, NOON)


def test_the_uid_stays_and_the_sequence_rises() -> None:
    events: list[Any] = [
        Calendar.from_ical(calendar_file(event_of(version))).walk("VEVENT")[0] for version in (1, 2)
    ]
    assert [str(event["UID"]) for event in events] == [f"{APPOINTMENT}@slotwright"] * 2
    assert [int(event["SEQUENCE"]) for event in events] == [0, 1]
    assert appointment_of(str(events[0]["UID"])) == APPOINTMENT
    assert events[0]["DTSTART"].dt == NOON
    assert events[0]["DTEND"].dt == NOON + timedelta(minutes=30)


def test_a_feed_has_a_name_and_says_how_often_to_come_back() -> None:
    shown = [event_of(), event_of(status="CANCELLED")]
    feed = calendar_feed(shown, name="Ada – Riverside", refresh=timedelta(minutes=15))
    assert "NAME:Ada – Riverside" in feed.decode()
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT15M" in feed.decode()
    found = Calendar.from_ical(feed).walk("VEVENT")
    assert [str(event["STATUS"]) for event in found] == ["CONFIRMED", "CANCELLED"]


def test_a_name_cannot_break_out_of_its_line() -> None:
    file = calendar_file(event_of(summary="x\r\nEND:VEVENT\r\nSTATUS:CANCELLED; a,b"))
    (event,) = Calendar.from_ical(file).walk("VEVENT")
    assert str(event["STATUS"]) == "CONFIRMED"
    assert "END:VEVENT" in str(event["SUMMARY"])


@pytest.mark.parametrize(
    "uid",
    ["", "a", f"{APPOINTMENT}", f"{APPOINTMENT}@google.com", "x@slotwright", f"{APPOINTMENT}@slotwright.x"],
)
def test_another_ones_uid_is_no_appointment(uid: str) -> None:
    assert appointment_of(uid) is None
