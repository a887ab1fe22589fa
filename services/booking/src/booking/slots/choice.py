"""Who and what an appointment takes: a team and the resources beside it, or the session of a class that it joins.

booking.slots.availability asks it what to offer and booking.choosing what to take, so that the two agree. The rules
stand in docs/adr/0018.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from booking.domain import Offer
from booking.slots.occupancy import Day

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Place:
    """One lane of a resource."""

    resource_id: UUID
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """What an appointment takes, staff first. `lead_id` names its session where the offer is a class."""

    lead_id: UUID
    places: tuple[Place, ...]

    @property
    def resource_ids(self) -> tuple[UUID, ...]:
        """Each resource once, staff first."""
        return tuple(dict.fromkeys(place.resource_id for place in self.places))


@dataclass(frozen=True, slots=True)
class _Session:
    """A session of the class that runs at the start, with places left."""

    choice: Choice
    filled: int


class Options:
    """What one start of an offer leaves to choose from.

    `open_ids` are the staff and resources whose hours allow it, `punctual` the staff for whom it is one of their
    starts too: a team has one of them, and the others join in. `days` holds everybody's, and no other's.
    """

    def __init__(
        self,
        offer: Offer,
        days: Mapping[UUID, Day],
        starts_at: datetime,
        open_ids: Collection[UUID],
        punctual: Collection[UUID],
    ) -> None:
        self._offer = offer
        self._days = days
        self._starts_at = starts_at
        self._open = open_ids
        self._punctual = punctual
        self._staff = [each for each in offer.resource_ids if each in open_ids and each in days]
        self.free_staff = [each for each in self._staff if days[each].lanes(starts_at, 1)]
        """Those who have nothing else then."""
        self._sessions = self._running() if offer.capacity > 1 else []

    def offered(self, wanted: UUID | None = None) -> bool:
        """Whether the hours alone allow it, with `wanted` in the team."""
        return self._enough(self._staff, wanted) and all(
            sum(self._days[each].resource.capacity for each in self._reach(need.resource_ids)) >= need.count
            for need in self._offer.needs
        )

    def staff_ids(self) -> list[UUID]:
        """Those who can be asked for."""
        found = {place.resource_id for session in self._sessions for place in session.choice.places}
        if self._enough(self.free_staff, None) and self._beside(()) is not None:
            found.update(
                self.free_staff
                if self._offer.staff_count > 1
                else (each for each in self.free_staff if each in self._punctual)
            )
        return [each for each in self._staff if each in found]

    def choose(self, wanted: UUID | None, order: Sequence[UUID], stay: Sequence[UUID] = ()) -> Choice | None:
        """What is taken, with `wanted` in the team; None when nothing that would do is free.

        A class is joined where it runs already, the fullest session first. Otherwise a team is made of those who
        come first in `order`, and resources as the service names them; `stay` goes before both.
        """
        sessions = [
            session for session in self._sessions if wanted is None or Place(wanted) in session.choice.places
        ]
        if sessions:
            joined = max(sessions, key=lambda session: (session.filled, -session.choice.lead_id.int)).choice
            places = sorted(joined.places, key=lambda place: place.resource_id != wanted)
            return replace(joined, places=tuple(places))
        free = sorted(self.free_staff, key=lambda each: (each not in stay, order.index(each)))
        if not self._enough(free, wanted):
            return None
        team = [wanted] if wanted is not None else []
        if not any(each in self._punctual for each in team):
            team.append(next(each for each in free if each in self._punctual))
        team += [each for each in free if each not in team]
        team = team[: self._offer.staff_count]
        beside = self._beside(stay)
        if beside is None:
            return None
        return Choice(min(team), (*(Place(each) for each in team), *beside))

    def _enough(self, staff: Collection[UUID], wanted: UUID | None) -> bool:
        if len(staff) < self._offer.staff_count or (wanted is not None and wanted not in staff):
            return False
        if wanted is not None and self._offer.staff_count == 1:
            return wanted in self._punctual
        return any(each in self._punctual for each in staff)

    def _reach(self, resource_ids: Sequence[UUID]) -> list[UUID]:
        return [each for each in resource_ids if each in self._open and each in self._days]

    def _beside(self, stay: Sequence[UUID]) -> list[Place] | None:
        """What the service needs beside staff, where all of it is free; business lets no resource stand in two."""
        places: list[Place] = []
        for need in self._offer.needs:
            wanted = len(places) + need.count
            for each in sorted(self._reach(need.resource_ids), key=lambda each: each not in stay):
                lanes = self._days[each].lanes(self._starts_at, wanted - len(places))
                places += [Place(each, lane) for lane in lanes]
            if len(places) < wanted:
                return None
        return places

    def _running(self) -> list[_Session]:
        """Sessions that can be joined: with a place left, everybody there, and all that the service needs now."""
        at_once = {
            each: self._days[each].taken(self._starts_at)
            for each in dict.fromkeys(self._reach(self._offer.all_ids))
        }
        found = []
        for lead_id in self._staff:
            session_id = self._offer.session_id(lead_id, self._starts_at, _NOBODY)
            taken = {
                Place(each, item.lane): 0
                for each, items in at_once.items()
                for item in items
                if item.session_id == session_id
            }
            if Place(lead_id) not in taken:
                continue
            alone = True
            for place in taken:
                for item in at_once[place.resource_id]:
                    if item.lane == place.lane:
                        alone = alone and item.session_id == session_id
                        taken[place] += item.places
            filled = max(taken.values())
            if alone and filled < self._offer.capacity and self._complete(taken):
                staff = sorted((place for place in taken if place.resource_id in self._staff), key=_by_id)
                rest = sorted((place for place in taken if place not in staff), key=_by_id)
                found.append(_Session(Choice(lead_id, (*staff, *rest)), filled))
        return found

    def _complete(self, places: Collection[Place]) -> bool:
        ids = [place.resource_id for place in places]
        return self._offer.is_met_by(ids) and any(each in self._punctual for each in ids)


def _by_id(place: Place) -> tuple[UUID, int]:
    return place.resource_id, place.lane
