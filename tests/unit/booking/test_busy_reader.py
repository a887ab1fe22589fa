"""Which times a calendar from elsewhere takes, and that no calendar takes the reader's."""

import itertools
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.busy_calendars import fetching
from booking.busy_calendars.fetching import merged, read_apart
from booking.busy_calendars.reading import MOST, UnreadableError, busy_times
from servicekit.ids import new_id
from servicekit.outbound import OutboundFailed

LISBON = ZoneInfo("Europe/Lisbon")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 5, 1, tzinfo=UTC)


def calendar(*events: str) -> bytes:
    bodies = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{bodies}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def taken(*events: str, zone: ZoneInfo = LISBON) -> list[str]:
    """As `03-10T09:00/10:00`, in UTC, by time."""
    found = sorted((start, end) for _, start, end in busy_times(calendar(*events), zone, BEGIN, END))
    return [f"{start:%m-%dT%H:%M}/{end:%m-%dT%H:%M}" for start, end in found]


def test_an_event_takes_its_time() -> None:
    assert taken("UID:a\nDTSTART:20260310T090000Z\nDTEND:20260310T100000Z") == ["03-10T09:00/03-10T10:00"]
    assert taken("UID:a\nDTSTART:20260310T090000Z\nDURATION:PT45M") == ["03-10T09:00/03-10T09:45"]


def test_a_time_without_a_zone_and_a_date_are_where_the_staff_member_works() -> None:
    """Lisbon goes to summer time on 29 March 2026: that day has 23 hours."""
    floating = "UID:a\nDTSTART:20260410T090000\nDTEND:20260410T100000"
    assert taken(floating) == ["04-10T08:00/04-10T09:00"]
    assert taken(floating, zone=ZoneInfo("Asia/Tokyo")) == ["04-10T00:00/04-10T01:00"]
    assert taken("UID:a\nDTSTART;VALUE=DATE:20260329") == ["03-29T00:00/03-29T23:00"]
    assert taken("UID:a\nDTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330") == [
        "03-28T00:00/03-29T23:00"
    ]


@pytest.mark.parametrize("end", ["DTEND;VALUE=DATE:20260310", "DTEND;VALUE=DATE:20260309", "DURATION:P0D"])
def test_a_whole_day_that_says_it_ends_as_it_begins_is_a_day(end: str) -> None:
    assert taken(f"UID:a\nDTSTART;VALUE=DATE:20260310\n{end}") == ["03-10T00:00/03-11T00:00"]


@pytest.mark.parametrize(
    "free",
    [
        "TRANSP:TRANSPARENT",
        "TRANSP:transparent",
        "STATUS:CANCELLED",
    ],
)
def test_who_is_free_or_whose_event_was_cancelled_is_not_busy(free: str) -> None:
    assert taken(f"UID:a\nDTSTART:20260310T090000Z\nDTEND:20260310T100000Z\n{free}") == []


@pytest.mark.parametrize(
    "event",
    [
        "UID:a\nDTSTART:20260310T090000Z",  # no length
        "UID:a\nDTSTART:20260310T090000Z\nDTEND:20260310T090000Z",
        "UID:a\nDTSTART:20260310T090000Z\nDTEND:20260310T080000Z",
        "UID:a\nSUMMARY:Without a start",
        "UID:a\nDTSTART:20250310T090000Z\nDTEND:20250310T100000Z",  # before
        "UID:a\nDTSTART:20270310T090000Z\nDTEND:20270310T100000Z",  # after
        "UID:a\nDTSTART:20260501T000000Z\nDTEND:20260501T010000Z",  # at the horizon
        "UID:a\nDTSTART:20260228T230000Z\nDTEND:20260301T000000Z",
    ],
)
def test_what_takes_no_time_within_the_horizon_is_left_out(event: str) -> None:
    assert taken(event) == []


