"""The checker on histories made by hand: a good one, and one fault of each kind."""

import ast
import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.checker import verdict
from chaos.evidence import Evidence

START = 1_800_000_000.0
ISO = "2027-01-15T08:00:00+00:00"  # START
LATER = "2027-01-15T09:00:00+00:00"
NOW = "2027-01-15T06:00:00+00:00"
T, OTHER, ADA, CUT, A, B = "tenant", "other", "ada", "cut", "a", "b"
WITHIN, BEHIND, HELD = "cut within its content", "cut behind its content", "answer held back"


def service(tenant: str, key: str, capacity: int = 1) -> dict[str, Any]:
    return {"id": key, "tenant": tenant, "duration": 1800, "before": 0, "after": 300, "capacity": capacity}


def answer(key: str, version: int, status: str = "confirmed", starts_at: str = ISO) -> dict[str, Any]:
    return {"id": key, "version": version, "status": status, "starts_at": starts_at, "staff_ids": [ADA]}


class Story:
    """A run in which Bea booked A and moved it, and Cem's booking was refused; `evidence` is what is judged."""

    def __init__(self) -> None:
        rules = [{"id": "rule", "offset": 3600}]
        self.setup: dict[str, Any] = {
            "type": "setup",
            "seed": "hand",
            "epoch": START - 7200,
            "clock_slack": 0,
            "tenants": [
                {
                    "id": T,
                    "staff": [ADA],
                    "rules": rules,
                    "services": [service(T, CUT), service(T, "class", 2)],
                },
                {"id": OTHER, "staff": ["bo"], "rules": [], "services": [service(OTHER, "wash")]},
            ],
        }
        self.records: list[dict[str, Any]] = []
        self.numbers = 0
        self.op("book", 1, {"email": "bea@x", "starts_at": ISO, "consent": True}, "ok", answer(A, 1))
        self.op("reschedule", 2, {"id": A, "starts_at": LATER}, "ok", answer(A, 2, starts_at=LATER))
        self.op("book", 3, {"email": "cem@x", "starts_at": LATER, "consent": True}, "refused")
        self.mark("healed", START - 7000)
        self.mark("quiet", START + 3000)
        self.final: dict[str, Any] = {
            "booking": {
                "appointments": [self.row(A, 2, "confirmed", START + 3600, "bea")],
                "allocations": [self.allocation(A, START + 3600)],
                "holds": {},
                "customers": [{"id": "bea", "email": "bea@x"}, {"id": "cem", "email": "cem@x"}],
            },
            "topics": {
                "booking.appointment.v1": [
                    self.event(1, "booking.appointment.booked.v1", A, 1, ISO, confirmed=True),
                    self.event(2, "booking.appointment.rescheduled.v1", A, 2, LATER),
                ],
                "booking.reminder.v1": [self.asked(1, 1), self.withdrawn(1), self.asked(2, 2)],
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
    ) -> None:
        number, self.numbers = self.numbers, self.numbers + 1
        self.records.append(
            {"type": "invoke", "op": number, "kind": kind, "tenant": tenant, "args": args, "at": at}
        )
        end = {"type": "outcome", "op": number, "outcome": outcome, "status": None, "problem": None}
        self.records.append(end | {"answer": told, "at": at + lasts})

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
            "starts_at": starts_at,
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
        given |= {"tenant_id": T, "occurred_at": NOW} | data
        envelope = {"id": f"e{offset}-{kind}", "type": kind, "tenant": T, "key": f"{T}/{key}"}
        return envelope | {"partition": 0, "offset": offset, "data": given}

    def asked(self, offset: int, version: int) -> dict[str, Any]:
        data = {"reminder_id": f"r{version}", "appointment_version": version, "rule_id": "rule"}
        return self.event(offset, "booking.reminder.requested.v1", A, version, ISO, **data)

    def withdrawn(self, version: int) -> dict[str, Any]:
        kind = "booking.reminder.withdrawn.v1"
        return self.event(10 + version, kind, A, version, ISO, reminder_id=f"r{version}")

    def due(self, version: int, offset: int = 1) -> dict[str, Any]:
        kind = "scheduler.reminder.due.v1"
        return self.event(offset, kind, A, version, ISO, reminder_id=f"r{version}")

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
        }

    def became(self, offset: int, message: str, status: str) -> dict[str, Any]:
        kind = f"notification.message.{status}.v1"
        return self.event(offset, kind, A, 2, ISO, message_id=message)

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


def test_a_good_run_breaks_nothing() -> None:
    assert Story().broken() == set()


def lost(story: Story) -> None:
    story.final["booking"]["appointments"].clear()
    story.final["booking"]["allocations"].clear()


def refused_and_there(story: Story) -> None:
    story.final["booking"]["appointments"].append(story.row(B, 1, "cancelled", START, "cem"))


