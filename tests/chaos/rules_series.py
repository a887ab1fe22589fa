"""Rules about recurring appointments: booked whole or as it was answered, and cancelled whole. See checker.py.

Standard library only. That each appointment of a series stands, or was changed by who asked for it, is decided
for it as for any other (operations.py takes what concerns a series apart).
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chaos.catalog import Row
from chaos.evidence import OPEN, Evidence, Violation
from chaos.makings import Making, makings_of
from chaos.operations import FOREVER, Operation, seconds

_WHOLE, _CANCELLED = "a series is booked whole", "a series is cancelled whole"
_ENDS = "acknowledged is there, refused is not"


def series_are_whole(run: Evidence) -> Iterator[Violation]:
    """All starts of the rule, or none; or, where it may skip what cannot be booked, all others, and it says which.

    A wish (one customer's address) may have been sent again under its Idempotency-Key. Of one that nobody was
    answered, what there is at the end is all of it or nothing.
    """
    wishes: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.operations:
        if operation.kind == "book-series":
            wishes[operation.args["email"]].append(operation)
    made: dict[str, list[Row]] = defaultdict(list)
    for row in run.appointments.values():
        made[run.emails[row["customer_id"]]].append(row)
    for email, operations in wishes.items():
        there, wish = made[email], operations[0]
        acknowledged = [operation for operation in operations if operation.outcome == "ok"]
        if there and all(operation.outcome == "refused" for operation in operations):
            yield Violation(_ENDS, f"refused and there as {there}: {wish}")
        if {(row["series_id"] is None, row["service_id"]) for row in there} - {
            (False, wish.args["service_id"])
        }:
            yield Violation(_WHOLE, f"{there} is of another service, or of no series: {wish}")
        if len({row["series_id"] for row in there}) > 1:
            yield Violation(_WHOLE, f"one wish has made several series: {wish} and {there}")
        if acknowledged:
            yield from _as_answered(run, wish, acknowledged, there)
        elif there:
            yield from _as_asked_for(run, wish, there)


def _as_answered(
    run: Evidence, wish: Operation, acknowledged: list[Operation], there: list[Row]
) -> Iterator[Violation]:
    answer = acknowledged[0].answer
    told = [item["id"] for item in answer["appointments"]]
    if any(operation.answer != answer for operation in acknowledged):
        yield Violation(_WHOLE, f"one wish was answered in two ways: {acknowledged}")
    if sorted(told) != sorted(row["id"] for row in there):
        yield Violation(_WHOLE, f"{told} were acknowledged, and {there} is there: {wish}")
    if {row["series_id"] for row in there} - {answer["id"]}:
        yield Violation(_WHOLE, f"acknowledged as {answer['id']}, and it is {there}")
    starts = sorted([seconds(item["starts_at"]) for item in answer["appointments"]] + _skipped(answer))
    zones = _zones(run, wish)
    if zones is not None and answer["zone"] not in zones:
        yield Violation(_WHOLE, f"it recurs by the clock of {answer['zone']}, and not of {zones}: {wish}")
    if starts != _starts(wish.args, answer["zone"]):
        yield Violation(_WHOLE, f"it was acknowledged as {answer}, and asked for as {wish}")
    if answer["skipped"] and not wish.args["skip"]:
        yield Violation(_WHOLE, f"{answer['skipped']} are left out, which nobody wanted: {wish}")


def _skipped(answer: Row) -> list[float]:
    return [seconds(starts_at) for starts_at in answer["skipped"]]


def _as_asked_for(run: Evidence, wish: Operation, there: list[Row]) -> Iterator[Violation]:
    """Nobody was answered: the starts are known from what was told of each, where that was."""
    count = wish.args["rule"]["count"]
    if len(there) > count or (len(there) < count and not wish.args["skip"]):
        yield Violation(_WHOLE, f"{len(there)} are there of {count}: {wish}")
    events, zones = run.appointment_events() if run.has_topics else {}, _zones(run, wish)
    first = [events[row["id"]][0] for row in there if events.get(row["id"])]
    starts = {seconds(event.data["starts_at"]) for event in first if event.data["version"] == 1}
    if zones is not None and not any(starts <= set(_starts(wish.args, zone)) for zone in zones):
        yield Violation(_WHOLE, f"nobody has asked for {sorted(starts)}: {wish}")


def _zones(run: Evidence, wish: Operation) -> set[str] | None:
    """By whose clock it may recur: of the person who is named, else of the business. None: nobody can tell."""
    if wish.args["staff_id"] is None:
        return {run.tenants[wish.tenant]["zone"]}
    states = run.catalog.possible(wish.args["staff_id"], wish.began, FOREVER)
    known = [state.values for state in states]
    return {values["zone"] for values in known if values} if all(known) else None


def _starts(args: Row, name: str) -> list[float]:
    """Those that a rule makes: the same time on the wall, every so many days or weeks."""
    rule, zone = args["rule"], ZoneInfo(name)
    local = datetime.fromtimestamp(seconds(args["starts_at"]), zone)
    days = rule["interval"] * {"day": 1, "week": 7}[rule["every"]]
    later = (local.date() + timedelta(days=n * days) for n in range(1, rule["count"]))
    return [local.timestamp(), *(_at(day, local.time(), zone) for day in later)]


def _at(day: date, wall: time, zone: ZoneInfo) -> float:
    """The first time that a clock shows this; where it skips it, when it has skipped."""
    at = datetime.combine(day, wall.replace(fold=0), zone)
    if at.astimezone(UTC).astimezone(zone).time() == wall:
        return at.timestamp()
    minute = at.replace(fold=1).astimezone(UTC)
    before = minute.astimezone(zone).utcoffset()
    while minute.astimezone(zone).utcoffset() == before:
        minute += timedelta(minutes=1)
    return minute.replace(second=0, microsecond=0).timestamp()


def cancelled_series_are_over(run: Evidence) -> Iterator[Violation]:
    """Once that was acknowledged nothing of it stands that was to be cancelled; and nothing else was answered.

    Where it was to be cancelled from some moment on, an appointment counts by the starts that it may have had when
    that was done.
    """
    of_series: dict[str, list[Row]] = defaultdict(list)
    for row in run.appointments.values():
        of_series[row["series_id"]].append(row)
    for operation in run.operations:
        if operation.kind != "cancel-series" or operation.outcome != "ok":
            continue
        begin = seconds(operation.args["from"]) if operation.args["from"] else 0.0
        there = of_series[operation.args["series_id"]]
        ids = {row["id"] for row in there}
        for answer in operation.answer:
            wrong = answer["status"] != "cancelled" or seconds(answer["starts_at"]) < begin
            if wrong or answer["id"] not in ids:
                yield Violation(_CANCELLED, f"{answer} was none of what was to be cancelled: {operation}")
        for row in there:
            if row["status"] in OPEN and all(start >= begin for start in _had(run, operation, row, begin)):
                yield Violation(_CANCELLED, f"{row} stands: {operation}")


def _had(run: Evidence, operation: Operation, row: Row, begin: float) -> list[float]:
    """The starts that it may have had meanwhile; without topics, where that matters nobody can tell."""
    if not run.has_topics:
        return [-FOREVER] if begin else []
    versions: dict[int, Making] = makings_of(run).of_appointments[row["id"]]
    made = sorted(versions.values(), key=lambda making: making.version)
    found = []
    for making, following in zip(made, [*made[1:], None], strict=True):
        over = following.ended if following else FOREVER
        if making.began <= operation.ended and over >= operation.began:
            found.append(making.starts)
    return found


def judged(run: Evidence) -> Row:
    """How many series there were, and how many of their appointments were changed one by one."""
    series: dict[str, list[Row]] = defaultdict(list)
    for row in run.appointments.values():
        if row["series_id"] is not None:
            series[row["series_id"]].append(row)
    rest = [item for item in run.operations if item.kind == "cancel-series" and item.outcome == "ok"]
    return {
        "series": len(series),
        "appointments": sum(map(len, series.values())),
        "moved or settled one by one": sum(
            row["version"] > 1 and row["status"] != "cancelled" for rows in series.values() for row in rows
        ),
        "cancelled with their series": sum(len(operation.answer) for operation in rest),
        "of wishes that nobody was answered": len(series.keys() - _answered(run)),
    }


def _answered(run: Evidence) -> set[str]:
    return {
        operation.answer["id"]
        for operation in run.operations
        if operation.kind == "book-series" and operation.outcome == "ok"
    }
