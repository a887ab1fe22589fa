"""What a business offered when: the states that each service, member of staff, room and reminder policy had.

Standard library only; see checker.py. Booking hears of a change through Kafka, whenever that is. A sighting
(watch.py) tells that from one moment to another it surely went by one version; between two of them it may have gone
by either, and by any version that lies between.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Row = dict[str, Any]

_DAY = timedelta(days=1)
FIRST = 1
"""The version that a run's setup record tells of, where it does not say another."""


class State(NamedTuple):
    """Booking may have gone by it from `earliest` to `latest`; `values` is None where nobody can tell them."""

    version: int
    values: Row | None
    earliest: float
    latest: float


class Catalog:
    """Of one run: `first` is what was there at its begin, `begun` its version where that was none of FIRST.

    `answered` is what businesses were told of their changes.
    """

    def __init__(
        self,
        first: Mapping[str, Row],
        sightings: Iterable[Row],
        answered: Iterable[Row],
        begun: Mapping[str, int],
    ) -> None:
        self.first = first
        seen: dict[str, list[Row]] = defaultdict(list)
        for sighting in sightings:
            seen[sighting["id"]].append(sighting)
        self.begun = {key: begun.get(key, FIRST) for key in first}
        known: dict[str, dict[int, Row]] = {key: {self.begun[key]: first[key]} for key in first}
        for answer in answered:
            known[answer["id"]][answer["version"]] = answer["values"]
        self.seen = {key: sorted(seen[key], key=lambda item: float(item["since"])) for key in first}
        self._states = {key: _states(self.seen[key], known[key], self.begun[key]) for key in first}
        self._latest = {key: [state.latest for state in states] for key, states in self._states.items()}

    def possible(self, key: str, begin: float, end: float) -> list[State]:
        """What booking may have gone by at some moment between the two."""
        states = self._states[key]
        found = []
        for state in states[bisect_left(self._latest[key], begin) :]:
            if state.earliest > end:
                break
            found.append(state)
        return found


def _states(seen: list[Row], known: Mapping[int, Row], begun: int) -> list[State]:
    states: list[State] = []
    until, last = float("-inf"), 0
    for place, sighting in enumerate(seen):
        version = sighting["version"]
        skipped = range(max(last + 1, begun), version)
        states += [State(between, known.get(between), until, sighting["since"]) for between in skipped]
        latest = seen[place + 1]["since"] if place + 1 < len(seen) else float("inf")
        states.append(State(version, sighting["values"], until, latest))
        until, last = sighting["until"], version
    return states or [State(begun, known[begun], float("-inf"), float("inf"))]


def admits(staff: Row, step: float, starts: float, ends: float) -> bool:
    """Whether somebody's hours have that start, and last until its end; times in seconds since 1970.

    With a `step` of 0, somebody who joins a colleague at whatever start that one has.
    """
    openings = _openings(staff, starts)
    for opens, closes in openings:
        if not opens <= starts < closes or (step and (starts - opens) % step):
            continue
        reach = closes
        for begin, end in openings:
            if begin == reach:  # it follows at once, and has starts of its own
                reach = end
        return ends <= reach
    return False


def _openings(staff: Row, around: float) -> list[tuple[float, float]]:
    """By time; those of the days about then. Runs keep to hours that no clock skips."""
    zone = ZoneInfo(staff["zone"])
    today = datetime.fromtimestamp(around, zone).date()
    found = []
    for day in (today - _DAY, today, today + _DAY, today + 2 * _DAY):
        weekly = [(opens, closes) for weekday, opens, closes in staff["weekly"] if weekday == day.weekday()]
        for opens, closes in staff["exceptions"].get(day.isoformat(), weekly):
            found.append((_at(day, opens, zone), _at(day + _DAY if closes == "00:00" else day, closes, zone)))
    return sorted(found)


def _at(day: date, wall: str, zone: ZoneInfo) -> float:
    return datetime.combine(day, time.fromisoformat(wall), zone).timestamp()
