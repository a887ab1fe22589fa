"""Rules about what a business offers, and about what is taken of it. Standard library only; see checker.py."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import product

from chaos.catalog import Row, State, admits
from chaos.evidence import CATALOG, Evidence, Violation
from chaos.makings import Making, Makings, fits, makings_of
from chaos.operations import FOREVER, Operation

_FOLLOWED = "a changed catalog is followed"
SURELY, PERHAPS, EXCUSED = "by the only state there was", "by one of several", "excused"


def changes_are_followed(run: Evidence) -> Iterator[Violation]:
    """Each version that booking goes by was asked for, in full; none goes back, and the last one comes."""
    asked: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind in CATALOG:
            asked[operation.args["id"]].append(operation)
    for key, sightings in run.catalog.seen.items():
        acknowledged = [item for item in asked[key] if item.outcome == "ok"]
        told = {item.answer["version"]: item for item in acknowledged}
        if len(told) < len(acknowledged):
            yield Violation(_FOLLOWED, f"one version of {key} was answered to two changes: {acknowledged}")
        for operation in acknowledged:
            if not _sets(operation, operation.answer["values"]):
                yield Violation(_FOLLOWED, f"acknowledged otherwise than asked for: {operation}")
        last = 0
        for sighting in sightings:
            if sighting["version"] <= last:
                yield Violation(_FOLLOWED, f"it was of version {last}, and then {sighting}")
            last = max(last, sighting["version"])
        if sightings and last < max(told, default=0):
            yield Violation(
                _FOLLOWED, f"{told[max(told)]} was acknowledged, and the last that came is {last}"
            )
        unknown = [item for item in asked[key] if item.outcome == "unknown"] + acknowledged
        yield from _explained(run, key, told, unknown)


def _explained(
    run: Evidence, key: str, told: dict[int, Operation], unknown: list[Operation]
) -> Iterator[Violation]:
    """A change that was never answered explains one version, or none.

    So does one that was answered a later version: where a connection breaks, the client's library repeats a PUT.
    """
    known = {state.version: state.values for state in run.catalog.possible(key, -FOREVER, FOREVER)}
    for sighting in run.catalog.seen[key]:
        version, values = sighting["version"], sighting["values"]
        if version in told or version == run.catalog.begun[key]:
            said = told[version].answer["values"] if version in told else run.catalog.first[key]
            if said != values:
                yield Violation(_FOLLOWED, f"it was told as {said}, and booking goes by {sighting}")
            continue
        later = [item for item in unknown if item.outcome == "unknown" or item.answer["version"] > version]
        explains = next((item for item in later if _is(item, known.get(version - 1), values)), None)
        if explains is None:
            yield Violation(_FOLLOWED, f"nobody has asked for {sighting}")
        else:
            unknown.remove(explains)


def _sets(operation: Operation, values: Row) -> bool:
    """Whether what was asked for is there."""
    return _with(values, operation.args["set"]) == _with(values, {})


def _is(operation: Operation, before: Row | None, values: Row) -> bool:
    """Whether that has been done, and nothing else to what was before, where that is known."""
    return _with(before if before is not None else values, operation.args["set"]) == _with(values, {})


def _with(values: Row, wanted: Row) -> Row:
    """Values with what was asked for; of exceptions, for one day. Nobody asks for the ids of a policy's rules."""
    if "exceptions" in wanted:
        wanted = {"exceptions": values["exceptions"] | wanted["exceptions"]}
    return {name: value for name, value in (values | wanted).items() if name != "ids"}


def taken_as_it_was_offered(run: Evidence) -> Iterator[Violation]:
    """Each hold, and each version that took time, is as long as its service was, with its buffers and its people.

    It begins when these could be had, too; of what was held before, that was the hold's to keep.
    """
    for making in _all(makings_of(run)):
        if _judged(run, making) is None:
            yield Violation("what is taken was offered", _shown(run, making))


def nothing_is_missing(run: Evidence) -> Iterator[Violation]:
    """Each hold, and each version that took time, has as many people and rooms as its service needed, and no more.

    A run's services need one place of a room at most.
    """
    for making in _all(makings_of(run)):
        states = makings_of(run).states(making)
        if all(state.values is not None and not _is_whole(run, making, state.values) for state in states):
            says = f"{making} takes {making.staff_ids}; its service was {states}"
            yield Violation("all that it needs is taken", says)


def _is_whole(run: Evidence, making: Making, service: Row) -> bool:
    rooms = run.rooms.intersection(making.staff_ids)
    needs = service["needs"]
    return (
        len(set(making.staff_ids) - rooms) == service["team"]
        and len(rooms) == sum(count for _, count in needs)
        and all(len(rooms.intersection(room_ids)) == count for room_ids, count in needs)
    )


def judged(run: Evidence) -> Counter[str]:
    """How many of them could be told how surely, so that nobody takes what is excused for what was looked at."""
    return Counter(found for making in _all(makings_of(run)) if (found := _judged(run, making)) is not None)


def _all(makings: Makings) -> Iterator[Making]:
    for versions in makings.of_appointments.values():
        yield from versions.values()
    yield from makings.of_holds.values()


def _judged(run: Evidence, making: Making) -> str | None:
    """How surely it is right; None where it is wrong, whatever the catalog was then."""
    states = makings_of(run).states(making)
    people = _people(run, making)
    combined = [states] if making.of_hold is not None else [states, *people]
    if any(_right(run, making, chosen) for chosen in product(*combined)):
        return PERHAPS if any(len(each) > 1 for each in combined) else SURELY
    return EXCUSED if any(state.values is None for each in combined for state in each) else None


def _people(run: Evidence, making: Making) -> list[list[State]]:
    """Of each person whom it takes, the states that there may have been."""
    return [
        run.catalog.possible(staff_id, making.began, making.ended)
        for staff_id in making.staff_ids
        if staff_id not in run.rooms
    ]


def _right(run: Evidence, making: Making, chosen: tuple[State, ...]) -> bool:
    """Of a team one has a start then; the others join in, in their hours."""
    service, *staff = (state.values for state in chosen)
    if service is None or any(values is None for values in staff):
        return False
    makings = makings_of(run)
    times = making.starts, making.ends
    return (
        set(making.staff_ids) - run.rooms <= set(service["staff"])
        and all(
            any(fits(service, making, row) for row in makings.rows(making, staff_id))
            for staff_id in making.staff_ids
        )
        and all(admits(values, 0, *times) for values in staff if values)
        and (not staff or any(admits(values, service["step"], *times) for values in staff if values))
    )


def _shown(run: Evidence, making: Making) -> str:
    makings = makings_of(run)
    rows = [row for staff_id in making.staff_ids for row in makings.rows(making, staff_id)]
    people = _people(run, making)
    return f"{making} takes {rows}; its service was {makings.states(making)}, its people {people}"
