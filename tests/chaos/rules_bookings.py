"""Rules about appointments and the time that they take. Standard library only; see checker.py."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from chaos.catalog import Row
from chaos.evidence import OPEN, Evidence, Violation
from chaos.makings import CHANGES, Making, makings_of
from chaos.operations import FOREVER, Operation, seconds, taken_by

_QUARTER = 900.0
_ROOMS = "no more at once than there are rooms"
Session = tuple[str, float] | str
"""(service, start) of a class's places, which may overlap; for anything else a name that is its own."""


def acknowledged_is_there_and_refused_is_not(run: Evidence) -> Iterator[Violation]:
    """A wish (one customer's address, unique in the run) may have been sent again under its Idempotency-Key.

    What series and the waitlist have made is their own rules' to say.
    """
    rule = "acknowledged is there, refused is not"
    wishes: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "book":
            wishes[operation.args["email"]].append(operation)
    made: dict[str, list[str]] = defaultdict(list)
    for appointment_id in run.appointments:
        made[run.email_of(appointment_id)].append(appointment_id)
    others = {item.args["email"] for item in run.operations if item.kind in {"book-series", "join"}}
    for email in made.keys() - wishes.keys() - others:
        yield Violation(rule, f"nobody has asked for {made[email]}")
    for email, operations in wishes.items():
        there = made.get(email, [])
        acknowledged = {operation.answer["id"] for operation in operations if operation.outcome == "ok"}
        if len(there) > 1:
            yield Violation(rule, f"one wish has made {there}: {operations[0]}")
        if acknowledged - set(there):
            yield Violation(rule, f"acknowledged and not there: {operations[0]}")
        if there and all(operation.outcome == "refused" for operation in operations):
            yield Violation(rule, f"refused and there as {there}: {operations[0]}")
        for row in (run.appointments[appointment_id] for appointment_id in there):
            if row["service_id"] != operations[0].args["service_id"]:
                yield Violation(rule, f"{row} is of another service: {operations[0]}")
    for operation in run.singles:
        if operation.kind in CHANGES | {"book"} and operation.outcome == "ok":
            yield from _stands(run, operation)


def acknowledged_is_found(run: Evidence) -> Iterator[Violation]:
    """By its business and its customer: "not found" is a refusal, while what a fault breaks is unknown."""
    rule = "acknowledged is there, refused is not"
    since: dict[str, float] = {}
    for operation in run.singles:
        if operation.kind == "book" and operation.outcome == "ok":
            appointment_id = operation.answer["id"]
            since[appointment_id] = min(operation.ended, since.get(appointment_id, FOREVER))
    for operation in run.operations:
        if operation.kind not in CHANGES | {"read"} or operation.problem != "not-found":
            continue
        if since.get(operation.args["id"], FOREVER) < operation.began:
            yield Violation(rule, f"acknowledged and not found: {operation}")


def _stands(run: Evidence, operation: Operation) -> Iterator[Violation]:
    """What was answered is what the row says, unless a later version does."""
    rule = "acknowledged is there, refused is not"
    row, answer = run.appointments.get(operation.answer["id"]), operation.answer
    if row is None or row["version"] < answer["version"]:
        yield Violation(rule, f"acknowledged and lost: {operation}, the row is {row}")
    elif row["version"] == answer["version"]:
        said = (
            answer["status"],
            seconds(answer["starts_at"]),
            seconds(answer["ends_at"]),
            taken_by(answer),
        )
        if said != (row["status"], row["starts_at"], row["ends_at"], row["resource_ids"]):
            yield Violation(rule, f"acknowledged as {said}, the row is {row}")
    if not operation.asks_for(answer):
        yield Violation(rule, f"acknowledged as {answer}, and asked for otherwise: {operation}")


class Taken(NamedTuple):
    """What somebody is taken for at the end: as its row says, and at least for as long as the appointment does."""

    begin: float
    end: float
    session: Session
    capacity: float
    row: Row


