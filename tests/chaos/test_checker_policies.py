"""The checker on a reminder policy that changes: by 4 s surely, when A has stood for a while, and B does not yet.

One rule, an hour before by mail, gives way to another, half an hour before by text; Bea has not agreed to texts.
"""

from collections.abc import Callable
from typing import Any

import pytest

from chaos import rules_reminders
from chaos.evidence import Evidence
from chaos.story import LATER, B, Story, T, policy, requested

ONCE, FOLLOWED = "a reminder is asked for once", "a changed policy is followed"
DUE, WITHDRAWN = "a reminder comes due at its time", "what is withdrawn does not come due"
ASKED, FIRED, KEY = "booking.reminder.v1", "scheduler.reminder.v1", f"{T}/policy"
HALF_PAST = "2027-01-15T08:30:00+00:00"
SOON = "2027-01-15T06:01:00+00:00"
"""A minute behind the story's events."""


def values(**rules: list[Any]) -> dict[str, Any]:
    told = policy(T, **rules)
    return {"rules": told["rules"], "ids": told["ids"]}


FIRST, SECOND = values(rule=[3600, "email"]), values(other=[1800, "sms"])


def seen(story: Story, version: int, since: float, until: float, told: dict[str, Any]) -> None:
    record: dict[str, Any] = {"type": "known", "id": KEY, "version": version, "values": told}
    story.records.append(record | {"since": since, "until": until, "at": until})


def followed(story: Story, version: int, since: float, until: float) -> None:
    record: dict[str, Any] = {"type": "known", "id": f"{T}/followed", "version": version, "values": {}}
    story.records.append(record | {"since": since, "until": until, "at": until})


def changes(story: Story, version: int, at: float, told: dict[str, Any], outcome: str = "ok") -> None:
    args = {"id": KEY, "set": {"rules": told["rules"]}}
    answer = {"id": KEY, "version": version, "values": told} if outcome == "ok" else None
    story.op("change-policy", at, args, outcome, answer)


def asked(story: Story, key: str = "a", version: int = 2, **data: Any) -> dict[str, Any]:
    """By the second rule, for A's start where `data` does not say another."""
    given: dict[str, Any] = {
        "reminder_id": f"n-{key}",
        "rule_id": "other",
        "channel": "sms",
        "due_at": HALF_PAST,
    }
    given |= {"appointment_version": version}
    number = len(story.final["topics"][ASKED]) + 20
    return story.event(number, "booking.reminder.requested.v1", key, version, LATER, **given | data)


def withdrawn(story: Story, reminder_id: str) -> dict[str, Any]:
    number = len(story.final["topics"][ASKED]) + 20
    told = {"reminder_id": reminder_id, "reason": "policy-changed"}
    return story.event(number, "booking.reminder.withdrawn.v1", "a", 2, LATER, **told)


def due(story: Story, request: dict[str, Any]) -> dict[str, Any]:
    """In the very moment."""
    number = len(story.final["topics"][FIRED]) + 20
    data = request["data"] | {"fired_at": request["data"]["due_at"]}
    return request | {
        "id": f"due-{number}",
        "type": "scheduler.reminder.due.v1",
        "offset": number,
        "data": data,
    }


def change(story: Story) -> None:
    """The owner's, and how booking hears of it; what comes of it is left to be told."""
    changes(story, 2, 3.2, SECOND)
    seen(story, 1, 0, 3.5, FIRST)
    seen(story, 2, 4, 9, SECOND)
    followed(story, 1, 0.5, 3.5)
    followed(story, 2, 5, 9)


def follow(story: Story) -> None:
    """A loses the reminder that it had and gets the new one, which comes due and is not sent."""
    change(story)
    topics = story.final["topics"]
    topics[ASKED] += [withdrawn(story, "r2"), asked(story)]
    topics[FIRED] = [due(story, topics[ASKED][-1])]
    topics["notification.message.v1"][2] = story.became(3, "text", "suppressed")
    text = story.message("reminder", 2, "suppressed", "n-a") | {"id": "text", "channel": "sms"}
    story.final["messages"][2] = text
    story.final["mails"].pop()


def test_a_policy_that_is_followed_breaks_nothing() -> None:
    story = Story()
    follow(story)
    assert story.broken() == set()


def first(found: list[dict[str, Any]], **data: Any) -> dict[str, Any]:
    return next(event for event in found if data.items() <= event["data"].items())


def not_withdrawn(story: Story) -> None:
    events = story.final["topics"][ASKED]
    events.remove(first(events, reminder_id="r2", reason="policy-changed"))