def test_what_reaches_into_the_horizon_counts() -> None:
    assert taken("UID:a\nDTSTART:20260228T230000Z\nDTEND:20260301T003000Z") == ["02-28T23:00/03-01T00:30"]


def test_a_repeated_event_keeps_its_wall_time_over_the_change_of_clocks() -> None:
    weekly = "UID:a\nDTSTART;TZID=Europe/Lisbon:20260323T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3"
    assert taken(weekly, zone=ZoneInfo("UTC")) == [
        "03-23T09:00/03-23T10:00",
        "03-30T08:00/03-30T09:00",
        "04-06T08:00/04-06T09:00",
    ]


@pytest.mark.parametrize(
    ("until", "days"),
    [("20260312T090000Z", 3), ("20260312T085959Z", 2), ("20260312", 3), ("20260312T090000", 3)],
)
def test_a_rule_ends_at_its_until_inclusive(until: str, days: int) -> None:
    event = f"UID:a\nDTSTART:20260310T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL={until}"
    assert len(taken(event, zone=ZoneInfo("UTC"))) == days


def test_exceptions_and_additions_count() -> None:
    event = (
        "UID:a\nDTSTART;TZID=Europe/Lisbon:20260310T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4"
        "\nEXDATE;TZID=Europe/Lisbon:20260311T090000,20260312T090000\nRDATE;TZID=Europe/Lisbon:20260320T150000"
    )
    assert taken(event) == ["03-10T09:00/03-10T10:00", "03-13T09:00/03-13T10:00", "03-20T15:00/03-20T16:00"]


def test_a_period_that_is_added_has_its_own_length() -> None:
    """Also where the rule begins one at the same time; an exception takes it out as any other."""
    event = (
        "UID:a\nDTSTART;TZID=Europe/Lisbon:20260310T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2"
        "\nRDATE;TZID=Europe/Lisbon;VALUE=PERIOD:20260311T090000/PT3H,20260420T150000/20260420T150500"
        "\nRDATE;VALUE=PERIOD:20260422T150000Z/PT4H\nEXDATE:20260422T150000Z"
    )
    assert taken(event) == ["03-10T09:00/03-10T10:00", "03-11T09:00/03-11T12:00", "04-20T14:00/04-20T14:05"]


def test_one_occurrence_that_was_moved_or_cancelled_is_not_where_the_rule_has_it() -> None:
    series = "UID:a\nDTSTART:20260310T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3"
    moved = "UID:a\nRECURRENCE-ID:20260311T090000Z\nDTSTART:20260311T170000Z\nDURATION:PT2H"
    gone = "UID:a\nRECURRENCE-ID:20260312T090000Z\nDTSTART:20260312T090000Z\nDURATION:PT1H\nSTATUS:CANCELLED"
    assert taken(series, moved, gone) == ["03-10T09:00/03-10T10:00", "03-11T17:00/03-11T19:00"]


