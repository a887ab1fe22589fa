"""Rules about appointments, holds and the time that they take. Standard library only; see checker.py."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from chaos.evidence import FOREVER, OPEN, Evidence, Operation, Row, Violation, seconds

CHANGES = frozenset({"reschedule", "cancel", "confirm", "complete", "no-show"})
_QUARTER = 900.0
Session = tuple[str, float] | str
"""(service, start) of a class's places, which may overlap; for anything else a name that is its own."""


def acknowledged_is_there_and_refused_is_not(run: Evidence) -> Iterator[Violation]:
    """A wish (one customer's address, unique in the run) may have been sent again under its Idempotency-Key."""
    rule = "acknowledged is there, refused is not"
    wishes: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "book":
            wishes[operation.args["email"]].append(operation)
    made: dict[str, list[str]] = defaultdict(list)
    for appointment_id in run.appointments:
        made[run.email_of(appointment_id)].append(appointment_id)
    for email in made.keys() - wishes.keys():
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
    for operation in run.operations:
        if operation.kind in CHANGES | {"book"} and operation.outcome == "ok":
            yield from _stands(run, operation)


def acknowledged_is_found(run: Evidence) -> Iterator[Violation]:
    """By its business and its customer: "not found" is a refusal, while what a fault breaks is unknown."""
    rule = "acknowledged is there, refused is not"
    since: dict[str, float] = {}
    for operation in run.operations:
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
        said = (answer["status"], seconds(answer["starts_at"]), answer["staff_ids"])
        if said != (row["status"], row["starts_at"], row["resource_ids"]):
            yield Violation(rule, f"acknowledged as {said}, the row is {row}")
    if not operation.asks_for(answer):
        yield Violation(rule, f"acknowledged as {answer}, and asked for otherwise: {operation}")


def nobody_is_booked_twice(run: Evidence) -> Iterator[Violation]:
    """A sweep over what each resource is taken for at the end; only places of one class may overlap."""
    by_resource: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in run.allocations:
        if row["state"] in {"held", "confirmed"}:
            by_resource[row["tenant"], row["resource_id"]].append(row)
    for rows in by_resource.values():
        classes = Counter(_class_of(run, row) for row in rows)
        for key, places in classes.items():
            if isinstance(key, tuple) and places > run.services[key[0]]["capacity"]:
                yield Violation("no overlap beyond capacity", f"{places} places of the class {key}")
        rows.sort(key=lambda row: (row["begin"], row["end"]))
        reach: Row | None = None  # of those before, the one that ends last
        for row in rows:
            overlap = reach is not None and row["begin"] < reach["end"]
            if overlap and reach is not None and _class_of(run, row) != _class_of(run, reach):
                yield Violation("no overlap beyond capacity", f"{reach} and {row}")
            if reach is None or row["end"] > reach["end"]:
                reach = row


def _class_of(run: Evidence, row: Row) -> Session:
    owner = run.appointments.get(row["appointment_id"] or "") or run.final["booking"]["holds"].get(
        row["hold_id"]
    )
    session = _session(run, owner["service_id"], owner["starts_at"]) if owner is not None else None
    return session or str(row["id"])


def _session(run: Evidence, service_id: str, starts_at: float) -> tuple[str, float] | None:
    """What places of one class with one person share; None for what is no class."""
    return (service_id, starts_at) if run.services[service_id]["capacity"] > 1 else None