def not_asked_for(story: Story) -> None:
    events = story.final["topics"][ASKED]
    events.remove(first(events, rule_id="other"))


def asked_for_by_no_rule(story: Story) -> None:
    story.final["topics"][ASKED].append(asked(story, reminder_id="none", rule_id="none"))


def asked_for_by_a_rule_that_was_gone(story: Story) -> None:
    booked(story)
    gone = {"rule_id": "rule", "channel": "email", "due_at": "2027-01-15T07:00:00+00:00"}
    story.final["topics"][ASKED].append(asked_of_b(story, reminder_id="gone", **gone))


def asked_for_too_late(story: Story) -> None:
    """An hour before the start was over when the version came."""
    story.final["topics"]["booking.appointment.v1"][1]["data"]["occurred_at"] = HALF_PAST


def booked(story: Story) -> None:
    requested(story, at=6, confirmed=True, ran_out=None)


def asked_of_b(story: Story, **data: Any) -> dict[str, Any]:
    """Of B, which begins an hour before A."""
    event = asked(story, B, 1, **{"due_at": "2027-01-15T07:30:00+00:00"} | data)
    event["data"]["starts_at"] = "2027-01-15T08:00:00+00:00"
    return event


def booked_without_a_reminder(story: Story) -> None:
    booked(story)


def withdrawn_though_the_rule_stays(story: Story) -> None:
    story.final["topics"][ASKED].append(withdrawn(story, "n-a"))


def for_another_time_than_the_rule_says(story: Story) -> None:
    first(story.final["topics"][ASKED], rule_id="other")["data"]["due_at"] = "2027-01-15T08:45:00+00:00"


def by_another_channel_than_the_rule_says(story: Story) -> None:
    first(story.final["topics"][ASKED], rule_id="other")["data"]["channel"] = "email"


def due_by_another_channel(story: Story) -> None:
    story.final["topics"][FIRED][0]["data"]["channel"] = "email"


def sent_by_another_channel(story: Story) -> None:
    story.final["messages"][2]["channel"] = "email"


def due_though_withdrawn(story: Story) -> None:
    story.final["topics"][FIRED].append(story.due(2, 9))


def sent_though_withdrawn(story: Story) -> None:
    due_though_withdrawn(story)
    story.final["messages"].append(story.message("reminder", 2, "suppressed", "r2"))


def did_not_come_due(story: Story) -> None:
    story.final["topics"][FIRED].clear()
    story.final["messages"].pop()


def came_late(story: Story) -> None:
    """It was due a minute behind what was booked, and fired as the clocks were put forward by an hour."""
    soon(story)
    fired = due(story, first(story.final["topics"][ASKED], reminder_id="soon"))
    fired["data"]["fired_at"] = "2027-01-15T07:00:00+00:00"
    story.final["topics"][FIRED].append(fired)


def soon(story: Story) -> None:
    """From 10 s on there is a rule besides by which A's reminder comes a minute behind what was booked."""
    told = values(other=[1800, "sms"], soon=[10_740, "email"])
    changes(story, 3, 9.2, told)
    seen(story, 3, 10, 20, told)
    seen(story, 4, 21, 22, SECOND)
    changes(story, 4, 20.1, SECOND)
    request = asked(story, reminder_id="soon", rule_id="soon", channel="email", due_at=SOON)
    story.final["topics"][ASKED].append(request)


def text_though_suppressed(story: Story) -> None:
    story.final["texts"].append("text")


def text_lost(story: Story) -> None:
    story.final["messages"][2]["status"] = "sent"


def text_without_consent(story: Story) -> None:
    text_lost(story)
    text_though_suppressed(story)


def text_of_no_message(story: Story) -> None:
    story.final["texts"].append("nothing")


def another_id_for_a_rule_that_stays(story: Story) -> None:
    told = values(another=[1800, "sms"])
    changes(story, 3, 9.2, told)
    seen(story, 3, 9.6, 12, told)


def an_id_that_comes_back(story: Story) -> None:
    changes(story, 3, 9.2, FIRST)
    seen(story, 3, 9.6, 12, FIRST)


