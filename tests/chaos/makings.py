"""When each version of an appointment, and each hold, took its time: the bounds between which that surely was.

Standard library only; see checker.py. What could be booked then is the catalog's to say (catalog.py).
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from chaos.catalog import Row, State
from chaos.evidence import Event, Evidence
from chaos.operations import FOREVER, Operation, seconds, taken_by

KINDS = {
    "reschedule": "rescheduled",
    "cancel": "cancelled",
    "confirm": "confirmed",
    "complete": "completed",
    "no-show": "no-show",
}
"""The event that each change is told by."""
CHANGES = frozenset(KINDS)
_TAKES = frozenset({"booked", "rescheduled"})
_WAITED_SECONDS = 30.0
"""So much later than it looked at the clock can a change have read what is offered: it waits for locks between."""


class Making(NamedTuple):
    """Of a version of an appointment, or of a hold (version 0): between `began` and `ended`, seconds of the run."""

    owner_id: str
    version: int
    service_id: str
    staff_ids: tuple[str, ...]
    """And its rooms."""
    starts: float
    ends: float
    began: float
    ended: float
    of_hold: str | None = None
    """The hold that it was booked by: for that the hours counted."""


class Makings:
    """All of one run's."""

    def __init__(self, run: Evidence) -> None:
        self._run = run
        self._rows: dict[str, list[Row]] = defaultdict(list)
        for row in run.allocations:
            self._rows[row["appointment_id"] or row["hold_id"]].append(row)
        self._changes: dict[str, list[Operation]] = defaultdict(list)
        self._answers: dict[str, list[tuple[int, Operation]]] = defaultdict(list)
        for operation in run.singles:
            if operation.kind in CHANGES and operation.outcome != "refused":
                self._changes[operation.args["id"]].append(operation)
            if operation.outcome == "ok" and operation.kind in CHANGES | {"book", "read", "list"}:
                for answer in operation.answers:
                    self._answers[answer["id"]].append((answer["version"], operation))

    @cached_property
    def of_appointments(self) -> dict[str, dict[int, Making]]:
        """By appointment and version, of those that took time; by what topics tell, or else what was answered."""
        found: dict[str, dict[int, Making]] = defaultdict(dict)
        for making in self._told() if self._run.has_topics else self._answered():
            found[making.owner_id][making.version] = making
        return found

    @cached_property
    def of_holds(self) -> dict[str, Making]:
        """Of those that were acknowledged, and of those that keep what the waitlist is offered."""
        held = {
            hold.answer["id"]: Making(
                hold.answer["id"],
                0,
                hold.answer["service_id"],
                self._held(hold.answer),
                seconds(hold.answer["starts_at"]),
                seconds(hold.answer["ends_at"]),
                hold.began,
                hold.ended,
            )
            for hold in self._run.operations
            if hold.kind == "hold" and hold.outcome == "ok"
        }
        return held | {offer["hold_id"]: self._offered(offer) for offer in self._run.offers.values()}

    def _offered(self, offer: Row) -> Making:
        """Whoever makes an offer looks at the clock, then at the catalog, and then waits for locks."""
        by_clock, slack = offer["offered_at"] - self._run.setup["epoch"], self._run.setup["clock_slack"]
        return Making(
            offer["hold_id"],
            0,
            self._run.places[offer["place_id"]]["service_id"],
            tuple(offer["staff_ids"]),
            offer["starts_at"],
            offer["ends_at"],
            by_clock - slack,
            by_clock + slack + _WAITED_SECONDS,
        )

    def _held(self, hold: Row) -> tuple[str, ...]:
        """Who was told of, then whom and what else it keeps: by its rows, or as what was booked by it took."""
        kept = {row["resource_id"] for row in self._rows[hold["id"]]}
        for appointment_id in self._booked_by.get(hold["id"], ()):
            made = self.of_appointments.get(appointment_id, {}).get(1)
            kept.update(
                made.staff_ids if made else (row["resource_id"] for row in self._rows[appointment_id])
            )
        return hold["staff_id"], *sorted(kept - {hold["staff_id"]})

    def of_version(self, appointment_id: str, version: int) -> Making | None:
        """Which took the time that it has in that version."""
        versions = [made for made in self.of_appointments.get(appointment_id, {}) if made <= version]
        return self.of_appointments[appointment_id][max(versions)] if versions else None

    def of_answer(self, operation: Operation) -> Making:
        """Of what somebody was answered, at some moment until then."""
        answer = operation.answer
        return Making(
            answer["id"],
            answer["version"],
            self._run.appointments[answer["id"]]["service_id"],
            tuple(taken_by(answer)),
            seconds(answer["starts_at"]),
            seconds(answer["ends_at"]),
            0.0,
            operation.ended,
            operation.args.get("hold_id"),
        )

    def of_row(self, row: Row) -> Making:
        """Of an appointment as it stands at the end; at some moment of the run where nobody can tell when."""
        made = self.of_version(row["id"], row["version"])
        there = row["starts_at"], row["ends_at"], tuple(row["resource_ids"])
        if made is not None and (made.starts, made.ends, made.staff_ids) == there:
            return made
        starts, ends, staff = there
        return Making(row["id"], row["version"], row["service_id"], staff, starts, ends, 0.0, FOREVER)

    def session(self, making: Making) -> tuple[str, float] | None:
        """What places of one class with one person share; None for what was no class then."""
        return (making.service_id, making.starts) if self.capacity(making) > 1 else None

    def states(self, making: Making) -> list[State]:
        """Of its service, as they may have been."""
        return self._run.catalog.possible(making.service_id, making.began, making.ended)

    def capacity(self, making: Making) -> float:
        """The greatest that its service may have had; endless where nobody can tell."""
        return _most(self.states(making))

    def places(self, room: str, began: float, ended: float) -> float:
        """The same of a room, of which so many may have been alike between the two moments."""
        return _most(self._run.catalog.possible(room, began, ended))

    def rows(self, making: Making, staff_id: str) -> list[Row]:
        """What may be taken of somebody for it, whatever has become of that."""
        rows = list(self._rows[making.owner_id])
        if making.version == 0:
            for appointment_id in self._booked_by.get(making.owner_id, ()):
                rows += self._rows[appointment_id]
        return [
            row
            for row in rows
            if row["resource_id"] == staff_id and row["begin"] <= making.starts < row["end"]
        ]

    def taken(self, making: Making, staff_id: str) -> tuple[float, float]:
        """What it takes of somebody: its own time and the buffers that are kept for it, where that can be told."""
        fitting = [
            row
            for row in self.rows(making, staff_id)
            if any(fits(state.values, making, row) for state in self.states(making) if state.values)
        ]
        # It may have had that time before, with other buffers: surely it takes what all of them do.
        begins, ends = [row["begin"] for row in fitting], [row["end"] for row in fitting]
        return max(begins, default=making.starts), min(ends, default=making.ends)

    @cached_property
    def _booked_by(self) -> dict[str, list[str]]:
        """The appointments that somebody asked for by a hold."""
        found: dict[str, list[str]] = defaultdict(list)
        for appointment_id in self._run.appointments:
            for wish in self._run.wishes_for(appointment_id)[:1]:
                found[wish.args["hold_id"]].append(appointment_id)
        return found

    def _told(self) -> Iterator[Making]:
        for appointment_id, events in self._run.appointment_events().items():
            if appointment_id not in self._run.appointments:
                continue
            wishes = self._run.wishes_for(appointment_id)
            for event in events:
                if event.kind in _TAKES:
                    by_hold = event.kind == "booked" and bool(wishes)
                    hold_id = wishes[0].args["hold_id"] if by_hold else None
                    yield Making(
                        appointment_id,
                        event.data["version"],
                        event.data["service_id"],
                        tuple(taken_by(event.data)),
                        seconds(event.data["starts_at"]),
                        seconds(event.data["ends_at"]),
                        *self.bounds(appointment_id, event),
                        hold_id,
                    )

    def bounds(self, appointment_id: str, event: Event) -> tuple[float, float]:
        """Between which seconds of the run that version was made."""
        version = event.data["version"]
        if event.kind == "booked":
            asked = self._run.wishes_for(appointment_id)
        else:
            changes = self._changes[appointment_id]
            asked = [item for item in changes if KINDS[item.kind] == event.kind and item.asks_for(event.data)]
        # Who changes one version waits for who made it; a booking that is repeated is answered what it was then.
        behind = [
            item.began
            for answered, item in self._answers[appointment_id]
            if answered < version and item.kind in CHANGES
        ]
        by_clock = seconds(event.data["occurred_at"]) - self._run.setup["epoch"]
        before = [item.ended for answered, item in self._answers[appointment_id] if answered >= version]
        return (
            max([min((item.began for item in asked), default=0.0), *behind]),
            min([by_clock + self._run.setup["clock_slack"] + _WAITED_SECONDS, *before]),
        )

    def _answered(self) -> Iterator[Making]:
        """Where no topics were read; nobody changes a catalog then."""
        for operation in self._run.singles:
            told = operation.kind in {"book", "reschedule"} and operation.outcome == "ok"
            if told and operation.answer["id"] in self._run.appointments:
                yield self.of_answer(operation)


def _most(states: list[State]) -> float:
    known = [state.values for state in states]
    return max((values["capacity"] if values else FOREVER for values in known), default=FOREVER)


@lru_cache(maxsize=1)
def makings_of(run: Evidence) -> Makings:
    """For every rule the same."""
    return Makings(run)


def fits(values: Row, making: Making, row: Row) -> bool:
    """Whether a service of these values takes just that, for what is made of it."""
    return (making.starts - row["begin"], making.ends - making.starts, row["end"] - making.ends) == (
        values["before"],
        values["duration"],
        values["after"],
    )
