"""booking.availability against the oracle that looks at every minute: all zones, all that their clocks do."""

import os
import random
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain import Busy, Offer, Resource
from booking.slots.availability import slots, within_hours
from contracts.business import Hours, HoursException, Interval
from unit.booking.oracle import DAY, MINUTE, Clock, Shifts, Taken, Wish, Worker, offered, transitions

SEED = int(os.environ.get("SEED", "6"))
ALL = os.environ.get("ORACLE") == "all"
"""Every change of every zone's clocks, rather than one change of some zones: `make test-oracle`."""
SOME = 40
YEARS = datetime(2024, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
ODD = [
    ("Pacific/Apia", "2011-12-30"),  # a day that Samoa did not have
    ("Pacific/Fakaofo", "2011-12-30"),
    ("Pacific/Kwajalein", "1993-08-21"),
    ("Pacific/Kwajalein", "1969-10-01"),  # most of a day, twice
    ("Pacific/Kiritimati", "1994-12-31"),
    ("Pacific/Kanton", "1994-12-31"),
    ("Australia/Lord_Howe", "1985-10-27"),
    ("Asia/Kathmandu", "1986-01-01"),  # a quarter of an hour
    ("America/Caracas", "2007-12-09"),
    ("America/Caracas", "2016-05-01"),
    ("Asia/Pyongyang", "2018-05-05"),
    ("Asia/Colombo", "2006-04-15"),
    ("America/St_Johns", "1988-04-03"),  # two hours, at one minute past midnight
    ("America/St_Johns", "2011-11-06"),
    ("Antarctica/Troll", "2023-03-26"),  # two hours
    ("Antarctica/Casey", "2020-10-04"),  # three
    ("Africa/Casablanca", "2012-07-20"),
    ("Europe/Lisbon", "1993-03-28"),
    ("Africa/Cairo", "2010-08-11"),
    ("America/Sao_Paulo", "2018-11-04"),  # midnight is skipped
    ("America/Havana", "2012-11-04"),  # midnight is shown twice
]
ADA = UUID(int=1)
WHO = UUID(int=9)


def chance_of(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - to be repeated, not to be secret


class Question:
    """One thing to ask both: in the oracle's words, and in booking's."""

    def __init__(self, zone: str, wish: Wish, worker: Worker, taken: list[Taken]) -> None:
        self.zone, self.wish, self.worker, self.taken = zone, wish, worker, taken

    @property
    def offer(self) -> Offer:
        return Offer(
            service_id=UUID(int=7),
            name="Cut",
            duration=self.wish.duration,
            buffer_before=self.wish.before,
            buffer_after=self.wish.after,
            slot_step=self.wish.step,
            minimum_notice=self.wish.notice,
            booking_window=self.wish.ahead,
            cancellation_window=timedelta(),
            capacity=self.wish.capacity,
            requires_confirmation=False,
            price_amount=2500,
            currency="EUR",
            resource_ids=(ADA,),
        )

    @property
    def resource(self) -> Resource:
        weekly = [
            Hours(weekday=weekday, opens=opens, closes=closes)
            for weekday, shifts in self.worker.weekly.items()
            for opens, closes in shifts
        ]
        exceptions = [
            HoursException(
                date=day, intervals=[Interval(opens=opens, closes=closes) for opens, closes in shifts]
            )
            for day, shifts in self.worker.dates.items()
        ]
        return Resource(ADA, "Ada", self.zone, tuple(weekly), tuple(exceptions))

    @property
    def busy(self) -> list[Busy]:
        """A class's session is known by its start; anything else is a session of its own."""
        return [
            Busy(
                ADA,
                self.offer.session_id(ADA, item.class_at, WHO) if item.class_at else UUID(int=100 + n),
                item.begin,
                item.end,
                item.places,
            )
            for n, item in enumerate(self.taken)
        ]

    def ask(self, clock: Clock, window: tuple[datetime, datetime], now: datetime) -> None:
        """Both, and compares."""
        expected = offered(self.wish, self.worker, self.taken, clock, window, now)
        found = [slot.starts_at for slot in slots(self.offer, [self.resource], self.busy, window, now)]
        assert found == expected, vars(self) | {"window": window, "now": now}
        assert all(within_hours(self.resource, self.offer, start) for start in found)


def shifts_of(walls: list[int]) -> Shifts:
    """Up to 1440, ascending minutes of the day, pair by pair."""
    times = [time(minute // 60 % 24, minute % 60) for minute in walls]
    return list(zip(times[::2], times[1::2], strict=True))


def drawn(chance: random.Random, zone: str, about: datetime) -> Question:
    """A question about the hours around an instant, where clocks do what they do."""
    minutes = chance.choice([1, 5, 15, 15, 30])

    def shifts() -> Shifts:
        if chance.random() < 0.15:
            return shifts_of([0, 1440])
        return shifts_of(sorted(chance.sample(range(0, 1441, minutes), chance.choice([2, 2, 4]))))

    wish = Wish(
        duration=chance.choice([5, 15, 30, 45, 60, 90, 240]) * MINUTE,
        step=chance.choice([5, 10, 15, 20, 30, 45, 60]) * MINUTE,
        before=chance.choice([0, 0, 5, 15]) * MINUTE,
        after=chance.choice([0, 0, 5, 30]) * MINUTE,
        notice=chance.choice([0, 0, 90, 600]) * MINUTE,
        ahead=chance.choice([1, 1, 60]) * DAY,
        capacity=chance.choice([1, 1, 3]),
    )
    day = about.astimezone(ZoneInfo(zone)).date()
    dates = {day + n * DAY: shifts() if chance.random() < 0.8 else () for n in chance.sample(range(-2, 3), 2)}
    worker = Worker({n: shifts() for n in range(7)}, dates if chance.random() < 0.5 else {})
    taken = []
    for _ in range(chance.randrange(5)):
        begin = about + chance.randrange(-180, 180) * 5 * MINUTE
        length = chance.choice([5, 10, 30, 120]) * MINUTE
        seconds = timedelta(seconds=chance.choice([0, 0, 0, 17]))  # a calendar of others has such
        taken.append(Taken(begin + seconds, begin + length))
    if wish.capacity > 1:
        taken = [item for item in taken if chance.random() < 0.3]
    return Question(zone, wish, worker, taken)


def with_classes(chance: random.Random, question: Question, clock: Clock, about: datetime) -> Question:
    """Some of the starts that it would offer are taken: by classes that have begun to fill."""
    wish, window = question.wish, (about - DAY, about + DAY)
    if wish.capacity == 1:
        return question
    open_starts = offered(wish, question.worker, [], clock, window, about - 5 * DAY)
    classes = [
        Taken(
            start - wish.before,
            start + wish.duration + wish.after + longer * MINUTE,
            chance.choice([1, 2, 3]),
            start,
        )
        for start in chance.sample(open_starts, min(3, len(open_starts)))
        for longer in chance.choice(
            [[0], [0], [0, 30]]
        )  # the service was longer once: one class, two lengths
    ]
    return Question(question.zone, wish, question.worker, question.taken + classes)


def look(chance: random.Random, zone: str, about: datetime, questions: int) -> None:
    """Asks about the day before and the day behind an instant."""
    about = about.replace(second=0, microsecond=0)
    clock = Clock(about - 3 * DAY, about + 3 * DAY, ZoneInfo(zone))
    for _ in range(questions):
        question = with_classes(chance, drawn(chance, zone, about), clock, about)
        now = about - chance.choice([5 * 24 * 60, 2 * 24 * 60, 14 * 60]) * MINUTE
        question.ask(clock, (about - DAY * 0.75, about + DAY * 0.75), now)


def changes(zone: str) -> list[datetime]:
    """When its clocks change in those years; any moment where they do not."""
    return transitions(ZoneInfo(zone), *YEARS) or [datetime(2026, 11, 28, 3, tzinfo=UTC)]


@pytest.mark.parametrize(("zone", "day"), ODD)
def test_the_days_on_which_clocks_did_something_odd(zone: str, day: str) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    (about,) = transitions(ZoneInfo(zone), midnight - 2 * DAY, midnight + 2 * DAY)
    look(chance_of(f"{SEED}/{zone}/{day}"), zone, about, 10 if ALL else 2)


def test_the_days_on_which_the_clocks_of_a_zone_change() -> None:
    """Of some zones, and a change of each; of all, and each change, takes some minutes: `make test-oracle`."""
    chance = chance_of(str(SEED))
    zones = sorted(available_timezones())
    looked_at = 0
    for zone in zones if ALL else chance.sample(zones, SOME):
        found = changes(zone)
        for about in found if ALL else [chance.choice(found)]:
            look(chance, zone, about, 3 if ALL else 1)
            looked_at += 1
    print(f"seed {SEED}: {looked_at} days")  # noqa: T201 - pytest shows it of a failure


walls = st.lists(st.integers(0, 288), min_size=2, max_size=4, unique=True).map(
    lambda found: shifts_of([5 * n for n in sorted(found)[: len(found) // 2 * 2]])
)
SOMEWHERE = {
    zone: Clock(about - 3 * DAY, about + 3 * DAY, ZoneInfo(zone))
    for zone, about in [
        ("Europe/Lisbon", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ]
}


@st.composite
def questions(draw: st.DrawFn) -> Question:
    zone = draw(st.sampled_from(sorted(SOMEWHERE)))
    about = SOMEWHERE[zone].minutes[3 * 24 * 60]
    minutes = st.sampled_from([0, 5, 15, 30, 60, 90]).map(lambda n: n * MINUTE)
    wish = Wish(
        duration=draw(minutes) + 5 * MINUTE,
        step=draw(minutes) + 10 * MINUTE,
        before=draw(minutes),
        after=draw(minutes),
    )
    exception = draw(st.dictionaries(st.just(about.astimezone(ZoneInfo(zone)).date()), walls, max_size=1))
    begins = draw(st.lists(st.integers(-200, 200), max_size=4))
    taken = [Taken(about + n * 5 * MINUTE, about + n * 5 * MINUTE + draw(minutes) + MINUTE) for n in begins]
    return Question(zone, wish, Worker(dict.fromkeys(range(7), draw(walls)), exception), taken)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(questions())
def test_what_hypothesis_thinks_of(question: Question) -> None:
    """Its failures are small: what the other tests find is not."""
    clock = SOMEWHERE[question.zone]
    about = clock.minutes[3 * 24 * 60]
    question.ask(clock, (about - DAY * 0.75, about + DAY * 0.75), about - 5 * DAY)
