"""Closed days out of iCalendar files: what is taken, and what is refused by name."""

from datetime import date
from pathlib import Path

import pytest
from icalendar.prop import vRecur

from business.ical import _YearlyRule, closed_days
from servicekit.errors import Invalid

TODAY = date(2026, 11, 28)


def calendar(*events: str) -> bytes:
    """Each event's lines, without its frame."""
    body = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def event(starts: str, *lines: str, name: str = "Closed day") -> str:
    return "\n".join([f"SUMMARY:{name}", f"DTSTART;VALUE=DATE:{starts}", *lines])


@pytest.mark.parametrize(
    ("wanted", "days"),
    [
        (event("20261225"), ["2026-12-25"]),
        (event("20261128"), ["2026-11-28"]),
        (event("20261224", "DTEND;VALUE=DATE:20261227"), ["2026-12-24", "2026-12-25", "2026-12-26"]),
        (event("20261231", "DURATION:P2D"), ["2026-12-31", "2027-01-01"]),
        # Of what has begun already, the rest.
        (event("20261120", "DTEND;VALUE=DATE:20261130"), ["2026-11-28", "2026-11-29"]),
        (event("20101225", "RRULE:FREQ=YEARLY"), ["2026-12-25", "2027-12-25", "2028-12-25"]),
        (event("20241225", "RRULE:FREQ=YEARLY;COUNT=4"), ["2026-12-25", "2027-12-25"]),
        (event("20241225", "RRULE:FREQ=YEARLY;UNTIL=20271224"), ["2026-12-25"]),
        (event("20241225", "RRULE:FREQ=YEARLY;INTERVAL=2"), ["2026-12-25", "2028-12-25"]),
        (event("20240229", "RRULE:FREQ=YEARLY"), ["2028-02-29"]),
        (
            event("20241225", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20261225,20281225"),
            ["2027-12-25"],
        ),
        # The fourth Thursday of November, the last Monday of May, the Monday before 25 May.
        (
            event("20201126", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"),
            ["2027-11-25", "2028-11-23", "2029-11-22"],
        ),
        (
            event("20250526", "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO"),
            ["2027-05-31", "2028-05-29", "2029-05-28"],
        ),
        (
            event("20250519", "RRULE:FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=18,19,20,21,22,23,24;BYDAY=MO"),
            ["2027-05-24", "2028-05-22", "2029-05-21"],
        ),
        (
            event("20250131", "RRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=-1"),
            ["2027-01-31", "2028-01-31", "2029-01-31"],
        ),
    ],
)
def test_whole_days_are_taken_for_three_years(wanted: str, days: list[str]) -> None:
    found = closed_days(calendar(wanted), TODAY)
    assert [item.date.isoformat() for item in found] == days
    assert {item.name for item in found} == {"Closed day"}


@pytest.mark.parametrize(
    ("change", "days"),
    [
        (event("20271227", "UID:x", "RECURRENCE-ID;VALUE=DATE:20271225"), ["2026-12-25", "2027-12-27"]),
        (
            event("20271225", "UID:x", "RECURRENCE-ID;VALUE=DATE:20271225", "STATUS:CANCELLED"),
            ["2026-12-25"],
        ),
        # Of another event, though at the same day.
        (
            event("20271225", "UID:y", "RECURRENCE-ID;VALUE=DATE:20271225", "STATUS:CANCELLED"),
            ["2026-12-25", "2027-12-25"],
        ),
    ],
)
@pytest.mark.parametrize("behind", [True, False])
def test_a_repetition_that_was_moved_or_cancelled_is_not_closed(
    change: str, days: list[str], *, behind: bool
) -> None:
    yearly = event("20241225", "UID:x", "RRULE:FREQ=YEARLY;COUNT=4")
    events = [yearly, change] if behind else [change, yearly]
    found = closed_days(calendar(*events), TODAY)
    assert [item.date.isoformat() for item in found] == days


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["RECURRENCE-ID;VALUE=DATE:20271225"], "no UID"),
        (["UID:x", "RECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20271225"], "all that follow"),
        (["UID:x", "RECURRENCE-ID:20271225T100000Z"], "time of day"),
        (["UID:x", "RECURRENCE-ID;VALUE=DATE:nonsense", "STATUS:CANCELLED"], "cannot be read"),
    ],
)
def test_a_change_of_a_repetition_that_cannot_be_taken_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        closed_days(calendar(event("20271227", *lines)), TODAY)


