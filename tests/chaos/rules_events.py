"""Rules about booking's events, as an independent consumer read them. Standard library only; see checker.py."""

from collections import defaultdict
from collections.abc import Iterator

from chaos.catalog import Row
from chaos.evidence import OFFERED, Event, Evidence, Violation
from chaos.makings import KINDS
from chaos.operations import Operation, seconds, taken_by

_NOTICED_SECONDS = 30.0
"""So long behind a start it has been noticed that nobody has confirmed."""


def status_after(before: str | None, event: Event) -> str:
    """What an appointment is behind an event."""
    if event.kind == "booked":
        return "confirmed" if event.data["confirmed"] else "pending"
    return str(before) if event.kind == "rescheduled" else event.kind


def one_event_a_change_in_order(run: Evidence) -> Iterator[Violation]:
    """Versions 1, 2, 3 … of each appointment, each told of once, in one partition; the last is what the row says.

    The relay may send an event again under its own id, when it was killed; readers know it by that.
    """
    rule = "one event a change, in order"
    found = run.appointment_events()
    for appointment_id in found.keys() - run.appointments.keys():
        yield Violation(rule, f"{appointment_id} was told of and is not there")
    for appointment_id, row in run.appointments.items():
        events = found.get(appointment_id, [])
        versions = [event.data["version"] for event in events]
        if versions != list(range(1, row["version"] + 1)):
            yield Violation(
                rule, f"{row} was told of as {[(item.kind, item.data['version']) for item in events]}"
            )
            continue
        if len({event.partition for event in events}) > 1:
            yield Violation(rule, f"{appointment_id} is in several partitions")
        if {event.data["service_id"] for event in events} != {row["service_id"]}:
            yield Violation(rule, f"{row} was told of as of another service: {events}")
        status = None
        for event in events:
            status = status_after(status, event)
        last = (status, *_place(events[-1].data))
        if last != (row["status"], row["starts_at"], row["ends_at"], row["resource_ids"]):
            yield Violation(rule, f"told of last as {last}, the row is {row}")


def _place(told: Row) -> tuple[float, float, list[str]]:
    """When an event or an answer says that it is, and with whom."""
    return seconds(told["starts_at"]), seconds(told["ends_at"]), taken_by(told)


def events_are_of_their_tenant(run: Evidence) -> Iterator[Violation]:
    """By key, header and content, whatever topic they are in; offers to the waitlist are rules_waitlist's."""
    for topic in run.final["topics"].keys() - {OFFERED}:
        for event in run.events(topic):
            appointment_id = event.data["appointment_id"]
            row = run.appointments.get(appointment_id)
            tenant = row["tenant"] if row is not None else None
            if (event.tenant, event.data["tenant_id"], event.key) != (
                tenant,
                tenant,
                f"{tenant}/{appointment_id}",
            ):
                yield Violation("tenants are apart", f"in {topic}, of {row}: {event}")


def versions_are_what_was_asked_for(run: Evidence) -> Iterator[Violation]:
    """The first is what the wish was about; each other is of a change that was acknowledged with it, or is unknown.

    One unknown operation explains one version at most. What the system does is asked for by nobody:
    `unconfirmed_runs_out_at_its_start` is about that.
    """
    rule = "refused is not, unknown is once at most"
    asked: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.singles:
        if operation.kind in KINDS and operation.outcome != "refused":
            asked[operation.args["id"]].append(operation)
    for appointment_id, events in run.appointment_events().items():
        wishes = run.wishes_for(appointment_id) if appointment_id in run.appointments else []
        unknown = [item for item in asked[appointment_id] if item.outcome == "unknown"]
        unknown.sort(
            key=lambda item: "staff_id" not in item.args
        )  # who names nobody may explain more of them
        for event in events:
            version = event.data["version"]
            if version == 1 and wishes and not wishes[-1].asks_for(event.data):
                yield Violation(rule, f"{wishes[-1]} has become {event}")
            acknowledged = any(
                _is(item, event) and item.answer["version"] == version
                for item in asked[appointment_id]
                if item.outcome == "ok"
            )
            if version == 1 or acknowledged or event.by_system:
                continue
            explains = next((item for item in unknown if _is(item, event)), None)
            if explains is None:
                yield Violation(rule, f"nobody has asked for version {version}: {event}")
            else:
                unknown.remove(explains)


def _is(operation: Operation, event: Event) -> bool:
    return KINDS[operation.kind] == event.kind and operation.asks_for(event.data)


def answers_are_what_was_told(run: Evidence) -> Iterator[Violation]:
    """Whoever was answered a version, also when it was made or read, was answered what its event says."""
    events = run.appointment_events()
    answered: dict[str, list[Operation]] = defaultdict(list)
    for operation in run.singles:
        if operation.outcome == "ok" and operation.kind in {*KINDS, "book", "read"}:
            answered[operation.answer["id"]].append(operation)
    for appointment_id, operations in answered.items():
        was: dict[int, tuple[str, float, float, list[str]]] = {}
        status = None
        for event in events.get(appointment_id, []):
            status = status_after(status, event)
            was[event.data["version"]] = status, *_place(event.data)
        for operation in operations:
            answer = operation.answer
            said = answer["status"], *_place(answer)
            if was.get(answer["version"], said) != said:
                says = f"{operation} was answered {answer}, and it was {was[answer['version']]}"
                yield Violation("refused is not, unknown is once at most", says)


def unconfirmed_runs_out_at_its_start(run: Evidence) -> Iterator[Violation]:
    """The system cancels what is pending when its start has come, by the event's clock; else it cancels nothing."""
    rule = "what is not confirmed runs out at its start"
    for events in run.appointment_events().values():
        status: str | None = None
        for event in events:
            before = status
            status = status_after(before, event)
            if not event.by_system:
                continue
            starts, at = seconds(event.data["starts_at"]), seconds(event.data["occurred_at"])
            if before != "pending":
                yield Violation(rule, f"it was {before}, and nobody asked for {event}")
            if at < starts:
                yield Violation(rule, f"{starts - at} s before its start: {event}")
    if "quiet" in run.marks:
        for row in run.appointments.values():
            begun = row["starts_at"] < run.marks["quiet"]["clock"] - _NOTICED_SECONDS
            if begun and row["status"] == "pending":
                yield Violation(rule, f"{row} was never confirmed, and stands")


def nothing_is_read_that_was_overtaken(run: Evidence) -> Iterator[Violation]:
    """Whoever asks behind an acknowledged version is answered that one or a later one."""
    answered: dict[str, list[tuple[float, float, int, int]]] = defaultdict(list)
    for operation in run.singles:
        if operation.outcome == "ok" and operation.kind in {*KINDS, "read", "list"}:
            for answer in operation.answers:
                told = (operation.began, operation.ended, answer["version"], operation.number)
                answered[answer["id"]].append(told)
    for appointment_id, by_begin in answered.items():
        by_end = sorted(by_begin, key=lambda told: told[1])
        newest, at = 0, 0
        for began, _, version, number in sorted(by_begin):
            while at < len(by_end) and by_end[at][1] < began:
                newest = max(newest, by_end[at][2])
                at += 1
            if version < newest:
                says = (
                    f"#{number} was answered version {version} of {appointment_id}, after {newest} had been"
                )
                yield Violation("nothing overtaken is read", says)