def twice(story: Story) -> None:
    story.final["booking"]["appointments"].append(story.row(B, 1, "cancelled", START, "bea"))


def older(story: Story) -> None:
    story.final["booking"]["appointments"][0]["version"] = 1


def elsewhere(story: Story) -> None:
    story.final["booking"]["appointments"][0]["starts_at"] = START


def overlapping(story: Story) -> None:
    story.final["booking"]["allocations"].append(story.allocation(A, START + 3600 + 2000, id="second"))


def unallocated(story: Story) -> None:
    story.final["booking"]["allocations"][0]["state"] = "released"


def full_class(story: Story) -> None:
    booking = story.final["booking"]
    for n in range(3):
        booking["appointments"].append(
            story.row(f"c{n}", 1, "pending", START + 9000, "bea") | {"service_id": "class"}
        )
        booking["allocations"].append(story.allocation(f"c{n}", START + 9000, id=f"place {n}"))


def meanwhile(story: Story) -> None:
    """Both were acknowledged at one moment, though one of them is cancelled at the end."""
    story.op(
        "book",
        2.6,
        {"email": "dan@x", "starts_at": LATER, "consent": True},
        "ok",
        answer(B, 1, starts_at=LATER),
    )
    story.op("cancel", 5, {"id": B}, "ok", answer(B, 2, "cancelled", LATER))
    story.final["booking"]["customers"].append({"id": "dan", "email": "dan@x"})
    story.final["booking"]["appointments"].append(story.row(B, 2, "cancelled", START + 3600, "dan"))


def held(story: Story) -> None:
    """Bea moves to a time that somebody holds."""
    told = {"id": "h", "service_id": CUT, "staff_id": ADA, "starts_at": LATER, "expires_at": ISO}
    story.op("hold", 0.5, {}, "ok", told)
    story.records.sort(key=lambda record: record["at"])
    numbers: dict[int, int] = {}
    for record in story.records:
        if record["type"] == "invoke":
            numbers[record["op"]] = len(numbers)
        if "op" in record:
            record["op"] = numbers[record["op"]]


def peeked(story: Story) -> None:
    story.op("peek", 4, {"id": A}, "ok", answer(A, 2), tenant=OTHER)


def listed(story: Story) -> None:
    story.op("list", 4, {}, "ok", [{"id": A, "version": 2}], tenant=OTHER)


def stale(story: Story) -> None:
    story.op("read", 4, {"id": A}, "ok", answer(A, 1))


def untold(story: Story) -> None:
    del story.final["topics"]["booking.appointment.v1"][1]


def disordered(story: Story) -> None:
    first, second = story.final["topics"]["booking.appointment.v1"]
    first["offset"], second["offset"] = 2, 1


def told_twice(story: Story) -> None:
    events = story.final["topics"]["booking.appointment.v1"]
    events.append(events[1] | {"id": "another", "offset": 3})


def unasked(story: Story) -> None:
    """The move was refused, and nobody else asked for it."""
    for record in story.records:
        if record.get("op") == 1 and record["type"] == "outcome":
            record["outcome"] = "refused"


def another_key(story: Story) -> None:
    story.final["topics"]["booking.appointment.v1"][0]["key"] = f"{OTHER}/{A}"


def reminder_twice(story: Story) -> None:
    events = story.final["topics"]["booking.reminder.v1"]
    events.append(story.asked(9, 2) | {"data": events[2]["data"] | {"reminder_id": "r9"}})


def not_withdrawn(story: Story) -> None:
    del story.final["topics"]["booking.reminder.v1"][1]


def due_twice(story: Story) -> None:
    story.final["topics"]["scheduler.reminder.v1"].append(story.due(2, 7))


def message_twice(story: Story) -> None:
    story.final["messages"].append(story.final["messages"][0] | {"id": "copy"})


def mailed_twice(story: Story) -> None:
    story.final["mails"].append(story.final["mails"][0])


def mail_lost(story: Story) -> None:
    story.final["mails"].pop()


def unsent(story: Story) -> None:
    story.final["messages"][2] |= {"status": "suppressed"}
    story.final["mails"].pop()


def mailed_elsewhere(story: Story) -> None:
    story.final["mails"][0]["to"] = "cem@x"


def sent_though_withdrawn(story: Story) -> None:
    story.final["topics"]["scheduler.reminder.v1"].append(story.due(1, 8))
    story.final["messages"].append(story.message("reminder", 1, "suppressed", "r1"))


def cut_and_lost(story: Story) -> None:
    story.strikes(BEHIND)
    story.final["messages"][1] |= {"status": "failed", "reason": "Interrupted"}
    story.final["mails"] = [mail for mail in story.final["mails"] if mail["message_id"] != "rescheduled2"]


def cut_and_counted_as_sent(story: Story) -> None:
    story.strikes(BEHIND)
    story.final["mails"].pop()


