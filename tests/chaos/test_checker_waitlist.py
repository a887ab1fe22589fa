"""The checker on the waitlist: Wes waits for a morning, is offered half an hour of it, and takes it or does not."""

from collections.abc import Callable

import pytest

from chaos.story import OTHER, Story, answer, placed, wish
from chaos.story_waitlist import (
    LATER,
    UNTIL,
    WHEN,
    accepts,
    leaves,
    lets_pass,
    looks,
    offer_mail,
    offered,
    place,
    takes,
    waits,
)

PLACE, ONE = "a place on the waitlist is as it was answered", "a place has one offer at a time"
OVER, BOOKED = "a place that has ended is offered nothing", "an accepted offer is one appointment"
TOLD, MAIL = "an offer is told once", "an offer is one mail"
KEPT, APART = "an offered time is kept", "tenants are apart"


@pytest.mark.parametrize("outcome", ["ok", "unknown"])
@pytest.mark.parametrize("ends", [takes, leaves])
def test_an_offer_that_is_taken_and_a_place_that_is_left_break_nothing(
    ends: Callable[[Story, str], None], outcome: str
) -> None:
    story = Story()
    ends(story, outcome)
    looks(story, 8, "booked" if ends is takes else "left")
    assert story.broken() == set()


def test_one_that_is_taken_again_answers_the_appointment_as_it_stands() -> None:
    story = Story()
    takes(story)
    accepts(story, 7)
    assert story.broken() == set()


def test_one_that_waits_or_lets_an_offer_pass_breaks_nothing() -> None:
    story = Story()
    waits(story)
    assert story.broken() == set()
    story = Story()
    lets_pass(story)
    looks(story, 41, "offered", 40, LATER)
    assert story.broken() == set()


def test_a_join_that_nobody_was_answered_has_made_one_place_or_none() -> None:
    for there in (True, False):
        story = Story()
        waits(story, outcome="unknown", there=there)
        assert story.broken() == set()


def test_a_mail_about_an_offer_that_was_taken_or_is_over_need_not_be_sent() -> None:
    story = Story()
    takes(story)
    offer_mail(story, status="suppressed", reason="stale")
    assert story.broken() == set()
    story = Story()
    lets_pass(story)
    offer_mail(story, status="suppressed", reason="too-late", settled_at=story.setup["epoch"] + 36)
    assert story.broken() == set()


def lost(story: Story) -> None:
    waits(story, there=False)


def refused_and_there(story: Story) -> None:
    waits(story, outcome="refused")


def two_places(story: Story) -> None:
    waits(story, outcome="unknown")
    story.final["booking"]["places"].append(place(story) | {"id": "p2"})


def of_nobody(story: Story) -> None:
    waits(story)
    del story.records[-2:]


def of_another_service(story: Story) -> None:
    waits(story)
    place(story)["service_id"] = "class"


def for_longer(story: Story) -> None:
    waits(story)
    place(story)["latest"] += 900


def not_found(story: Story) -> None:
    waits(story)
    story.op("look", 6, {"place_id": "p"}, "refused", problem="not-found")


def answered_an_offer_that_is_none(story: Story) -> None:
    waits(story)
    looks(story, 6, "offered", 5)


def left_and_waiting(story: Story) -> None:
    leaves(story)
    place(story)["state"] = "waiting"


def removed_and_waiting(story: Story) -> None:
    waits(story)
    story.op("remove", 7, {"place_id": "p"}, "ok", [])


def ended_otherwise(story: Story) -> None:
    waits(story, "over")
    looks(story, 6, "unanswered")


def in_line_again(story: Story) -> None:
    leaves(story)
    looks(story, 9, "waiting")


def answered_to_another_business(story: Story) -> None:
    waits(story)
    told = {"id": "p", "state": "waiting", "offer": None}
    story.op("look", 6, {"place_id": "p"}, "ok", told, tenant=OTHER)


def two_offers(story: Story) -> None:
    lets_pass(story)
    story.final["booking"]["offers"][0]["outcome"] = None


def too_early(story: Story) -> None:
    waits(story, "offered")
    offered(story, "o", 5, "lapsed")
    offered(story, "o2", 30, None, starts_at=LATER)


def the_same_time_again(story: Story) -> None:
    waits(story, "offered")
    offered(story, "o", 5, "lapsed")
    offered(story, "o2", 40, None)


def a_fourth_one(story: Story) -> None:
    waits(story, "offered")
    for number in range(4):
        starts_at = f"2027-01-16T{8 + number:02}:00:00+00:00"
        outcome = "lapsed" if number < 3 else None
        offered(story, f"o{number}", 5 + 40 * number, outcome, starts_at=starts_at)


def outside_what_was_waited_for(story: Story) -> None:
    waits(story, "offered")
    offered(story, "o", 5, None, starts_at=UNTIL)


def somebody_who_was_not_waited_for(story: Story) -> None:
    lets_pass(story)
    place(story)["staff_id"] = "eve"


def offered_behind_its_end(story: Story) -> None:
    leaves(story)
    offered(story, "o2", 40, "lapsed", starts_at=LATER)


def offered_when_it_was_taken(story: Story) -> None:
    takes(story, "unknown")
    offered(story, "o2", 40, "lapsed", starts_at=LATER)


def stands_behind_its_end(story: Story) -> None:
    leaves(story)
    story.final["booking"]["offers"][0]["outcome"] = None


def taken_by_nobody(story: Story) -> None:
    takes(story, "refused")


def taken_and_not_booked(story: Story) -> None:
    waits(story, "booked")
    offered(story, "o", 5, "taken")
    accepts(story, 6)


def booked_and_still_in_line(story: Story) -> None:
    takes(story, "unknown")
    place(story)["state"] = "waiting"


