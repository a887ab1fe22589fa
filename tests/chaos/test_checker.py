"""The checker on histories made by hand: a good one, and one fault of each kind."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.nemesis import target_of
from chaos.story import (
    BEHIND,
    HELD,
    ISO,
    LATER,
    OTHER,
    START,
    WITHIN,
    A,
    B,
    Story,
    answer,
    asked_for,
    requested,
    wish,
)


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
        wish("dan@x", LATER),
        "ok",
        answer(B, 1, starts_at=LATER),
    )
    story.op("cancel", 5, {"id": B}, "ok", answer(B, 2, "cancelled", LATER))
    story.final["booking"]["customers"].append({"id": "dan", "email": "dan@x"})
    story.final["booking"]["appointments"].append(story.row(B, 2, "cancelled", START + 3600, "dan"))


def held(story: Story) -> None:
    """Bea moves to a time that somebody holds."""
    story.hold("h", 0.5, LATER, expires_at=ISO)
    in_order(story)


def given_back(story: Story) -> None:
    """Dan books by a hold that was given back before."""
    story.hold("h", 3.2, ISO, expires_at=LATER)
    story.op("give-back", 3.5, {"hold_id": "h"}, "ok", [], lasts=0.1)
    story.op("book", 4, wish("dan@x", hold_id="h"), "ok", answer(B, 1))


def in_order(story: Story) -> None:
    """Numbers the operations by when they were sent."""
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


def run_out_early(story: Story) -> None:
    requested(story, ran_out="2027-01-15T07:59:59.999999+00:00")


def confirmed_and_run_out(story: Story) -> None:
    requested(story, confirmed=True)


def never_run_out(story: Story) -> None:
    requested(story, ran_out=None)


def cancelled_by_nobody(story: Story) -> None:
    """It says that a customer did, and no customer has asked."""
    requested(story)
    story.final["topics"]["booking.appointment.v1"][-1]["data"]["cancelled_by"] = "customer"


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
        (given_back, "a hold is kept"),
        (peeked, "tenants are apart"),
        (listed, "tenants are apart"),
        (another_key, "tenants are apart"),
        (mailed_elsewhere, "tenants are apart"),
        (stale, "nothing overtaken is read"),
        (untold, "one event a change, in order"),
        (disordered, "one event a change, in order"),
        (told_twice, "one event a change, in order"),
        (unasked, "refused is not, unknown is once at most"),
        (cancelled_by_nobody, "refused is not, unknown is once at most"),
        (run_out_early, "what is not confirmed runs out at its start"),
        (confirmed_and_run_out, "what is not confirmed runs out at its start"),
        (never_run_out, "what is not confirmed runs out at its start"),
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


def test_a_time_is_free_once_somebody_has_asked_to_give_it_back() -> None:
    story = Story()
    held(story)
    assert story.broken() == {"a hold is kept"}
    story.op("give-back", 0.9, {"hold_id": "h"}, "unknown")
    in_order(story)
    assert story.broken() == set()


def test_what_runs_out_at_its_start_is_no_fault_and_its_time_is_free() -> None:
    story = Story()
    requested(story, B)
    requested(story, "c", at=12)
    assert story.broken() == set()


def test_news_need_not_be_sent_once_the_appointment_has_begun() -> None:
    story = Story()
    requested(story, ran_out=None)
    asked_for(story, f"{B}@x", consent=True)
    assert "nothing is lost" in story.broken()
    story.final["topics"]["booking.appointment.v1"][-1]["data"]["occurred_at"] = ISO  # its start
    assert "nothing is lost" not in story.broken()


def test_a_second_mail_is_forgiven_where_a_crash_left_the_first_in_doubt_and_that_is_said() -> None:
    story = Story()
    story.final["messages"][1] |= {"repeated": True, "attempts": 2}
    story.final["mails"].append(story.final["mails"][0] | {"created": START - 7186})
    assert story.broken() == {"one mail a message"}
    story.records.append({"type": "fault", "what": "ended", "target": "notification", "at": 10.2})
    assert story.broken() == set()


@pytest.mark.parametrize(
    ("proxy", "forgiven"),
    [
        ("notification>postgres", True),
        ("notification>smtp", True),
        ("booking>postgres", False),
        ("scheduler>postgres", False),
        ("notification>kafka", False),
    ],
)
def test_only_what_its_sender_was_cut_off_from_leaves_a_mail_in_doubt(proxy: str, forgiven: bool) -> None:
    story = Story()
    story.final["messages"][1] |= {"repeated": True, "attempts": 2}
    story.final["mails"].append(story.final["mails"][0] | {"created": START - 7186})
    fault = {"what": f"connections cut: {proxy}", "target": target_of(proxy), "at": 10.2}
    story.records.append({"type": "fault"} | fault)
    assert story.broken() == (set() if forgiven else {"one mail a message"})


@pytest.mark.parametrize("what", [WITHIN, BEHIND, HELD])
def test_a_mail_that_was_struck_is_repeated_once(what: str) -> None:
    story = Story()
    story.strikes(what)
    assert story.broken() == set()


def test_the_checker_shares_no_code_with_what_it_judges() -> None:
    own = {"catalog", "checker", "evidence", "makings", "operations"}
    own |= {path.stem for path in Path(__file__).parent.glob("rules_*.py")}
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
