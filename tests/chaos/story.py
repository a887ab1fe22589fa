"""A run made by hand, for the checker's tests to break: a good one, and what else may befall in one."""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chaos.checker import verdict
from chaos.evidence import Evidence

START = 1_800_000_000.0
ISO = "2027-01-15T08:00:00+00:00"  # START
LATER = "2027-01-15T09:00:00+00:00"
NOW = "2027-01-15T06:00:00+00:00"
T, OTHER, ADA, EVE, CUT, A, B = "tenant", "other", "ada", "eve", "cut", "a", "b"
ROOM, BATH, TEAM = "room", "bath", "team"
"""Of the room there are two; a bath takes one beside somebody, and the team is of two."""
WITHIN, BEHIND, HELD = "cut within its content", "cut behind its content", "answer held back"


def service(key: str, capacity: int = 1) -> dict[str, Any]:
    given = {"id": key, "duration": 1800, "before": 0, "after": 300, "capacity": capacity}
    return given | {"step": 900, "staff": sorted([ADA, EVE]), "team": 1, "needs": []}


def somebody(key: str) -> dict[str, Any]:
    """Who works all day, every day."""
    weekly = [[day, "00:00", "00:00"] for day in range(7)]
    return {"id": key, "zone": "Europe/Lisbon", "weekly": weekly, "exceptions": {}}


def policy(tenant: str, **rules: list[Any]) -> dict[str, Any]:
    """(seconds before the start, channel) by the rules' ids."""
    told = sorted((offset, channel, rule_id) for rule_id, (offset, channel) in rules.items())
    values = {"rules": [[offset, channel] for offset, channel, _ in told], "ids": [item[2] for item in told]}
    return {"id": f"{tenant}/policy", "version": 1} | values


def answer(
    key: str, version: int, status: str = "confirmed", starts_at: str = ISO, ends_at: str | None = None
) -> dict[str, Any]:
    times = {"starts_at": starts_at, "ends_at": ends_at or half_an_hour_later(starts_at)}
    return {"id": key, "version": version, "status": status, "staff_ids": [ADA]} | times


def half_an_hour_later(starts_at: str) -> str:
    return (datetime.fromisoformat(starts_at) + timedelta(minutes=30)).isoformat()


def wish(email: str, starts_at: str = ISO, **args: Any) -> dict[str, Any]:
    """What a booking asks for; of a cut by nobody in particular, unless `args` says otherwise."""
    given = {"service_id": CUT, "starts_at": starts_at, "staff_id": None, "hold_id": None}
    return {"email": email, "consent": False, "phone": None} | given | args