def test_what_repeats_for_years_is_followed_to_the_horizon() -> None:
    event = "UID:a\nDTSTART:20160301T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"
    assert len(taken(event)) == 61


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Lisbon", "America/New_York"])
@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:00010101T000000\nDURATION:PT0S",
        "DTSTART;VALUE=DATE:00010101\nRRULE:FREQ=YEARLY",
        "DTSTART:99991231T235959\nDURATION:PT1H",
        "DTSTART;VALUE=DATE:99991231",
        "DTSTART:20270310T090000Z\nDURATION:PT1H\nEXDATE:00010101T000000",
        "DTSTART:20270310T090000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:99991231T235900/PT2M",
    ],
)
def test_what_lies_at_an_end_of_the_calendar_does_not_stop_the_rest(event: str, zone: str) -> None:
    other = "UID:b\nDTSTART:20260310T090000Z\nDURATION:PT1H"
    assert taken(f"UID:a\n{event}", other, zone=ZoneInfo(zone)) == ["03-10T09:00/03-10T10:00"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("until", ["99991231T235959Z", "99991231T235959", "99991231"])
def test_a_rule_until_the_last_of_all_days_has_no_end(until: str, zone: str) -> None:
    event = f"UID:a\nDTSTART;TZID={zone}:20260310T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL={until}"
    assert len(taken(event)) == 52


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Lisbon", "America/New_York"])
@pytest.mark.parametrize("last", ["99991231T235959Z", "99991231T235959"])
def test_an_event_without_an_end_ends_where_it_can_be_reckoned_with(last: str, zone: str) -> None:
    """Buffers go on behind it, as a team's starts are found."""
    events = calendar(f"UID:a\nDTSTART:20260310T090000Z\nDTEND:{last}\nRRULE:FREQ=DAILY;COUNT=2")
    found = busy_times(events, ZoneInfo(zone), BEGIN, END)
    assert len(found) == 2
    for _, start, end in found:
        assert start < END < end - timedelta(days=2)
        assert end + timedelta(days=2) > end


def test_several_calendars_in_one_file_all_count() -> None:
    first, second = (calendar(f"UID:a\nDTSTART:202603{day}T090000Z\nDURATION:PT1H") for day in (10, 11))
    found = busy_times(first + second, LISBON, BEGIN, END)
    assert [start.day for _, start, _ in found] == [10, 11]


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>Sign in</html>", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", b"\xff\xfe\x00", b"BEGIN:VCALENDAR"],
)
def test_what_is_no_calendar_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(UnreadableError, match="is not an iCalendar file"):
        busy_times(content, LISBON, BEGIN, END)


def test_nobody_has_so_many_appointments() -> None:
    event = "UID:a\nDTSTART:20260301T000000Z\nDURATION:PT1M\nRRULE:FREQ=MINUTELY"
    with pytest.raises(UnreadableError, match=str(MOST)):
        busy_times(calendar(event), LISBON, BEGIN, END)


async def test_the_process_apart_reads_the_same() -> None:
    content = calendar("UID:a\nDTSTART:20260310T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3")
    assert await read_apart(content, "Europe/Lisbon", BEGIN, END) == busy_times(content, LISBON, BEGIN, END)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=1;BYSETPOS=366;BYHOUR=25",
    ],
)
async def test_a_rule_without_end_is_given_up(rule: str) -> None:
    """Slow: each uses up the five seconds of computing that it is allowed, or fails before.

    Twenty events, as the second rule, which never comes true, is done with after some five seconds.
    """
    event = f"DTSTART:19700101T000000Z\nDURATION:PT1S\nRRULE:{rule}"
    content = calendar(*(f"UID:{number}\n{event}" for number in range(20)))
    with pytest.raises(OutboundFailed, match=r"too long|cannot be read"):
        await read_apart(content, "Europe/Lisbon", BEGIN, END)


async def test_only_our_own_appointments_are_told_by_name() -> None:
    """A UID of a stranger's choice, once for each time, would be as much memory as they like."""
    own = new_id()
    content = calendar(
        f"UID:{'u' * 2_000}\nDTSTART:20260301T000000Z\nDURATION:PT1M\nRRULE:FREQ=HOURLY",
        f"UID:{own}@slotwright\nDTSTART:20260310T093000Z\nDURATION:PT15M",
    )
    at = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
    found = await read_apart(content, "Europe/Lisbon", BEGIN, END)
    assert [item for item in found if item[0] is not None] == [(own, at, at + timedelta(minutes=15))]
    assert len(found) == 1 + 61 * 24


