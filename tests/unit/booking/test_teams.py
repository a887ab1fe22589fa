"""All starts at once are what booking.slots.choice says of each: over weeks, zones, lanes, classes and time off.

What choice says is right is shown by test_choice.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from uuid import UUID

import pytest

from booking.domain import Busy, Offer, Resource
from booking.slots.availability import options_at, slots, within_hours
from booking.slots.hours import Schedule
from booking.slots.teams import Tally
from contracts.business import Hours, HoursException, Interval, ResourceNeed

STAFF = [UUID(int=number) for number in range(1, 6)]
ROOMS = [UUID(int=number) for number in range(11, 15)]
ZONES = ["Europe/Lisbon", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]
BEGIN = datetime(2026, 3, 26, tzinfo=UTC)
DAYS = 5
"""With the change of Lisbon's clocks among them."""
WINDOW = (BEGIN, BEGIN + timedelta(days=DAYS))
MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def moment(chance: Random) -> datetime:
    return BEGIN + chance.randrange(-24 * 12, (DAYS + 1) * 24 * 12) * 5 * MINUTE


def resource(chance: Random, resource_id: UUID) -> Resource:
    is_staff = resource_id in STAFF
    hours = [
        Hours(weekday=day, opens=time(opens), closes=time(closes % 24))
        for day in range(7)
        for opens, closes in chance.choice([[(8, 12)], [(7, 11), (13, 18)], [(0, 24)], [(0, 3), (20, 24)]])
    ]
    closed = HoursException(date=(BEGIN + timedelta(days=2)).date(), intervals=[])
    odd = HoursException(
        date=(BEGIN + timedelta(days=3)).date(), intervals=[Interval(opens=time(5), closes=time(9, 40))]
    )
    off = [moment(chance) for _ in range(chance.randint(0, 4))]
    return Resource(
        resource_id,
        "Ada",
        chance.choice(ZONES),
        tuple(hours),
        tuple(chance.sample([closed, odd], chance.randint(0, 2))),
        kind="staff" if is_staff else "resource",
        capacity=1 if is_staff else chance.choice([1, 2, 3, 40]),
        always_open=not is_staff and chance.random() < 0.3,
        time_off=tuple((begin, begin + chance.choice([30, 200, 2000]) * MINUTE) for begin in off),
    )


def wish(chance: Random) -> Offer:
    left = chance.sample(ROOMS, len(ROOMS))
    needs = []
    for _ in range(chance.randint(0, 2)):
        some, left = left[: chance.randint(1, 2)], left[2:]
        needs.append(ResourceNeed(resource_ids=some, count=chance.randint(1, 3)))
    return Offer(
        service_id=UUID(int=100),
        name="Cut",
        duration=chance.choice([20, 45, 90]) * MINUTE,
        buffer_before=chance.choice([0, 10]) * MINUTE,
        buffer_after=chance.choice([0, 25]) * MINUTE,
        slot_step=chance.choice([20, 30, 35]) * MINUTE,
        minimum_notice=timedelta(),
        booking_window=timedelta(days=730),
        cancellation_window=timedelta(),
        capacity=chance.choice([1, 1, 3]),
        requires_confirmation=False,
        price_amount=0,
        currency="EUR",
        resource_ids=tuple(chance.sample(STAFF, chance.randint(1, len(STAFF)))),
        staff_count=chance.randint(1, 3),
        needs=tuple(needs),
    )


def taken(chance: Random, offer: Offer, resources: Sequence[Resource]) -> list[Busy]:
    """Others' appointments, in lanes beyond a capacity too, and sessions of the class itself."""
    found = []
    for item in resources:
        for _ in range(chance.randint(0, 25)):
            begin = moment(chance)
            end = begin + chance.choice([15, 60, 240]) * MINUTE
            lane = chance.randrange(item.capacity + 2)
            found.append(Busy(item.resource_id, UUID(int=chance.getrandbits(64)), begin, end, 1, lane))
    for item in resources:
        if offer.capacity > 1 and item.resource_id in offer.resource_ids:
            for start in chance.sample(list(Schedule.around(item, *WINDOW).starts(offer)) or [BEGIN], 1):
                session = offer.session_id(item.resource_id, start, item.resource_id)
                begin, end = offer.taken(start)
                others = [] if offer.takes_one else [each.resource_id for each in resources]
                with_it = chance.sample(others, len(others) // 2)
                places = chance.randint(1, offer.capacity)
                found += [Busy(each, session, begin, end, places) for each in {item.resource_id, *with_it}]
    return found


@pytest.mark.parametrize("seed", range(60))
def test_all_starts_at_once_are_as_each_by_itself(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - the same mix each time
    offer = wish(chance)
    resources = [resource(chance, each) for each in offer.all_ids]
    busy = taken(chance, offer, resources)
    expected = {}
    for start in (WINDOW[0] + step * 5 * MINUTE for step in range(DAYS * 24 * 12)):
        if any(
            within_hours(item, offer, start) for item in resources if item.resource_id in offer.resource_ids
        ):
            who = options_at(offer, resources, busy, start).staff_ids()
            if who:
                expected[start] = tuple(who)
    found = {slot.starts_at: slot.resource_ids for slot in slots(offer, resources, busy, WINDOW, LONG_AGO)}
    if offer.takes_one:
        found = {
            start: tuple(each for each in offer.resource_ids if each in ids) for start, ids in found.items()
        }
    assert found == expected


def test_nobody_works_and_nothing_is_found() -> None:
    chance = Random(1)  # noqa: S311 - any offer
    offer = wish(chance)
    assert slots(offer, [], [], WINDOW, LONG_AGO) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_tally_counts(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - the same each time
    size = chance.choice([1, 7, 64, 100])
    tally, counts = Tally(size), [0] * size
    for _ in range(chance.randint(0, 30)):
        bits, times = chance.getrandbits(size), chance.choice([1, 1, 2, 5, 40])
        tally.add(bits, times)
        counts = [count + times * (bits >> place & 1) for place, count in enumerate(counts)]
    for least in range(max(counts) + 2):
        found = tally.at_least(least)
        assert [found >> place & 1 for place in range(size)] == [count >= least for count in counts], least
        assert found >> size == 0