def a_policy_that_nobody_asked_for(story: Story) -> None:
    seen(story, 3, 9.6, 12, values(other=[1800, "sms"], third=[60, "sms"]))


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (not_withdrawn, FOLLOWED),
        (not_asked_for, FOLLOWED),
        (asked_for_by_no_rule, FOLLOWED),
        (asked_for_by_a_rule_that_was_gone, FOLLOWED),
        (another_id_for_a_rule_that_stays, FOLLOWED),
        (an_id_that_comes_back, FOLLOWED),
        (asked_for_too_late, ONCE),
        (booked_without_a_reminder, ONCE),
        (withdrawn_though_the_rule_stays, ONCE),
        (for_another_time_than_the_rule_says, ONCE),
        (by_another_channel_than_the_rule_says, ONCE),
        (due_by_another_channel, DUE),
        (came_late, DUE),
        (sent_by_another_channel, "one effect a cause"),
        (due_though_withdrawn, WITHDRAWN),
        (sent_though_withdrawn, "what is withdrawn is not sent"),
        (did_not_come_due, "nothing is lost"),
        (text_without_consent, "nothing is lost"),
        (text_lost, "one mail a message"),
        (text_though_suppressed, "one mail a message"),
        (text_of_no_message, "one mail a message"),
        (a_policy_that_nobody_asked_for, "a changed catalog is followed"),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    follow(story)
    fault(story)
    assert rule in story.broken()


def test_what_is_booked_behind_a_change_has_the_new_policy_s_reminder() -> None:
    story = Story()
    follow(story)
    booked(story)
    story.final["topics"][ASKED].append(asked_of_b(story))
    assert {ONCE, FOLLOWED}.isdisjoint(story.broken())


@pytest.mark.parametrize("rule_id", ["rule", "other"])
def test_what_is_booked_while_a_change_may_have_come_has_one_or_the_other(rule_id: str) -> None:
    story = Story()
    follow(story)
    for record in story.records:
        if record["type"] == "known" and record["version"] == 2:
            record["since"] = 7
    booked(story)
    old = {"rule_id": "rule", "channel": "email", "due_at": "2027-01-15T07:00:00+00:00"}
    story.final["topics"][ASKED].append(asked_of_b(story, **old if rule_id == "rule" else {}))
    assert ONCE not in story.broken()
    assert (FOLLOWED in story.broken()) == (
        rule_id == "rule"
    )  # which stays, though all follow the change by 7 s


def test_the_policy_that_a_business_has_before_its_owner_enters_one_is_none_of_the_run_s() -> None:
    story = Story()
    story.setup["tenants"][0]["policy"]["version"] = 2
    seen(story, 1, -2, -1.5, values(default=[86_400, "email"]))
    followed(story, 1, -2, -1.5)
    seen(story, 2, -1, 9, FIRST)
    followed(story, 2, -0.5, 9)
    assert story.broken() == set()


def test_until_all_have_followed_a_change_nobody_need_have() -> None:
    story = Story()
    change(story)
    story.records = [item for item in story.records if item.get("id") != f"{T}/followed"]
    assert FOLLOWED not in story.broken()


def test_what_comes_due_while_it_is_being_withdrawn_is_excused_and_counted() -> None:
    story = Story()
    follow(story)
    soon(story)
    events = story.final["topics"]
    events[FIRED].append(due(story, first(events[ASKED], reminder_id="soon")))
    events[ASKED].append(withdrawn(story, "soon"))
    assert {WITHDRAWN, ONCE, FOLLOWED, DUE}.isdisjoint(story.broken())
    counts = rules_reminders.judged(Evidence([story.setup, *story.records], story.final))
    assert counts["come due in flight, excused"] == 1
    assert counts["withdrawn by a policy"] == 2


def test_by_a_rule_that_nobody_can_tell_is_excused_and_counted() -> None:
    """A version was passed over that nobody was answered: it may have had any rules."""
    story = Story()
    follow(story)
    told = values(other=[1800, "sms"], fourth=[120, "sms"])
    changes(story, 3, 9.2, values(third=[60, "sms"]), "unknown")
    changes(story, 4, 9.3, told)
    seen(story, 4, 9.8, 12, told)
    third = asked(story, reminder_id="third", rule_id="third", due_at="2027-01-15T08:59:00+00:00")
    story.final["topics"][ASKED].append(third)
    assert {ONCE, FOLLOWED}.isdisjoint(story.broken())
    counts = rules_reminders.judged(Evidence([story.setup, *story.records], story.final))
    assert counts["asked for by a rule nobody can tell, excused"] == 1


def test_a_text_is_sent_to_who_agreed_to_that() -> None:
    story = Story()
    follow(story)
    for record in story.records:
        if record.get("args", {}).get("email") == "bea@x":
            record["args"]["phone"] = "+351912345678"
    assert story.broken() == {"nothing is lost"}
    story.final["messages"][2]["status"] = "sent"
    story.final["topics"]["notification.message.v1"][2] = story.became(3, "text", "sent")
    story.final["texts"].append("text")
    assert story.broken() == set()