def nobody_is_booked_twice(run: Evidence) -> Iterator[Violation]:
    """A sweep over what each resource is taken for at the end; only places of one class may overlap.

    Of those, and of what is at once in rooms that are alike, there is no more than could be when one was taken.
    """
    by_resource: dict[tuple[str, str], list[Taken]] = defaultdict(list)
    for row in run.allocations:
        if row["state"] in {"held", "confirmed"}:
            by_resource[row["tenant"], row["resource_id"]].append(_taken(run, row))
    for (_, resource), there in by_resource.items():
        if resource in run.rooms:
            yield from _in_rooms(there)
            continue
        classes: dict[Session, list[Taken]] = defaultdict(list)
        for taken in there:
            classes[taken.session].append(taken)
        for key, places in classes.items():
            if isinstance(key, tuple) and len(places) > max(taken.capacity for taken in places):
                yield Violation("no overlap beyond capacity", f"{len(places)} places of the class {key}")
        there.sort(key=lambda taken: (taken.begin, taken.end))
        reach: Taken | None = None  # of those before, the one that ends last
        for taken in there:
            if reach is not None and taken.begin < reach.end and taken.session != reach.session:
                yield Violation("no overlap beyond capacity", f"{reach} and {taken}")
            if reach is None or taken.end > reach.end:
                reach = taken


def _in_rooms(there: list[Taken]) -> Iterator[Violation]:
    at_once: list[Taken] = []
    for taken in sorted(there, key=lambda taken: taken.begin):
        at_once = [other for other in at_once if other.end > taken.begin] + [taken]
        if len(at_once) > max(other.capacity for other in at_once):
            yield Violation(_ROOMS, f"at the end: {at_once}")


def _taken(run: Evidence, row: Row) -> Taken:
    makings, appointment = makings_of(run), run.appointments.get(row["appointment_id"] or "")
    making = makings.of_row(appointment) if appointment else makings.of_holds.get(row["hold_id"])
    if making is None:  # of a hold that nobody was told of
        held = run.final["booking"]["holds"].get(row["hold_id"])
        if held is None:
            most = makings.places(row["resource_id"], 0.0, FOREVER) if row["resource_id"] in run.rooms else 1
            return Taken(row["begin"], row["end"], str(row["id"]), most, row)
        staff = (row["resource_id"],)
        starts, service_id = held["starts_at"], held["service_id"]
        making = Making(row["hold_id"], 0, service_id, staff, starts, starts, 0.0, FOREVER)
    begin, end = min(row["begin"], making.starts), max(row["end"], making.ends)
    most = _capacity(run, making, row["resource_id"])
    return Taken(begin, end, makings.session(making) or str(row["id"]), most, row)


def _capacity(run: Evidence, making: Making, resource_id: str) -> float:
    """How many may have somebody, or a room, at once: as many as that has, or the class."""
    makings = makings_of(run)
    if resource_id in run.rooms:
        return makings.places(resource_id, making.began, making.ended)
    return makings.capacity(making)


def appointments_and_allocations_agree(run: Evidence) -> Iterator[Violation]:
    """An open appointment takes its resources for all of its time, once; a cancelled one takes nothing.

    With which buffers is `rules_catalog.taken_as_it_was_offered`'s.
    """
    rule = "allocations and appointments agree"
    taken: dict[str, list[Row]] = defaultdict(list)
    for row in run.allocations:
        if row["state"] == "confirmed":
            taken[row["appointment_id"]].append(row)
    for appointment_id in taken.keys() - run.appointments.keys():
        yield Violation(rule, f"time is taken for {appointment_id}, which is no appointment")
    for appointment_id, row in run.appointments.items():
        found = taken[appointment_id]
        if row["status"] in OPEN:
            starts, ends = row["starts_at"], row["ends_at"]
            there = sorted(item["resource_id"] for item in found)
            whole = all(item["begin"] <= starts and ends <= item["end"] for item in found)
            if there != sorted(row["resource_ids"]) or not whole:
                yield Violation(rule, f"{row} takes {found}")
        if row["status"] == "cancelled" and found:
            yield Violation(rule, f"{row} takes {found}")


