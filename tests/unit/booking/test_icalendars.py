"""Appointments as calendars read them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar

from booking.domain import Status
from booking.icalendars import Entry, appointment_of, document

APPOINTMENT = UUID(int=12)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def entry(version: int = 1, status: Status = Status.CONFIRMED, summary: str = "Cut") -> Entry:
    return Entry(APPOINTMENT, version, status, NOON, NOON + timedelta(minutes=30), NOON, summary)


def test_the_uid_stays_and_the_sequence_rises() -> None:
    events: list[Any] = [
        Calendar.from_ical(document([entry(version)])).walk("VEVENT")[0] for version in (1, 2)
    ]
    assert [str(event["UID"]) for event in events] == [f"{APPOINTMENT}@slotwright"] * 2
    assert [int(event["SEQUENCE"]) for event in events] == [0, 1]
    assert appointment_of(str(events[0]["UID"])) == APPOINTMENT
    assert events[0]["DTSTART"].dt == NOON
    assert events[0]["DTEND"].dt == NOON + timedelta(minutes=30)


@pytest.mark.parametrize("status", list(Status))
def test_a_cancelled_appointment_stays_in_the_calendar_as_cancelled(status: Status) -> None:
    (event,) = Calendar.from_ical(document([entry(status=status)])).walk("VEVENT")
    told = str(event["STATUS"])
    assert (told == "CANCELLED") == (status is Status.CANCELLED)
    assert (told == "TENTATIVE") == (status is Status.PENDING)


def test_a_feed_has_a_name_and_says_how_often_to_come_back() -> None:
    text = document([], name="Ada – Riverside", refresh=timedelta(minutes=15)).decode()
    assert "NAME:Ada – Riverside" in text
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT15M" in text


def test_a_name_cannot_break_out_of_its_line() -> None:
    (event,) = Calendar.from_ical(document([entry(summary="x\r\nEND:VEVENT\r\nSTATUS:CANCELLED; a,b")])).walk(
        "VEVENT"
    )
    assert str(event["STATUS"]) == "CONFIRMED"
    assert "END:VEVENT" in str(event["SUMMARY"])


@pytest.mark.parametrize(
    "uid",
    ["", "a", f"{APPOINTMENT}", f"{APPOINTMENT}@google.com", "x@slotwright", f"{APPOINTMENT}@slotwright.x"],
)
def test_another_ones_uid_is_no_appointment(uid: str) -> None:
    assert appointment_of(uid) is None