class Story:
    """A run in which Bea booked A and moved it, and Cem's booking was refused; `evidence` is what is judged."""

    def __init__(self) -> None:
        self.setup: dict[str, Any] = {
            "type": "setup",
            "seed": "hand",
            "epoch": START - 7200,
            "clock_slack": 0,
            "tenants": [
                {
                    "id": T,
                    "zone": "Europe/Lisbon",
                    "staff": [somebody(ADA), somebody(EVE)],
                    "policy": policy(T, rule=[3600, "email"]),
                    "rooms": [{"id": ROOM, "capacity": 2}],
                    "services": [
                        service(CUT),
                        service("class", 2),
                        service(BATH) | {"needs": [[[ROOM], 1]]},
                        service(TEAM) | {"team": 2},
                    ],
                },
                {
                    "id": OTHER,
                    "zone": "Europe/Lisbon",
                    "staff": [somebody("bo")],
                    "rooms": [],
                    "policy": policy(OTHER),
                    "services": [service("wash")],
                },
            ],
        }
        self.records: list[dict[str, Any]] = []
        self.numbers = 0
        self.op("book", 1, wish("bea@x", consent=True), "ok", answer(A, 1))
        self.op("reschedule", 2, {"id": A, "starts_at": LATER}, "ok", answer(A, 2, starts_at=LATER))
        self.op("book", 3, wish("cem@x", LATER, consent=True), "refused")
        self.mark("healed", START - 7000)
        self.mark("quiet", START + 3000)
        self.final: dict[str, Any] = {
            "booking": {
                "appointments": [self.row(A, 2, "confirmed", START + 3600, "bea")],
                "allocations": [
                    self.allocation(A, START + 3600),
                    self.allocation(A, START, id="before", state="released"),
                ],
                "holds": {},
                "customers": [{"id": "bea", "email": "bea@x"}, {"id": "cem", "email": "cem@x"}],
                "places": [],
                "offers": [],
            },
            "topics": {
                "booking.appointment.v1": [
                    self.event(1, "booking.appointment.booked.v1", A, 1, ISO, confirmed=True),
                    self.event(2, "booking.appointment.rescheduled.v1", A, 2, LATER),
                ],
                "booking.reminder.v1": [self.asked(1, 1), self.withdrawn(1), self.asked(2, 2)],
                "booking.waitlist.v1": [],
                "scheduler.reminder.v1": [self.due(2)],
                "notification.message.v1": [
                    self.became(1, "booked1", "suppressed"),
                    self.became(2, "rescheduled2", "sent"),
                    self.became(3, "reminder2", "sent"),
                ],
            },
            "messages": [
                self.message("booked", 1, "suppressed"),
                self.message("rescheduled", 2, "sent"),
                self.message("reminder", 2, "sent", "r2"),
            ],
            "mails": [
                {"message_id": f"{kind}2", "to": "bea@x", "created": START - 7190}
                for kind in ("rescheduled", "reminder")
            ],
            "texts": [],
        }

    def op(
        self,
        kind: str,
        at: float,
        args: dict[str, Any],
        outcome: str,
        told: Any = None,
        *,
        tenant: str = T,
        lasts: float = 0.5,
        problem: str | None = None,
    ) -> None:
        number, self.numbers = self.numbers, self.numbers + 1
        self.records.append(
            {"type": "invoke", "op": number, "kind": kind, "tenant": tenant, "args": args, "at": at}
        )
        end = {"type": "outcome", "op": number, "outcome": outcome, "status": None, "problem": problem}
        self.records.append(end | {"answer": told, "at": at + lasts})

    def hold(self, key: str, at: float, starts_at: str, *, expires_at: str, service_id: str = CUT) -> None:
        """Somebody holds half an hour of Ada's, which is no longer kept at the end."""
        told = {"id": key, "service_id": service_id, "staff_id": ADA, "starts_at": starts_at}
        told |= {"ends_at": half_an_hour_later(starts_at), "expires_at": expires_at}
        self.op("hold", at, {}, "ok", told, lasts=0.1)
        begin = datetime.fromisoformat(starts_at).timestamp()
        row = self.allocation("", begin, id=f"of {key}", state="released", appointment_id=None, hold_id=key)
        self.final["booking"]["allocations"].append(row)

    def mark(self, what: str, clock: float) -> None:
        self.records.append({"type": "mark", "what": what, "clock": clock, "at": 10.0})

    def row(self, key: str, version: int, status: str, starts_at: float, customer: str) -> dict[str, Any]:
        return {
            "tenant": T,
            "id": key,
            "version": version,
            "status": status,
            "service_id": CUT,
            "resource_ids": [ADA],
            "customer_id": customer,
            "series_id": None,
            "starts_at": starts_at,
            "ends_at": starts_at + 1800,
        }

    def allocation(self, key: str, begin: float, **fields: Any) -> dict[str, Any]:
        row = {
            "tenant": T,
            "id": f"of {key}",
            "resource_id": ADA,
            "place": 0,
            "state": "confirmed",
            "begin": begin,
        }
        return row | {"end": begin + 2100, "appointment_id": key, "hold_id": None} | fields

    def event(
        self, offset: int, kind: str, key: str, version: int, starts_at: str, **data: Any
    ) -> dict[str, Any]:
        given = {"appointment_id": key, "version": version, "starts_at": starts_at, "staff_ids": [ADA]}
        given |= {"ends_at": half_an_hour_later(starts_at)}
        given |= {"tenant_id": T, "service_id": CUT, "occurred_at": NOW} | data
        envelope = {"id": f"e{offset}-{kind}", "type": kind, "tenant": T, "key": f"{T}/{key}"}
        return envelope | {"partition": 0, "offset": offset, "time": given["occurred_at"], "data": given}

    def asked(self, offset: int, version: int) -> dict[str, Any]:
        return self._reminder("booking.reminder.requested.v1", offset, version)

    def withdrawn(self, version: int) -> dict[str, Any]:
        kind = "booking.reminder.withdrawn.v1"
        told = {"reminder_id": f"r{version}", "reason": "rescheduled"}
        return self.event(10 + version, kind, A, version, ISO, **told)

    def due(self, version: int, offset: int = 1) -> dict[str, Any]:
        """In the second in which it was to."""
        fired_at = "2027-01-15T07:00:00.5+00:00" if version == 1 else "2027-01-15T08:00:00.5+00:00"
        return self._reminder("scheduler.reminder.due.v1", offset, version, fired_at=fired_at)

    def _reminder(self, kind: str, offset: int, version: int, **data: Any) -> dict[str, Any]:
        """An hour before the start that A has in that version."""
        starts_at, due_at = (ISO, "2027-01-15T07:00:00+00:00") if version == 1 else (LATER, ISO)
        data |= {"reminder_id": f"r{version}", "rule_id": "rule", "channel": "email", "due_at": due_at}
        return self.event(offset, kind, A, version, starts_at, appointment_version=version, **data)

    def message(self, kind: str, version: int, status: str, reminder: str | None = None) -> dict[str, Any]:
        return {
            "tenant": T,
            "id": f"{kind}{version}",
            "channel": "email",
            "kind": kind,
            "appointment_id": A,
            "appointment_version": version,
            "reminder_id": reminder,
            "status": status,
            "attempts": int(status == "sent"),
            "repeated": False,
            "reason": None,
            "settled_at": None,
        }

    def became(self, offset: int, message: str, status: str, key: str = A) -> dict[str, Any]:
        kind = f"notification.message.{status}.v1"
        return self.event(offset, kind, key, 2, ISO, message_id=message)

    def strikes(self, what: str) -> None:
        """At the news of the move, which is sent again four seconds later."""
        told = {"target": "mail", "mail": "rescheduled2", "at": 10.1}
        self.records.append({"type": "fault", "what": what} | told)
        self.final["messages"][1] |= {"repeated": True, "attempts": 2}
        if what != WITHIN:
            self.final["mails"].append(self.final["mails"][0] | {"created": START - 7186})

    def broken(self) -> set[str]:
        """The rules that the checker finds broken."""
        found = verdict(Evidence([self.setup, *self.records], copy.deepcopy(self.final)))
        return {item["rule"] for item in found["violations"]}