class Stay(NamedTuple):
    """What an appointment took of somebody's time, in a session of its own or a class's, and when it surely did."""

    since: float
    until: float
    begin: float
    end: float
    session: Session
    appointment_id: str
    version: int
    asked: float
    """When its time was taken lies between this and `granted`."""
    granted: float
    capacity: float

    @property
    def quarters(self) -> range:
        """The quarters of an hour that it touches."""
        return range(int(self.begin // _QUARTER), int(self.end // _QUARTER) + 1)


def nobody_was_booked_twice_meanwhile(run: Evidence) -> Iterator[Violation]:
    """While the run went on: from an acknowledgement until the next change was asked for, the time was theirs.

    A sweep over the run; of each quarter it has at hand who has it just then, who are few.
    """
    for (_, resource), found in _stays(run).items():
        there: dict[int, list[Stay]] = defaultdict(list)
        for stay in sorted(found):
            beside: set[Stay] = set()
            for quarter in stay.quarters:
                there[quarter] = [other for other in there[quarter] if other.until > stay.since]
                beside.update(there[quarter])
                there[quarter].append(stay)
            if resource in run.rooms:
                yield from _in_rooms_beside(stay, beside)
            else:
                yield from _found_beside(stay, beside)


def _in_rooms_beside(stay: Stay, beside: set[Stay]) -> Iterator[Violation]:
    """At each start in its time: who has a room as well, and who surely had one when it was taken."""
    others = [
        other
        for other in beside
        if other.appointment_id != stay.appointment_id and other.begin < stay.end and stay.begin < other.end
    ]
    for at in {stay.begin, *(other.begin for other in others if other.begin > stay.begin)}:
        there = {other.appointment_id: other for other in others if other.begin <= at < other.end}
        already = sum(other.since <= stay.asked and stay.granted <= other.until for other in there.values())
        most = max(other.capacity for other in (stay, *there.values()))
        if len(there) >= most or already >= stay.capacity:
            yield Violation(_ROOMS, f"at one moment of the run: {stay} and {sorted(there.values())}")


def _found_beside(stay: Stay, beside: set[Stay]) -> Iterator[Violation]:
    rule = "no overlap beyond capacity"
    places = {stay.appointment_id: stay}
    for other in sorted(beside):
        if other.appointment_id == stay.appointment_id:
            continue
        if other.session == stay.session:
            places[other.appointment_id] = other
        elif other.begin < stay.end and stay.begin < other.end:
            yield Violation(rule, f"at one moment of the run: {other} and {stay}")
    if not isinstance(stay.session, tuple):
        return
    already = [
        other for other in places.values() if other.since <= stay.asked and stay.granted <= other.until
    ]
    most = max(other.capacity for other in places.values())
    if len(places) > most or len(already) >= stay.capacity:
        yield Violation(
            rule, f"at one moment of the run {len(places)} places of the class {stay}: {sorted(places)}"
        )


def _stays(run: Evidence) -> dict[tuple[str, str], list[Stay]]:
    """By resource.

    What the system cancelled was surely there until all was healed: up to then every start was hours ahead.
    """
    makings, ran_out = makings_of(run), run.run_out()
    asked: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.singles:
        if operation.kind in CHANGES and operation.outcome != "refused":
            asked[operation.args["id"]].append(operation)
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for operation in run.singles:
        if operation.outcome != "ok" or operation.kind not in {"book", "reschedule"}:
            continue
        answer = operation.answer
        appointment_id, version = answer["id"], answer["version"]
        if appointment_id not in run.appointments or answer["status"] not in OPEN:
            continue
        later = [
            other.began
            for other in asked[appointment_id]
            if other is not operation and other.ended > operation.began
        ]
        if appointment_id in ran_out:
            later.append(run.marks["healed"]["at"] if "healed" in run.marks else 0.0)
        since, until = operation.ended, min(later, default=FOREVER)
        if since >= until:
            continue
        making = makings.of_version(appointment_id, version) or makings.of_answer(operation)
        session, bounds = makings.session(making) or appointment_id, (making.began, making.ended)
        for resource in answer["staff_ids"]:
            begin, end = makings.taken(making, resource)
            times = min(begin, seconds(answer["starts_at"])), max(end, seconds(answer["ends_at"]))
            most = _capacity(run, making, resource)
            stay = Stay(since, until, *times, session, appointment_id, version, *bounds, most)
            stays[operation.tenant, resource].append(stay)
    return stays


def tenants_are_apart(run: Evidence) -> Iterator[Violation]:
    """No row of one business holds what another's has, and nobody was answered another's."""
    rule = "tenants are apart"
    for row in run.appointments.values():
        if run.tenant_of.get(row["service_id"]) != row["tenant"]:
            yield Violation(rule, f"{row} is of a service of another business")
    for row in run.allocations:
        owner = run.appointments.get(row["appointment_id"] or "")
        if owner is not None and owner["tenant"] != row["tenant"]:
            yield Violation(rule, f"{row} takes time for {owner}")
        if run.tenant_of.get(row["resource_id"]) != row["tenant"]:
            yield Violation(rule, f"{row} takes somebody of another business")
    for operation in run.singles:
        if operation.outcome != "ok":
            continue
        if operation.kind == "peek":
            yield Violation(rule, f"another business's appointment was answered: {operation}")
        for answer in operation.answers:
            theirs = run.appointments.get(answer["id"])
            if theirs is not None and theirs["tenant"] != operation.tenant:
                yield Violation(rule, f"{operation} was answered {theirs}")