def cut_and_suppressed(story: Story) -> None:
    story.strikes(WITHIN)
    story.final["messages"][1] |= {"status": "suppressed", "reason": "stale"}
    del story.final["mails"][0]


def cut_and_failed_for_another_reason(story: Story) -> None:
    story.strikes(WITHIN)
    story.final["messages"][1] |= {"status": "failed", "reason": "Unreachable"}
    del story.final["mails"][0]


def held_and_not_marked(story: Story) -> None:
    story.strikes(HELD)
    story.final["messages"][1]["repeated"] = False


def cut_within_and_not_marked(story: Story) -> None:
    story.strikes(WITHIN)
    story.final["messages"][1]["repeated"] = False


def cut_within_and_taken(story: Story) -> None:
    story.strikes(WITHIN)
    story.final["mails"].append(story.final["mails"][0] | {"created": START - 7186})


def repeated_more_often_than_cut(story: Story) -> None:
    story.strikes(BEHIND)
    story.final["messages"][1]["attempts"] = 3
    story.final["mails"].append(story.final["mails"][0] | {"created": START - 7183})


def another_mail_was_struck(story: Story) -> None:
    """A fault of one mail excuses no repeat of another."""
    story.strikes(BEHIND)
    story.records[-1]["mail"] = "reminder2"
    story.final["messages"][2]["repeated"] = True


def became_nothing(story: Story) -> None:
    story.final["topics"]["notification.message.v1"].pop()


def became_two_things(story: Story) -> None:
    story.final["topics"]["notification.message.v1"].append(story.became(4, "reminder2", "failed"))


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (lost, "acknowledged is there, refused is not"),
        (refused_and_there, "acknowledged is there, refused is not"),
        (twice, "acknowledged is there, refused is not"),
        (older, "acknowledged is there, refused is not"),
        (elsewhere, "acknowledged is there, refused is not"),
        (overlapping, "no overlap beyond capacity"),
        (full_class, "no overlap beyond capacity"),
        (meanwhile, "no overlap beyond capacity"),
        (unallocated, "allocations and appointments agree"),
        (held, "a hold is kept"),
        (peeked, "tenants are apart"),
        (listed, "tenants are apart"),
        (another_key, "tenants are apart"),
        (mailed_elsewhere, "tenants are apart"),
        (stale, "nothing overtaken is read"),
        (untold, "one event a change, in order"),
        (disordered, "one event a change, in order"),
        (told_twice, "one event a change, in order"),
        (unasked, "refused is not, unknown is once at most"),
        (reminder_twice, "a reminder is asked for once"),
        (not_withdrawn, "a reminder is asked for once"),
        (due_twice, "one effect a cause"),
        (message_twice, "one effect a cause"),
        (mailed_twice, "one mail a message"),
        (mail_lost, "one mail a message"),
        (repeated_more_often_than_cut, "one mail a message"),
        (cut_within_and_taken, "one mail a message"),
        (another_mail_was_struck, "one mail a message"),
        (cut_and_lost, "in doubt is repeated and says so"),
        (cut_and_counted_as_sent, "in doubt is repeated and says so"),
        (cut_and_suppressed, "in doubt is repeated and says so"),
        (cut_and_failed_for_another_reason, "in doubt is repeated and says so"),
        (held_and_not_marked, "in doubt is repeated and says so"),
        (cut_within_and_not_marked, "in doubt is repeated and says so"),
        (became_nothing, "what became of a message is told once"),
        (became_two_things, "what became of a message is told once"),
        (unsent, "nothing is lost"),
        (sent_though_withdrawn, "what is withdrawn is not sent"),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def test_a_second_mail_is_forgiven_where_a_crash_left_the_first_in_doubt_and_that_is_said() -> None:
    story = Story()
    story.final["messages"][1] |= {"repeated": True, "attempts": 2}
    story.final["mails"].append(story.final["mails"][0] | {"created": START - 7186})
    assert story.broken() == {"one mail a message"}
    story.records.append({"type": "fault", "what": "ended", "target": "notification", "at": 10.2})
    assert story.broken() == set()


@pytest.mark.parametrize("what", [WITHIN, BEHIND, HELD])
def test_a_mail_that_was_struck_is_repeated_once(what: str) -> None:
    story = Story()
    story.strikes(what)
    assert story.broken() == set()


def test_the_checker_shares_no_code_with_what_it_judges() -> None:
    own = {"checker", "evidence", "rules_bookings", "rules_events", "rules_messages"}
    for name in own:
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                names = [f"chaos.{item.name}" for item in node.names] if module == "chaos" else [module]
            for imported in names:
                first, _, rest = imported.partition(".")
                assert first in sys.stdlib_module_names or (first == "chaos" and rest in own), (
                    name,
                    imported,
                )