def asked_for(story: Story, email: str = "bea@x", **args: Any) -> None:
    """Changes what somebody wished for."""
    for record in story.records:
        if record.get("args", {}).get("email") == email:
            record["args"] |= args


def unheard(story: Story) -> None:
    """Nobody was answered anything."""
    for record in story.records:
        if record["type"] == "outcome":
            record |= {"outcome": "unknown", "answer": None}


def requested(
    story: Story,
    key: str = B,
    *,
    at: float = 5,
    confirmed: bool = False,
    ran_out: str | None = ISO,
    service_id: str = CUT,
    takes: Sequence[str] = (ADA,),
) -> None:
    """Somebody booked, was not confirmed, and the system cancelled it at `ran_out`; None: it did not."""
    version, status = (1, "pending") if ran_out is None else (2, "cancelled")
    email, first = f"{key}@x", "confirmed" if confirmed else "pending"
    story.op(
        "book",
        at,
        wish(email, service_id=service_id),
        "ok",
        answer(key, 1, first) | {"staff_ids": list(takes)},
    )
    booking, events = story.final["booking"], story.final["topics"]["booking.appointment.v1"]
    booking["customers"].append({"id": key, "email": email})
    row = story.row(key, version, status, START, key)
    booking["appointments"].append(row | {"service_id": service_id, "resource_ids": sorted(takes)})
    told: list[tuple[str, dict[str, Any]]] = [("booked", {"confirmed": confirmed})]
    state = "confirmed" if ran_out is None else "released"
    for resource_id in takes:
        row = story.allocation(key, START, state=state, resource_id=resource_id, id=f"{resource_id} of {key}")
        booking["allocations"].append(row)
    if ran_out is not None:
        told.append(("cancelled", {"cancelled_by": "system", "occurred_at": ran_out}))
    for number, (kind, data) in enumerate(told, 1):
        offset = len(events) + 1
        data |= {"service_id": service_id, "staff_ids": list(takes)}
        events.append(story.event(offset, f"booking.appointment.{kind}.v1", key, number, ISO, **data))
        message = story.message(kind, number, "suppressed")
        story.final["messages"].append(message | {"id": f"{kind} {key}", "appointment_id": key})
        became = story.final["topics"]["notification.message.v1"]
        became.append(story.became(len(became) + 1, f"{kind} {key}", "suppressed", key))


