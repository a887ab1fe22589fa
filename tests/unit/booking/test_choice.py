"""Teams, rooms, lanes and sessions against a model that tries every combination.

The model keeps what was taken as a plain list, and decides by enumerating teams and lanes; it shares nothing
with the sweep but the domain's types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from random import Random
from uuid import UUID

import pytest

from booking.domain import Busy, Offer, Resource
from booking.slots.availability import options_at, slots
from booking.slots.choice import Choice, Place
from contracts.business import Hours, ResourceNeed

STAFF = [UUID(int=number) for number in (1, 2, 3, 4)]
ROOMS = [UUID(int=number) for number in (11, 12, 13)]
MINUTE = timedelta(minutes=1)
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
DAY = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
STARTS = [MIDNIGHT + minutes * MINUTE for minutes in range(8 * 60, 13 * 60, 10)]


def resource(
    resource_id: UUID, opens: int, closes: int, *, capacity: int = 1, kind: str = "staff"
) -> Resource:
    """Open from minute to minute of each day, in UTC."""
    hours = [
        Hours(weekday=day, opens=time(opens // 60, opens % 60), closes=time(closes // 60, closes % 60))
        for day in range(7)
    ]
    return Resource(
        resource_id,
        "Ada",
        "UTC",
        tuple(hours),
        (),
        kind=kind,  # type: ignore[arg-type] # one of the two
        capacity=capacity,
    )


@dataclass
class Booked:
    offer: Offer
    starts_at: datetime
    places: frozenset[Place]
    session_id: UUID


@dataclass
class Model:
    """What there is and what is taken of it."""

    resources: list[Resource]
    hours: dict[UUID, tuple[int, int]]
    booked: list[Booked] = field(default_factory=list)

    def busy(self) -> list[Busy]:
        """As the database groups it: one row a lane, session and range."""
        found: dict[tuple[UUID, int, UUID, datetime, datetime], int] = {}
        for item in self.booked:
            for place in item.places:
                key = (place.resource_id, place.lane, item.session_id, *item.offer.taken(item.starts_at))
                found[key] = found.get(key, 0) + 1
        return [
            Busy(resource_id, session_id, begin, end, places, lane)
            for (resource_id, lane, session_id, begin, end), places in found.items()
        ]

    def open(self, offer: Offer, resource_id: UUID, starts_at: datetime) -> bool:
        opens, closes = self.hours[resource_id]
        begin = (starts_at - MIDNIGHT) / MINUTE
        return opens <= begin and begin + offer.duration / MINUTE <= closes

    def punctual(self, offer: Offer, staff_id: UUID, starts_at: datetime) -> bool:
        since = starts_at - (MIDNIGHT + self.hours[staff_id][0] * MINUTE)
        return self.open(offer, staff_id, starts_at) and not since % offer.slot_step

    def empty(self, offer: Offer, place: Place, starts_at: datetime) -> bool:
        begin, end = offer.taken(starts_at)
        return not any(
            place in item.places
            and item.offer.taken(item.starts_at)[0] < end
            and begin < item.offer.taken(item.starts_at)[1]
            for item in self.booked
        )

    def teams(self, offer: Offer, starts_at: datetime, wanted: UUID | None) -> Iterator[tuple[UUID, ...]]:
        here = [each for each in offer.resource_ids if self.open(offer, each, starts_at)]
        for team in combinations(here, offer.staff_count):
            if wanted in {None, *team} and any(self.punctual(offer, each, starts_at) for each in team):
                yield team

    def can(self, offer: Offer, starts_at: datetime, wanted: UUID | None, *, empty: bool = False) -> bool:
        """Whether it can be booked; with `empty`, whether it could be if nothing were."""
        capacity = {item.resource_id: item.capacity for item in self.resources}
        if offer.capacity > 1 and not empty:
            together: dict[UUID, list[Booked]] = {}
            for item in self.booked:
                if item.offer is offer and item.starts_at == starts_at:
                    together.setdefault(item.session_id, []).append(item)
            for session in together.values():
                joined = wanted is None or Place(wanted) in session[0].places
                if joined and len(session) < offer.capacity:
                    return True
        for team in self.teams(offer, starts_at, wanted):
            if not empty and not all(self.empty(offer, Place(each), starts_at) for each in team):
                continue
            if all(
                need.count
                <= sum(
                    self.open(offer, each, starts_at)
                    and (empty or self.empty(offer, Place(each, lane), starts_at))
                    for each in need.resource_ids
                    for lane in range(capacity[each])
                )
                for need in offer.needs
            ):
                return True
        return False

    def take(self, offer: Offer, starts_at: datetime, choice: Choice, owner: UUID) -> None:
        """Books what was chosen, if it may be."""
        session_id = offer.session_id(choice.lead_id, starts_at, owner)
        mine = [item for item in self.booked if item.session_id == session_id]
        assert len(mine) < offer.capacity, "more than the class has places"
        assert all(item.places == frozenset(choice.places) for item in mine), "a session moved"
        others = [item for item in self.booked if item.session_id != session_id]
        assert all(
            Model(self.resources, self.hours, others).empty(offer, place, starts_at)
            for place in choice.places
        ), "something taken was taken again"
        assert len(set(choice.places)) == len(choice.places)
        ids = [place.resource_id for place in choice.places]
        assert sum(each in offer.resource_ids for each in ids) == offer.staff_count
        for need in offer.needs:
            assert sum(each in need.resource_ids for each in ids) == need.count
        self.booked.append(Booked(offer, starts_at, frozenset(choice.places), session_id))


def offer(chance: Random, number: int, rooms: Sequence[Resource]) -> Offer:
    staff = tuple(sorted(chance.sample(STAFF, chance.randint(2, 4))))
    left = chance.sample([room.resource_id for room in rooms], len(rooms))
    needs = []
    for _ in range(chance.randint(0, 2)):
        some, left = left[: chance.randint(1, 2)], left[2:]
        if some:
            needs.append(ResourceNeed(resource_ids=some, count=chance.randint(1, 2)))
    return Offer(
        service_id=UUID(int=100 + number),
        name="Cut",
        duration=chance.choice([20, 30, 60]) * MINUTE,
        buffer_before=chance.choice([0, 10]) * MINUTE,
        buffer_after=chance.choice([0, 10]) * MINUTE,
        slot_step=chance.choice([20, 30]) * MINUTE,
        minimum_notice=timedelta(),
        booking_window=timedelta(days=730),
        cancellation_window=timedelta(),
        capacity=chance.choice([1, 1, 2, 3]),
        requires_confirmation=False,
        price_amount=0,
        currency="EUR",
        resource_ids=staff,
        staff_count=chance.randint(1, 2),
        needs=tuple(needs),
    )


@pytest.mark.parametrize("seed", range(100))
def test_what_is_chosen_is_free_and_what_is_refused_is_not(seed: int) -> None:
    """Three services compete for the same staff and rooms; some of what is booked is cancelled again."""
    chance = Random(seed)  # noqa: S311 - the same mix each time
    hours = {each: (chance.choice([540, 550, 570]), chance.choice([660, 720])) for each in [*STAFF, *ROOMS]}
    rooms = [resource(each, *hours[each], capacity=chance.randint(1, 3), kind="resource") for each in ROOMS]
    model = Model([*(resource(each, *hours[each]) for each in STAFF), *rooms], hours)
    offers = [offer(chance, number, rooms) for number in range(3)]
    for number in range(40):
        wish, starts_at = chance.choice(offers), chance.choice(STARTS)
        wanted = chance.choice([None, *wish.resource_ids])
        asked = [item for item in model.resources if item.resource_id in wish.all_ids]
        options = options_at(wish, asked, model.busy(), starts_at)
        assert options.offered(wanted) == model.can(wish, starts_at, wanted, empty=True)
        choice = options.choose(wanted, sorted(options.free_staff, key=lambda _: chance.random()))
        assert (choice is not None) == model.can(wish, starts_at, wanted), (wish, starts_at, wanted)
        if choice is not None:
            assert wanted in {None, choice.resource_ids[0]}
            model.take(wish, starts_at, choice, UUID(int=1000 + number))
        if model.booked and chance.random() < 0.15:
            model.booked.remove(chance.choice(model.booked))
    for wish in offers:
        asked = [item for item in model.resources if item.resource_id in wish.all_ids]
        found = {
            slot.starts_at: set(slot.resource_ids) for slot in slots(wish, asked, model.busy(), DAY, LONG_AGO)
        }
        expected = {
            starts_at: who
            for starts_at in STARTS
            if (who := {each for each in wish.resource_ids if model.can(wish, starts_at, each)})
        }
        assert found == expected


def test_lanes_of_a_capacity_that_was_lowered_count() -> None:
    """Two appointments stand in a room that has one place now: the third has to wait for both."""
    room = resource(ROOMS[0], 540, 720, kind="resource")
    ada = resource(STAFF[0], 540, 720)
    chance = Random(1)  # noqa: S311 - any offer
    wish = offer(chance, 0, [])
    wish = Offer(
        **{name: getattr(wish, name) for name in wish.__slots__}
        | {
            "resource_ids": (STAFF[0],),
            "staff_count": 1,
            "capacity": 1,
            "needs": (ResourceNeed(resource_ids=[ROOMS[0]], count=1),),
            "buffer_before": timedelta(),
            "buffer_after": timedelta(),
            "duration": 30 * MINUTE,
        }
    )
    nine = MIDNIGHT + timedelta(hours=9)
    stands = [Busy(ROOMS[0], UUID(int=70), nine, nine + timedelta(hours=1), 1, lane=1)]
    assert options_at(wish, [ada, room], stands, nine).choose(None, STAFF) is None
    assert options_at(wish, [ada, room], [], nine).choose(None, STAFF) is not None