@pytest.mark.parametrize("times", [1, 400])
async def test_a_reader_that_tells_too_much_is_ended(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_READ", 10_000)
    event = f"UID:a\nDTSTART:20260310T090000Z\nDURATION:PT1M\nRRULE:FREQ=HOURLY;COUNT={times}"
    with pytest.raises(OutboundFailed, match="more than can be read") if times > 1 else nullcontext():
        assert len(await read_apart(calendar(event), "Europe/Lisbon", BEGIN, END)) == times


def test_as_many_times_as_there_may_be_can_be_told() -> None:
    """Each with an appointment of ours and the longest instants: seconds of the year 1."""
    longest = [str(new_id()), *[datetime(1, 1, 1, 12, tzinfo=UTC).timestamp()] * 2]
    assert len(json.dumps([longest] * MOST)) < fetching.MAX_READ


async def test_what_is_wrong_comes_back_as_a_sentence() -> None:
    with pytest.raises(OutboundFailed, match="is not an iCalendar file"):
        await read_apart(b"<html>", "Europe/Lisbon", BEGIN, END)
    strange = calendar("UID:a\nDTSTART:20260310T090000Z\nDTEND:soon\nRRULE:FREQ=SOMETIMES")
    with pytest.raises(OutboundFailed, match="cannot be read: the one that begins at '20260310T090000Z'"):
        await read_apart(strange, "Europe/Lisbon", BEGIN, END)


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        ("DTSTART:tomorrow", "'tomorrow'"),
        (f"DTSTART:{'9' * 3_000}", f"'{'9' * 40}'"),
        ("DTSTART:m\u00e1s", r"'m\xe1s'"),
        ("DTSTART;VALUE=DATE:20260310\nRRULE:FREQ=DAILY;COUNT=many", "'20260310'"),
        ("DTSTART:20260310T090000Z\nRRULE:FREQ=SOMETIMES", "'20260310T090000Z'"),
    ],
)
def test_an_event_that_cannot_be_read_is_named(lines: str, begins: str) -> None:
    """And the others are not taken for all that there are."""
    fine = "UID:a\nDTSTART:20260310T090000Z\nDURATION:PT15M"
    with pytest.raises(UnreadableError) as error:
        taken(fine, f"UID:b\n{lines}")
    assert str(error.value) == f"holds an event that cannot be read: the one that begins at {begins}"


def test_a_calendar_that_tells_only_when_somebody_is_busy_takes_those_times() -> None:
    told = """
BEGIN:VFREEBUSY
UID:a
DTSTART:20260301T000000Z
DTEND:20260401T000000Z
FREEBUSY;FBTYPE=BUSY:20260310T090000Z/20260310T100000Z,20260311T090000Z/PT45M
FREEBUSY;FBTYPE=free:20260312T090000Z/PT1H
FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260313T090000Z/PT1H
FREEBUSY:20260314T090000Z/PT1H,20250314T090000Z/PT1H,20260315T090000Z/PT0S
END:VFREEBUSY
"""
    body = f"BEGIN:VCALENDAR\nVERSION:2.0{told}END:VCALENDAR\n".replace("\n", "\r\n").encode()
    found = [f"{start:%m-%dT%H:%M}/{end:%H:%M}" for _, start, end in busy_times(body, LISBON, BEGIN, END)]
    assert found == ["03-10T09:00/10:00", "03-11T09:00/09:45", "03-13T09:00/10:00", "03-14T09:00/10:00"]
    for broken in (body.replace(b"PT45M", b"soon"), body.replace(b"20260314T090000Z/PT1H", b"soon")):
        with pytest.raises(UnreadableError):
            busy_times(broken, LISBON, BEGIN, END)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_merged_times_are_the_same_time_in_the_fewest_spans(pairs: list[tuple[int, int]]) -> None:
    spans = [
        (BEGIN + timedelta(minutes=start), BEGIN + timedelta(minutes=start + length))
        for start, length in pairs
    ]
    minutes = {minute for start, length in pairs for minute in range(start, start + length)}
    found = merged(spans)
    covered = [
        minute
        for start, end in found
        for minute in range(
            int((start - BEGIN).total_seconds() // 60), int((end - BEGIN).total_seconds() // 60)
        )
    ]
    assert covered == sorted(minutes)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(found))
