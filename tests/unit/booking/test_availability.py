"""Slots in the cases that a person would think of; those that nobody would are in test_oracle."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from booking.domain import Busy, Offer, Resource
from booking.slots.availability import bookable, days_at_once, slots
from contracts.business import Hours, HoursException, Interval
from servicekit.ids import new_id
from servicekit.localtime import day_bounds

ADA = UUID(int=1)
BEA = UUID(int=2)
SERVICE = UUID(int=9)
SOMEBODY = UUID(int=77)
MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def offer(**fields: object) -> Offer:
    present = Offer(
        service_id=SERVICE,
        name="Cut",
        duration=30 * MINUTE,
        buffer_before=timedelta(),
        buffer_after=timedelta(),
        slot_step=30 * MINUTE,
        minimum_notice=timedelta(),
        booking_window=timedelta(days=730),
        cancellation_window=timedelta(),
        capacity=1,
        requires_confirmation=False,
        price_amount=2500,
        currency="EUR",
        resource_ids=(ADA,),
    )
    return replace(present, **fields)  # type: ignore[arg-type] # names are checked by replace


def works(
    opens: str,
    closes: str,
    *,
    zone: str = "Europe/Lisbon",
    who: UUID = ADA,
    exceptions: Sequence[HoursException] = (),
) -> Resource:
    hours = tuple(
        Hours(weekday=day, opens=time.fromisoformat(opens), closes=time.fromisoformat(closes))
        for day in range(7)
    )
    return Resource(who, "Ada", zone, hours, tuple(exceptions))


def taken(
    begin: datetime, minutes: int, *, who: UUID = ADA, session: UUID = SOMEBODY, places: int = 1
) -> Busy:
    return Busy(who, session, begin, begin + minutes * MINUTE, places)


def starts(service: Offer, resource: Resource, busy: Sequence[Busy], day: date) -> list[str]:
    """Local start times offered on a day."""
    zone = ZoneInfo(resource.timezone)
    found = slots(service, [resource], busy, day_bounds(day, zone), LONG_AGO)
    return [slot.starts_at.astimezone(zone).strftime("%H:%M") for slot in found]


def test_hours_make_slots() -> None:
    assert starts(offer(), works("09:00", "11:00"), [], date(2026, 6, 1)) == [
        "09:00",
        "09:30",
        "10:00",
        "10:30",
    ]


def test_an_appointment_ends_within_the_hours() -> None:
    assert starts(offer(duration=60 * MINUTE), works("09:00", "10:30"), [], date(2026, 6, 1)) == [
        "09:00",
        "09:30",
    ]


def test_what_is_taken_is_not_offered_and_touching_is_no_overlap() -> None:
    busy = [taken(datetime(2026, 6, 1, 8, 30, tzinfo=UTC), 30)]  # 09:30 in Lisbon
    assert starts(offer(), works("09:00", "11:00"), busy, date(2026, 6, 1)) == ["09:00", "10:00", "10:30"]


def test_buffers_keep_their_distance_from_others_and_reach_beyond_the_hours() -> None:
    service = offer(buffer_before=10 * MINUTE, buffer_after=10 * MINUTE)
    busy = [taken(datetime(2026, 6, 1, 9, 0, tzinfo=UTC), 30)]  # 10:00 to 10:30
    assert starts(service, works("09:00", "12:00"), busy, date(2026, 6, 1)) == ["09:00", "11:00", "11:30"]


def test_an_exception_replaces_a_days_hours() -> None:
    closed = HoursException(date=date(2026, 6, 1), intervals=[])
    short = HoursException(date=date(2026, 6, 2), intervals=[Interval(opens=time(14), closes=time(15))])
    ada = works("09:00", "10:00", exceptions=[closed, short])
    assert starts(offer(), ada, [], date(2026, 6, 1)) == []
    assert starts(offer(), ada, [], date(2026, 6, 2)) == ["14:00", "14:30"]
    assert starts(offer(), ada, [], date(2026, 6, 3)) == ["09:00", "09:30"]


def test_hours_past_midnight_carry_an_appointment_over_it() -> None:
    service = offer(duration=120 * MINUTE, slot_step=60 * MINUTE)
    ada = works("00:00", "00:00")
    assert starts(service, ada, [], date(2026, 6, 1))[-1] == "23:00"


@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
def test_slots_are_spaced_in_elapsed_time_on_the_days_the_clocks_change(day: date, count: int) -> None:
    service = offer(duration=60 * MINUTE, slot_step=60 * MINUTE)
    ada = works("00:00", "00:00")
    found = slots(service, [ada], [], day_bounds(day, ZoneInfo("Europe/Lisbon")), LONG_AGO)
    assert len(found) == count
    assert {b.starts_at - a.starts_at for a, b in pairwise(found)} == {timedelta(hours=1)}


def test_an_afternoon_stays_an_afternoon_on_the_days_the_clocks_change() -> None:
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        assert starts(offer(), works("14:00", "15:00"), [], day) == ["14:00", "14:30"]


def test_a_class_is_offered_until_its_places_are_taken() -> None:
    yoga = offer(capacity=3)
    start = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    session = yoga.session_id(ADA, start, ADA)
    ada = works("09:00", "10:00")
    two = [taken(start, 30, session=session, places=2)]
    three = [taken(start, 30, session=session, places=3)]
    assert starts(yoga, ada, two, date(2026, 6, 1)) == ["09:00", "09:30"]
    assert starts(yoga, ada, three, date(2026, 6, 1)) == ["09:30"]


def test_a_class_whose_service_has_become_longer_counts_all_its_places() -> None:
    yoga = offer(capacity=3)
    start = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    session = yoga.session_id(ADA, start, ADA)
    busy = [taken(start, 30, session=session, places=2), taken(start, 45, session=session, places=1)]
    assert starts(yoga, works("09:00", "10:30"), busy, date(2026, 6, 1)) == ["10:00"]


def test_another_session_blocks_a_class() -> None:
    yoga = offer(capacity=3)
    busy = [taken(datetime(2026, 6, 1, 8, 0, tzinfo=UTC), 30)]
    assert starts(yoga, works("09:00", "10:00"), busy, date(2026, 6, 1)) == ["09:30"]


def test_a_slot_names_everyone_who_is_free() -> None:
    busy = [taken(datetime(2026, 6, 1, 8, 0, tzinfo=UTC), 30)]
    window = day_bounds(date(2026, 6, 1), ZoneInfo("Europe/Lisbon"))
    staff = [works("09:00", "10:00"), works("09:00", "10:00", who=BEA)]
    found = slots(offer(resource_ids=(ADA, BEA)), staff, busy, window, LONG_AGO)
    assert [slot.resource_ids for slot in found] == [(BEA,), (ADA, BEA)]


@pytest.mark.parametrize(
    ("fields", "start", "says"),
    [
        ({}, datetime(2026, 5, 31, tzinfo=UTC), "past"),
        ({"minimum_notice": timedelta(hours=2)}, datetime(2026, 6, 1, 13, tzinfo=UTC), "2 h notice"),
        ({"booking_window": timedelta(days=7)}, datetime(2026, 6, 9, tzinfo=UTC), "7 days ahead"),
    ],
)
def test_too_early_and_too_late_are_said_in_words(
    fields: dict[str, object], start: datetime, says: str
) -> None:
    fault = bookable(offer(**fields), start, datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert fault is not None
    assert says in fault


@pytest.mark.parametrize(
    ("staff", "step", "wanted", "days"),
    [
        (1, 15, None, 1041),
        (50, 5, None, 6),
        (50, 5, 0, 347),
        (25, 1, None, 2),
        (500, 1, None, 1),
        (0, 15, None, 1041),
    ],
)
def test_the_more_there_is_to_look_at_the_fewer_days_are_told_at_once(
    staff: int, step: int, wanted: int | None, days: int
) -> None:
    ids = tuple(new_id() for _ in range(staff))
    looked_for = offer(resource_ids=ids, slot_step=step * MINUTE)
    assert days_at_once(looked_for, None if wanted is None else ids[wanted]) == days


def test_a_team_is_looked_at_whole_whoever_is_asked_for() -> None:
    ids = tuple(new_id() for _ in range(50))
    team = offer(resource_ids=ids, staff_count=2, slot_step=5 * MINUTE)
    assert days_at_once(team, ids[0]) == days_at_once(team, None) == 6
