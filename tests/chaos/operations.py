"""The requests of a run, and what each of them asked of every single appointment.

Standard library only; see checker.py. A request about a series is about several appointments, and one that takes an
offer to the waitlist books what the offer says. `taken_apart` makes of them what they are for each appointment, so
that the rules about bookings and changes need not know that there is more than one way to ask for them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chaos.catalog import Row

FOREVER = float("inf")


@dataclass
class Operation:
    """One request: `outcome` is `ok`, `refused`, or `unknown` where nobody can tell whether it took effect.

    `began` and `ended` are seconds since the run began; an operation that nobody saw end may take effect for ever.
    """

    number: int
    kind: str
    tenant: str
    args: Row
    began: float
    ended: float = FOREVER
    outcome: str = "unknown"
    status: int | None = None
    problem: str | None = None
    answer: Any = None

    def asks_for(self, told: Row) -> bool:
        """Whether an answer or an event is of the start that was asked for, and the person, if one was named.

        Who cancels the rest of a series from some moment on asks for the starts behind it.
        """
        starts_at, staff_id = self.args.get("starts_at"), self.args.get("staff_id")
        at_its_start = starts_at is None or seconds(starts_at) == seconds(told["starts_at"])
        begin = self.args.get("from")
        late_enough = begin is None or seconds(told["starts_at"]) >= seconds(begin)
        return at_its_start and late_enough and (staff_id is None or staff_id in told["staff_ids"])

    @property
    def answers(self) -> list[Row]:
        """What it was answered, of one thing or of several."""
        return self.answer if isinstance(self.answer, list) else [self.answer]

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} {self.args} -> {self.outcome} {self.problem or ''}"


def taken_apart(
    operations: Iterable[Operation],
    appointments: Iterable[Row],
    emails: Mapping[str, str],
    offers: Mapping[str, Row],
) -> list[Operation]:
    """All operations; one about a series, or that takes an offer, as those about each single appointment.

    What was answered tells which these are; where nobody was answered, the appointments that there are at the end.
    """
    of_customer: dict[str, list[str]] = defaultdict(list)
    of_series: dict[str, list[str]] = defaultdict(list)
    for row in appointments:
        of_customer[emails[row["customer_id"]]].append(row["id"])
        of_series[row["series_id"]].append(row["id"])
    found: list[Operation] = []
    for operation in operations:
        match operation.kind:
            case "book-series":
                told = operation.answer["appointments"] if operation.outcome == "ok" else []
                found += _of_each(operation, "book", told, of_customer[operation.args["email"]])
            case "cancel-series":
                found += _of_each(
                    operation, "cancel", operation.answer, of_series[operation.args["series_id"]]
                )
            case "accept":
                found += _taken_up(operation, of_customer[operation.args["email"]], offers)
            case _:
                found.append(operation)
    return found


def _of_each(
    operation: Operation, kind: str, told: list[Row] | None, there: list[str]
) -> Iterator[Operation]:
    """Which of the starts of a series an appointment is of is the series' rules' to say."""
    args = {**operation.args, "starts_at": None, "hold_id": None}
    if operation.outcome == "ok":
        for answer in told or ():
            yield replace(operation, kind=kind, args=args | {"id": answer["id"]}, answer=answer)
    elif operation.outcome == "unknown":
        for appointment_id in there:
            yield replace(operation, kind=kind, args=args | {"id": appointment_id})


def _taken_up(operation: Operation, there: list[str], offers: Mapping[str, Row]) -> Iterator[Operation]:
    """The offer's id is the appointment's. Whoever accepts again reads the appointment as it stands."""
    ids = [operation.answer["id"]] if operation.outcome == "ok" else there
    if operation.outcome == "refused":
        return
    for appointment_id in ids:
        hold_id = offers[appointment_id]["hold_id"] if appointment_id in offers else None
        args = {"id": appointment_id, "email": operation.args["email"], "hold_id": hold_id}
        kind = "read" if operation.outcome == "ok" and operation.answer["version"] > 1 else "book"
        yield replace(operation, kind=kind, args=args)


def taken_by(told: Row) -> list[str]:
    """Whom and what an answer or an event says that an appointment takes, in no order that matters."""
    return sorted(told["staff_ids"])


def seconds(text: str) -> float:
    """Of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()
