"""What a chaos run has left: its history and the state at its end, as plain values for the checker.

Standard library only, like all of the checker (checker.py says why). A folder holds `history.jsonl`, one record a
line (`setup` first, then `invoke`, `outcome`, `known`, `fault` and `mark`, with seconds since the run began), and
`final.json`, what was read when all was healed and quiet. Times are seconds since 1970 unless said otherwise.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chaos.catalog import FIRST, Catalog, Row
from chaos.operations import FOREVER, Operation, taken_apart

OPEN = frozenset({"pending", "confirmed"})
CATALOG = frozenset(
    {"change-service", "change-hours", "change-day", "change-zone", "change-room", "change-policy"}
)
"""What a business changes of what it offers."""
OFFERED = "booking.waitlist.v1"
"""The topic that tells of offers to the waitlist."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and what shows it."""

    rule: str
    says: str


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
        self.places: dict[str, Row] = {row["id"]: row for row in booking["places"]}
        """Of the waitlist."""
        self.offers: dict[str, Row] = {row["id"]: row for row in booking["offers"]}
        """To a place, each with its hold."""
        self.singles = taken_apart(self.operations, self.appointments.values(), self.emails, self.offers)
        """What was asked of each single appointment: see singles.py."""
        self._wishes: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.singles:
            if operation.kind == "book":
                self._wishes[operation.args.get("id") or operation.args["email"]].append(operation)
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

    def wishes_for(self, appointment_id: str) -> list[Operation]:
        """The operations that an appointment may have been booked by: one, which may have been sent again."""
        return self._wishes.get(appointment_id) or self._wishes.get(self.email_of(appointment_id), [])

    def offer_events(self) -> dict[str, Event]:
        """By offer to the waitlist, each in the order in which it first came."""
        found: dict[str, Event] = {}
        for event in self.events(OFFERED):
            found.setdefault(event.data["offer_id"], event)
        return found