def booked_under_another_id(story: Story) -> None:
    waits(story, "booked")
    offered(story, "o", 5, "taken")
    accepts(story, 6, key="b")
    placed(story, "b", "wes", WHEN, at=6.1, sent=True)


def booked_twice(story: Story) -> None:
    takes(story)
    placed(story, "o3", "wes", LATER, at=6.2, sent=True)


def booked_at_another_time(story: Story) -> None:
    takes(story, "unknown")
    story.final["topics"]["booking.appointment.v1"][-1]["data"]["starts_at"] = LATER


def booked_as_of_another_service(story: Story) -> None:
    takes(story)
    place(story)["service_id"] = "class"


def told_of_twice(story: Story) -> None:
    lets_pass(story)
    events = story.final["topics"]["booking.waitlist.v1"]
    events.append(events[0] | {"id": "another", "offset": 9})


def untold(story: Story) -> None:
    lets_pass(story)
    story.final["topics"]["booking.waitlist.v1"].pop()


def told_and_not_there(story: Story) -> None:
    lets_pass(story)
    story.final["booking"]["offers"].pop()


def told_otherwise(story: Story) -> None:
    lets_pass(story)
    story.final["topics"]["booking.waitlist.v1"][0]["data"]["starts_at"] = LATER


def told_in_two_partitions(story: Story) -> None:
    lets_pass(story)
    story.final["topics"]["booking.waitlist.v1"][0]["partition"] = 1


def told_under_another_key(story: Story) -> None:
    lets_pass(story)
    story.final["topics"]["booking.waitlist.v1"][0]["key"] = f"{OTHER}/p"


def no_mail(story: Story) -> None:
    lets_pass(story)
    story.final["messages"].remove(offer_mail(story))


def two_mails(story: Story) -> None:
    lets_pass(story)
    story.final["messages"].append(offer_mail(story) | {"id": "copy"})


def suppressed_though_it_stood(story: Story) -> None:
    lets_pass(story)
    offer_mail(story, status="suppressed", reason="too-late")


def stale_though_nobody_took_it(story: Story) -> None:
    lets_pass(story)
    offer_mail(story, status="suppressed", reason="stale")


def mailed_to_somebody_else(story: Story) -> None:
    lets_pass(story)
    story.final["mails"][-1]["to"] = "bea@x"


def booked_by_somebody_else(story: Story) -> None:
    """In the ninth second, while it is kept."""
    lets_pass(story)
    looks(story, 6, "offered", 5)
    story.op("book", 9, wish("jan@x", WHEN), "ok", answer("j", 1, "pending", WHEN))
    placed(story, "j", "jan", WHEN, at=9.2)


def held_by_somebody_else(story: Story) -> None:
    lets_pass(story)
    looks(story, 6, "offered", 5)
    story.hold("h", 9, WHEN, expires_at=LATER)


def offered_to_somebody_else(story: Story) -> None:
    lets_pass(story)
    looks(story, 6, "offered", 5)
    offered(story, "o3", 9, "lapsed")
    story.final["booking"]["offers"][-1]["place_id"] = "p3"
    story.final["booking"]["places"].append(place(story) | {"id": "p3", "customer_id": "bea"})
    looks(story, 9.5, "offered", 9)
    story.records[-2]["args"]["place_id"] = "p3"


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (lost, PLACE),
        (refused_and_there, PLACE),
        (two_places, PLACE),
        (of_nobody, PLACE),
        (of_another_service, PLACE),
        (for_longer, PLACE),
        (not_found, PLACE),
        (answered_an_offer_that_is_none, PLACE),
        (left_and_waiting, PLACE),
        (removed_and_waiting, PLACE),
        (ended_otherwise, PLACE),
        (in_line_again, PLACE),
        (answered_to_another_business, APART),
        (two_offers, ONE),
        (too_early, ONE),
        (the_same_time_again, ONE),
        (a_fourth_one, ONE),
        (outside_what_was_waited_for, ONE),
        (somebody_who_was_not_waited_for, ONE),
        (offered_behind_its_end, OVER),
        (offered_when_it_was_taken, OVER),
        (stands_behind_its_end, OVER),
        (taken_by_nobody, BOOKED),
        (taken_and_not_booked, BOOKED),
        (booked_and_still_in_line, BOOKED),
        (booked_under_another_id, BOOKED),
        (booked_twice, BOOKED),
        (booked_at_another_time, BOOKED),
        (booked_as_of_another_service, BOOKED),
        (told_of_twice, TOLD),
        (untold, TOLD),
        (told_and_not_there, TOLD),
        (told_otherwise, TOLD),
        (told_in_two_partitions, TOLD),
        (told_under_another_key, APART),
        (no_mail, MAIL),
        (two_mails, MAIL),
        (suppressed_though_it_stood, MAIL),
        (stale_though_nobody_took_it, MAIL),
        (mailed_to_somebody_else, APART),
        (booked_by_somebody_else, KEPT),
        (held_by_somebody_else, KEPT),
        (offered_to_somebody_else, KEPT),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def test_what_was_let_pass_may_be_offered_again_by_hand() -> None:
    story = Story()
    the_same_time_again(story)
    assert story.broken() == {ONE}
    told = {"id": "p", "state": "offered", "offer": None}
    story.op("offer", 39, {"place_id": "p", "starts_at": WHEN}, "ok", told)
    assert story.broken() == set()


def test_a_time_is_free_once_somebody_has_asked_to_give_up_the_place() -> None:
    story = Story()
    booked_by_somebody_else(story)
    assert KEPT in story.broken()
    story.op("leave", 8, {"place_id": "p"}, "unknown")
    assert KEPT not in story.broken()
