"""What a chaos run has left: its history and the state at its end, as plain values for the checker.

Standard library only, like all of the checker (checker.py says why). A folder holds `history.jsonl`, one record a
line (`setup` first, then `invoke`, `outcome`, `known`, `fault` and `mark`, with seconds since the run began), and
`final.json`, what was read when all was healed and quiet. Times are seconds since 1970 unless said otherwise.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.catalog import FIRST, Catalog, Row

FOREVER = float("inf")
OPEN = frozenset({"pending", "confirmed"})
CATALOG = frozenset(
    {"change-service", "change-hours", "change-day", "change-zone", "change-room", "change-policy"}
)
"""What a business changes of what it offers."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and what shows it."""

    rule: str
    says: str


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
        """Whether an answer or an event is of the start that was asked for, and the person, if one was named."""
        starts_at, staff_id = self.args.get("starts_at"), self.args.get("staff_id")
        at_its_start = starts_at is None or seconds(starts_at) == seconds(told["starts_at"])
        return at_its_start and (staff_id is None or staff_id in told["staff_ids"])

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} {self.args} -> {self.outcome} {self.problem or ''}"


@dataclass(frozen=True)
class Fault:
    """What the nemesis did, and when (seconds since the run began); `mail` when it struck one mail."""

    what: str
    target: str
    at: float
    mail: str | None = None


@dataclass(frozen=True)
class Event:
    """An event as an independent consumer read it; `offset` orders those of one partition.

    `time` is by the clock of the process that it is from.
    """

    id: str
    type: str
    tenant: str
    key: str
    partition: int
    offset: int
    time: str
    data: Row

    @property
    def kind(self) -> str:
        """`booking.appointment.no-show.v1` is a no-show."""
        return self.type.split(".")[2]

    @property
    def by_system(self) -> bool:
        """A cancellation that nobody asked for."""
        return self.kind == "cancelled" and self.data["cancelled_by"] == "system"


class Evidence:
    """All of one run."""

    def __init__(self, records: Iterable[Row], final: Row) -> None:
        self.operations: list[Operation] = []
        self.faults: list[Fault] = []
        self.marks: dict[str, Row] = {}
        self.sightings: list[Row] = []
        self.setup: Row = {}
        for record in records:
            self._take(record)
        self.final = final
        self.tenants: dict[str, Row] = {tenant["id"]: tenant for tenant in self.setup["tenants"]}
        self.tenant_of: dict[str, str] = {}
        """By a service's id, a room's or somebody's."""
        self.rooms = {room["id"] for tenant in self.setup["tenants"] for room in tenant["rooms"]}
        first: dict[str, Row] = {}
        begun: dict[str, int] = {}
        for tenant in self.setup["tenants"]:
            for item in (*tenant["services"], *tenant["staff"], *tenant["rooms"], tenant["policy"]):
                self.tenant_of[item["id"]] = tenant["id"]
                first[item["id"]] = {
                    name: value for name, value in item.items() if name not in {"id", "version"}
                }
            begun[tenant["policy"]["id"]] = tenant["policy"]["version"]
            begun[f"{tenant['id']}/followed"] = tenant["policy"]["version"]
        # A business has a policy before its owner has entered the one that the run begins with.
        sightings = [item for item in self.sightings if item["version"] >= begun.get(item["id"], FIRST)]
        answered = (item.answer for item in self.operations if item.kind in CATALOG and item.outcome == "ok")
        self.catalog = Catalog(first, sightings, answered, begun)
        self.followed: dict[str, list[Row]] = defaultdict(list)
        """By business, when it was surely so that all its appointments followed which version of its policy."""
        for sighting in sightings:
            whose, _, what = sighting["id"].partition("/")
            if what == "followed":
                self.followed[whose].append(sighting)
        booking = final["booking"]
        self.appointments: dict[str, Row] = {row["id"]: row for row in booking["appointments"]}
        self.allocations: list[Row] = booking["allocations"]
        self.emails: dict[str, str] = {row["id"]: row["email"] for row in booking["customers"]}
        self.has_topics = "topics" in final
        self.has_messages = "messages" in final

    def _take(self, record: Row) -> None:
        match record["type"]:
            case "setup":
                self.setup = record
            case "invoke":
                operation = Operation(
                    record["op"], record["kind"], record["tenant"], record["args"], record["at"]
                )
                assert operation.number == len(self.operations), "operations are numbered in order"
                self.operations.append(operation)
            case "outcome":
                operation = self.operations[record["op"]]
                operation.ended = record["at"] if record["outcome"] != "unknown" else FOREVER
                operation.outcome, operation.status = record["outcome"], record["status"]
                operation.problem, operation.answer = record["problem"], record["answer"]
            case "fault":
                self.faults.append(Fault(record["what"], record["target"], record["at"], record.get("mail")))
            case "known":
                self.sightings.append(record)
            case "mark":
                self.marks[record["what"]] = record

    @classmethod
    def read(cls, folder: Path) -> "Evidence":
        """Of a finished run's folder."""
        lines = (folder / "history.jsonl").read_text("utf-8").splitlines()
        return cls(map(json.loads, lines), json.loads((folder / "final.json").read_text("utf-8")))

    def events(self, topic: str) -> list[Event]:
        """Those of the run's tenants, in the order of each partition."""
        found = [Event(**item) for item in self.final["topics"].get(topic, [])]
        return sorted(found, key=lambda event: (event.partition, event.offset))

    def appointment_events(self) -> dict[str, list[Event]]:
        """By appointment, each once, in the order in which they first came."""
        found: dict[str, dict[str, Event]] = defaultdict(dict)
        for event in self.events("booking.appointment.v1"):
            found[event.data["appointment_id"]].setdefault(event.id, event)
        return {key: list(events.values()) for key, events in found.items()}

    def run_out(self) -> set[str]:
        """The appointments that the system cancelled; none where the topics were not read."""
        events = self.events("booking.appointment.v1") if self.has_topics else []
        return {event.data["appointment_id"] for event in events if event.by_system}

    def email_of(self, appointment_id: str) -> str:
        return self.emails[self.appointments[appointment_id]["customer_id"]]


def taken_by(told: Row) -> list[str]:
    """Whom and what an answer or an event says that an appointment takes, in no order that matters."""
    return sorted(told["staff_ids"])


def seconds(text: str) -> float:
    """Of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()