def appointments_and_allocations_agree(run: Evidence) -> Iterator[Violation]:
    """An open appointment takes its resources for just its time; a cancelled one takes nothing."""
    rule = "allocations and appointments agree"
    taken: dict[str, list[Row]] = defaultdict(list)
    for row in run.allocations:
        if row["state"] == "confirmed":
            taken[row["appointment_id"]].append(row)
    for appointment_id in taken.keys() - run.appointments.keys():
        yield Violation(rule, f"time is taken for {appointment_id}, which is no appointment")
    for appointment_id, row in run.appointments.items():
        found = sorted((item["resource_id"], item["begin"], item["end"]) for item in taken[appointment_id])
        times = run.taken(row["service_id"], row["starts_at"])
        wanted = sorted((resource, *times) for resource in row["resource_ids"])
        if row["status"] in OPEN and found != wanted:
            yield Violation(rule, f"{row} takes {found}, not {wanted}")
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

    @property
    def quarters(self) -> range:
        """The quarters of an hour that it touches."""
        return range(int(self.begin // _QUARTER), int(self.end // _QUARTER) + 1)


def nobody_was_booked_twice_meanwhile(run: Evidence) -> Iterator[Violation]:
    """While the run went on: from an acknowledgement until the next change was asked for, the time was theirs.

    A sweep over the run; of each quarter it has at hand who has it just then, who are few.
    """
    for found in _stays(run).values():
        there: dict[int, list[Stay]] = defaultdict(list)
        for stay in sorted(found):
            beside: set[Stay] = set()
            for quarter in stay.quarters:
                there[quarter] = [other for other in there[quarter] if other.until > stay.since]
                beside.update(there[quarter])
                there[quarter].append(stay)
            yield from _found_beside(run, stay, beside)


def _found_beside(run: Evidence, stay: Stay, beside: set[Stay]) -> Iterator[Violation]:
    rule = "no overlap beyond capacity"
    places = {stay.appointment_id}
    for other in sorted(beside):
        if other.session == stay.session:
            places.add(other.appointment_id)
        elif (
            other.begin < stay.end and stay.begin < other.end and other.appointment_id != stay.appointment_id
        ):
            yield Violation(rule, f"at one moment of the run: {other} and {stay}")
    if isinstance(stay.session, tuple) and len(places) > run.services[stay.session[0]]["capacity"]:
        yield Violation(rule, f"at one moment of the run {len(places)} places of the class {stay}: {places}")


def _stays(run: Evidence) -> dict[tuple[str, str], list[Stay]]:
    """By resource.

    What the system cancelled was surely there until all was healed: up to then every start was hours ahead.
    """
    ran_out = run.run_out()
    asked: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind in CHANGES and operation.outcome != "refused":
            asked[operation.args["id"]].append(operation)
    stays: dict[tuple[str, str], list[Stay]] = defaultdict(list)
    for operation in run.operations:
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
        service_id, starts_at = run.appointments[appointment_id]["service_id"], seconds(answer["starts_at"])
        session = _session(run, service_id, starts_at) or appointment_id
        stay = Stay(since, until, *run.taken(service_id, starts_at), session, appointment_id, version)
        for resource in answer["staff_ids"] if since < until else ():
            stays[operation.tenant, resource].append(stay)
    return stays


def holds_are_kept(run: Evidence) -> Iterator[Violation]:
    """Nobody else gets a slot while it is held, and a hold becomes one appointment, of what was held.

    One that is given back is kept until that was asked for, and becomes none once it was acknowledged.
    """
    used: dict[str, list[Operation]] = defaultdict(list)
    given_back: dict[str, list[Operation]] = defaultdict(list)
    granted: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "book" and operation.args.get("hold_id"):
            used[operation.args["hold_id"]].append(operation)
        if operation.kind == "give-back":
            given_back[operation.args["hold_id"]].append(operation)
        if operation.kind in {"book", "reschedule"} and operation.outcome == "ok":
            for resource in operation.answer["staff_ids"]:
                granted[operation.tenant, resource].append(operation)
    for hold in run.operations:
        if hold.kind != "hold" or hold.outcome != "ok":
            continue
        uses, returns = used[hold.answer["id"]], given_back[hold.answer["id"]]
        yield from _used_once(hold, uses)
        yield from _used_no_more(hold, uses, returns)
        expires = seconds(hold.answer["expires_at"]) - run.setup["epoch"] - run.setup["clock_slack"]
        until = min([expires, *(operation.began for operation in [*uses, *returns])])
        for operation in granted[hold.tenant, hold.answer["staff_id"]]:
            meanwhile = hold.ended < operation.began <= operation.ended < until
            if meanwhile and _in_the_way(run, operation, hold):
                yield Violation("a hold is kept", f"{operation} was granted during {hold}")


def _used_once(hold: Operation, uses: list[Operation]) -> Iterator[Violation]:
    booked = {operation.answer["id"]: operation.answer for operation in uses if operation.outcome == "ok"}
    if len(booked) > 1:
        yield Violation("a hold is kept", f"{hold} was booked as {list(booked)}")
    held = [hold.answer["staff_id"]], seconds(hold.answer["starts_at"])
    for answer in booked.values():
        if (answer["staff_ids"], seconds(answer["starts_at"])) != held:
            yield Violation("a hold is kept", f"{hold} was booked as {answer}")


def _used_no_more(hold: Operation, uses: list[Operation], returns: list[Operation]) -> Iterator[Violation]:
    """A wish that was first sent before may have been granted before; its repetition tells of that."""
    returned = min((operation.ended for operation in returns if operation.outcome == "ok"), default=FOREVER)
    sent: dict[str, float] = {}
    for operation in uses:
        began = sent.setdefault(operation.args["email"], operation.began)
        if operation.outcome == "ok" and began > returned:
            yield Violation("a hold is kept", f"{hold} was given back, and then booked: {operation}")


def _in_the_way(run: Evidence, operation: Operation, hold: Operation) -> bool:
    """Whether what was granted overlaps what is held; places of one class do not."""
    row = run.appointments.get(operation.answer["id"])
    if row is None:
        return False
    starts, held = seconds(operation.answer["starts_at"]), seconds(hold.answer["starts_at"])
    service_id = str(row["service_id"])
    if (
        service_id == hold.answer["service_id"]
        and starts == held
        and run.services[service_id]["capacity"] > 1
    ):
        return False
    (low, high), (begin, end) = run.taken(service_id, starts), run.taken(hold.answer["service_id"], held)
    return low < end and begin < high


def tenants_are_apart(run: Evidence) -> Iterator[Violation]:
    """No row of one business holds what another's has, and nobody was answered another's."""
    rule = "tenants are apart"
    for row in run.appointments.values():
        service = run.services.get(row["service_id"])
        if service is None or service["tenant"] != row["tenant"]:
            yield Violation(rule, f"{row} is of a service of another business")
    for row in run.allocations:
        owner = run.appointments.get(row["appointment_id"] or "")
        if owner is not None and owner["tenant"] != row["tenant"]:
            yield Violation(rule, f"{row} takes time for {owner}")
        if row["resource_id"] not in run.tenants[row["tenant"]]["staff"]:
            yield Violation(rule, f"{row} takes somebody of another business")
    for operation in run.operations:
        if operation.outcome != "ok":
            continue
        if operation.kind == "peek":
            yield Violation(rule, f"another business's appointment was answered: {operation}")
        answers = operation.answer if isinstance(operation.answer, list) else [operation.answer]
        for answer in answers:
            theirs = run.appointments.get(answer["id"])
            if theirs is not None and theirs["tenant"] != operation.tenant:
                yield Violation(rule, f"{operation} was answered {theirs}")