def test_days_come_in_order_once_and_with_one_line_for_a_name() -> None:
    events = [
        event("20270101", name="New\\nYear"),
        event("20261225", name="x" * 200),
        event("20270101", name="Again"),
        event("20261226", "STATUS:CANCELLED"),
        event("20200101", name="Over"),
    ]
    found = closed_days(calendar(*events), TODAY)
    assert [(item.date.isoformat(), item.name) for item in found] == [
        ("2026-12-25", "x" * 120),
        ("2027-01-01", "New Year"),
    ]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (b"", "not an iCalendar file"),
        (b"nonsense", "not an iCalendar file"),
        (b"END:VEVENT", "not an iCalendar file"),
        (b"[]", "not an iCalendar file"),
        (b"\xff\xfe", "not UTF-8"),
        (calendar(event("20261225", "FREEBUSY:20270101T000000/20270102T000000Z")), "cannot be read"),
        (calendar(event("20261225", "DTEND;VALUE=DATE,DATE:20261226")), "cannot be read"),
        (calendar("DTSTART;TZID=Europe:20261225T090000"), "VALUE or TZID that does not suit"),
        (calendar(f"DTSTART;TZID={'A' * 5000}:20261225T090000"), "VALUE or TZID that does not suit"),
        (calendar(event("20261225", "DTEND;VALUE=TEXT:20261226", name="Xmas")), "'Xmas': DTEND has a VALUE"),
        (calendar(), "holds no event"),
        (calendar(*[event("20261225")] * 301), "301 events"),
        (calendar(event("20101225")), "next three years"),
        (calendar(event("99991231")), "next three years"),
        (calendar("SUMMARY:Xmas"), "event 1, 'Xmas' has no DTSTART"),
        (calendar(event("2026qq25", name="Xmas")), "event 1, 'Xmas': DTSTART cannot be read"),
        (
            calendar(event("20261225"), "SUMMARY:Two\nDTSTART:20261225T090000Z"),
            "event 2, 'Two': DTSTART has a",
        ),
        (calendar(event("20261225", "DTSTART;VALUE=DATE:20261226")), "DTSTART more than once"),
        (calendar(event("18991225", "RRULE:FREQ=YEARLY")), "begins before 1900"),
        (calendar(event("20261225", "DTEND;VALUE=DATE:20261225")), "does not end behind its first day"),
        (calendar(event("20261225", "DURATION:PT5H")), "does not end behind its first day"),
        (calendar(event("20261225", "DTEND;VALUE=DATE:20290101")), "longer than a year"),
        (calendar(event("20261225", "RDATE;VALUE=DATE:20271225")), "RDATE"),
        (calendar(event("20261225", "EXDATE:20261225T000000")), "EXDATE has a time of day"),
        (
            calendar(event("20261225", "EXDATE;VALUE=DATE,PERIOD:20271225")),
            "a VALUE or TZID that does not suit",
        ),
        (calendar(event("20261225", "DTEND;TZID=A,B:20261226")), "a VALUE or TZID that does not suit"),
        (calendar(event("20261225", "CATEGORIES;VALUE=FLOAT:a")), "a VALUE or TZID that does not suit"),
        (calendar(event("20261225", "DURATION;VALUE=TEXT:P1D", name="Xmas")), "'Xmas': DURATION has a VALUE"),
        (calendar(event("20261225", "RRULE:FREQ=WEEKLY")), "only what comes once a year"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;BYDAY=SU")), "only what comes once a year"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;BYMONTH=1,2")), "only what comes once a year"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;BYSETPOS=1")), "only what comes once a year"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;INTERVAL=0")), "never comes"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;COUNT=-1")), "never comes"),
        (calendar(event("20261225", "RRULE:FREQ=OFTEN")), "RRULE cannot be read"),
        (calendar(event("20260501", "RRULE:FREQ=YEARLY;BYMONTH=5L")), "only what comes once a year"),
        (
            calendar(event("20261225", "RRULE:FREQ=YEARLY;UNTIL=P1D", name="Xmas")),
            "'Xmas' has an RRULE whose UNTIL",
        ),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;UNTIL=120000")), "UNTIL is no date"),
        (calendar(event("20261225", "RRULE:FREQ=YEARLY;UNTIL=20280101T000000Z/P1D")), "UNTIL is no date"),
        (
            calendar(*(event(f"{year}0101", "DURATION:P360D") for year in (2027, 2028))),
            "closes more than 500 days",
        ),
    ],
)
def test_what_cannot_be_taken_is_named(wanted: bytes, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        closed_days(wanted, TODAY)
    assert says in caught.value.detail
    assert [error.pointer for error in caught.value.errors] == ["/"]


@pytest.mark.parametrize(("days", "found"), [("BYDAY=5SU,6SU", 30), ("BYMONTHDAY=31,-40", 31)])
def test_a_rules_lists_are_read_as_it_is_made_and_not_for_each_year(days: str, found: int) -> None:
    """One of a small file may have tens of thousands of items, and hundreds of years to be asked for."""
    given = vRecur.from_ical(f"FREQ=YEARLY;BYMONTH=1;{days}")
    rule = _YearlyRule(given, "It", date(1900, 1, 1))
    rule._parts.clear()
    assert rule.days_of(2028) == [date(2028, 1, found)]


def test_the_name_of_a_file_is_no_calendar_and_no_file_is_read(tmp_path: Path) -> None:
    """Neither its days are taken, nor does the refusal quote it: it may be the process's own environment."""
    days, secrets = tmp_path / "days.ics", tmp_path / "environ"
    days.write_bytes(calendar(event("20261225")))
    secrets.write_text("DATABASE_URL=postgresql://business:hunter2@db/business")
    for path in (days, secrets, Path("/proc/self/environ")):
        with pytest.raises(Invalid) as refused:
            closed_days(str(path).encode(), TODAY)
        (error,) = refused.value.errors
        assert f"not an iCalendar file: Content line could not be parsed into parts: '{path}'" in error.detail