def placed(
    story: Story, key: str, customer: str, starts_at: str, *, at: float, sent: bool = False, **row: Any
) -> None:
    """What somebody's booking has left, `at` seconds into the run: pending, half an hour of Ada's, told of once."""
    booking, begin = story.final["booking"], datetime.fromisoformat(starts_at).timestamp()
    if all(item["id"] != customer for item in booking["customers"]):
        booking["customers"].append({"id": customer, "email": f"{customer}@x"})
    booking["appointments"].append(story.row(key, 1, "pending", begin, customer) | row)
    booking["allocations"].append(story.allocation(key, begin))
    topics = story.final["topics"]
    events, became = topics["booking.appointment.v1"], topics["notification.message.v1"]
    occurred_at = datetime.fromtimestamp(story.setup["epoch"] + at, UTC).isoformat()
    kind, told = "booking.appointment.booked.v1", {"confirmed": False, "occurred_at": occurred_at}
    events.append(story.event(len(events) + 1, kind, key, 1, starts_at, **told))
    status = "sent" if sent else "suppressed"
    message = story.message("booked", 1, status) | {"id": f"booked {key}", "appointment_id": key}
    story.final["messages"].append(message)
    became.append(story.became(len(became) + 1, message["id"], status, key))
    if sent:
        mail = {"message_id": message["id"], "to": f"{customer}@x", "created": START - 7190}
        story.final["mails"].append(mail)


def first(story: Story, key: str) -> dict[str, Any]:
    """What it was when the run began."""
    tenant = story.setup["tenants"][0]
    items = [*tenant["services"], *tenant["staff"], *tenant["rooms"]]
    (found,) = (item for item in items if item["id"] == key)
    return {name: value for name, value in found.items() if name != "id"}


def seen(story: Story, key: str, version: int, since: float, until: float, **values: Any) -> None:
    """Booking went by that version."""
    told = {"id": key, "version": version, "values": first(story, key) | values}
    story.records.append({"type": "known", "since": since, "until": until, "at": until} | told)


def changes(
    story: Story, key: str, version: int, at: float, outcome: str = "ok", **values: Any
) -> dict[str, Any]:
    """The business asks for it; answers what it was told, to be spoilt."""
    told = {"id": key, "version": version, "values": first(story, key) | values}
    story.op("change-service", at, {"id": key, "set": values}, outcome, told if outcome == "ok" else None)
    return told
