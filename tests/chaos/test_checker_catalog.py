"""The checker on a business that changes what it offers while people book: Bea at 1 s, whoever else at 5 s."""

from collections.abc import Callable
from typing import Any

import pytest

from chaos import rules_catalog
from chaos.evidence import Evidence
from chaos.story import ADA, CUT, EVE, ISO, LATER, START, A, B, Story, answer, changes, requested, seen, wish

OFFERED, FOLLOWED = "what is taken was offered", "a changed catalog is followed"
OVERLAP, AGREE = "no overlap beyond capacity", "allocations and appointments agree"
FOR_45_MINUTES = "2027-01-15T08:45:00+00:00"


def changed(story: Story, key: str = CUT, *, until: float = 3.5, since: float = 4, **values: Any) -> None:
    """From `since` on surely, and until `until` surely not."""
    changes(story, key, 2, 3.2, **values)
    seen(story, key, 1, 0, until)
    seen(story, key, 2, since, 9, **values)


def longer(story: Story) -> None:
    changed(story, duration=2700)


def other_buffers(story: Story) -> None:
    changed(story, after=600)


def performed_by_eve(story: Story) -> None:
    changed(story, staff=[EVE])


def at_other_starts(story: Story) -> None:
    changed(story, step=3000)


def opens_later(story: Story) -> None:
    changed(story, ADA, weekly=[[day, "09:00", "17:00"] for day in range(7)])


def closes_before_its_end(story: Story) -> None:
    changed(story, ADA, weekly=[[day, "00:00", "08:15"] for day in range(7)])


def closed_that_day(story: Story) -> None:
    changed(story, ADA, exceptions={"2027-01-15": []})


def in_another_zone(story: Story) -> None:
    changed(story, ADA, zone="Asia/Kathmandu")
    changed(story, step=1800)


@pytest.mark.parametrize(
    "change",
    [
        longer,
        other_buffers,
        performed_by_eve,
        at_other_starts,
        opens_later,
        closes_before_its_end,
        closed_that_day,
        in_another_zone,
    ],
)
def test_what_was_offered_before_a_change_is_not_taken_after_it(change: Callable[[Story], None]) -> None:
    story = Story()
    change(story)
    assert story.broken() == set()
    requested(story)
    assert story.broken() == {OFFERED}


def test_hours_that_follow_one_another_at_once_are_no_end_but_have_starts_of_their_own() -> None:
    story = Story()
    changed(story, ADA, weekly=[[day, *span] for day in range(7) for span in HALVES])
    requested(story)
    assert story.broken() == set()
    changed(story, step=3000)
    assert story.broken() == {OFFERED}


HALVES = [["00:00", "08:10"], ["08:10", "00:00"]]


def test_until_booking_has_surely_heard_of_a_change_either_may_be_taken() -> None:
    story = Story()
    changed(story, until=3.5, since=5.6, duration=2700)
    requested(story)
    assert story.broken() == set()


def test_a_hold_keeps_what_its_service_takes() -> None:
    story = Story()
    story.hold("h", 5, ISO, expires_at=LATER)
    assert story.broken() == set()
    story.final["booking"]["allocations"][-1]["end"] -= 300
    assert story.broken() == {OFFERED}


def test_what_was_held_may_be_booked_whatever_hours_there_are_by_then() -> None:
    story = Story()
    requested(story)
    for record in story.records:
        if record.get("args", {}).get("email") == f"{B}@x":
            record["args"]["hold_id"] = "h"
    closed_that_day(story)
    assert story.broken() == set()


def test_a_hold_that_is_booked_for_longer_than_it_keeps_is_found() -> None:
    story = Story()
    longer(story)
    requested(story, confirmed=True, ran_out=None)
    for told in (
        story.records[-1]["answer"],
        story.final["topics"]["booking.appointment.v1"][-1]["data"],
    ):
        told["ends_at"] = FOR_45_MINUTES
    story.final["booking"]["appointments"][-1]["ends_at"] = START + 2700
    assert {OFFERED, AGREE} <= story.broken()


def test_what_takes_less_than_it_says_overlaps_whoever_comes_right_behind() -> None:
    """At the end, where nobody was answered that it is there."""
    story = Story()
    requested(story, "c", ran_out=None)
    story.records[-1] |= {"outcome": "unknown", "answer": None}
    booking = story.final["booking"]
    booking["allocations"][-1] |= {"begin": START, "end": START + 3600}
    assert OVERLAP not in story.broken()
    booking["appointments"][-1]["ends_at"] = START + 3660  # it is A's time from START + 3600 on
    assert OVERLAP in story.broken()


def test_what_nobody_can_tell_is_excused_and_counted() -> None:
    """A version was passed over that nobody was answered: it may have been anything."""
    story = Story()
    changes(story, CUT, 2, 3.2, "unknown", duration=1200)
    changes(story, CUT, 3, 4, duration=2700)
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 3, 5.6, 9, duration=2700)
    requested(story)
    story.final["booking"]["allocations"][-1]["end"] += 60
    assert story.broken() == set()
    run = Evidence([story.setup, *story.records], story.final)
    assert rules_catalog.judged(run) == {rules_catalog.SURELY: 2, rules_catalog.EXCUSED: 1}


def known_otherwise(story: Story) -> None:
    changes(story, CUT, 2, 3.2, duration=2700)
    seen(story, CUT, 2, 4, 9, duration=3600)


def known_otherwise_from_the_beginning(story: Story) -> None:
    seen(story, CUT, 1, 0, 9, duration=3600)


def asked_for_by_nobody(story: Story) -> None:
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 2, 4, 9, duration=2700)


def more_than_was_asked_for(story: Story) -> None:
    changes(story, CUT, 2, 3.2, "unknown", duration=2700)
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 2, 4, 9, duration=2700, capacity=3)


def one_change_twice(story: Story) -> None:
    changes(story, CUT, 2, 3.2, "unknown", duration=2700)
    changes(story, CUT, 3, 4, duration=1800)
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 2, 4, 4.2, duration=2700)
    seen(story, CUT, 3, 4.5, 5)
    seen(story, CUT, 4, 6, 9, duration=2700)


def back_again(story: Story) -> None:
    changed(story, duration=2700)
    seen(story, CUT, 1, 9.5, 9.6)


def never_heard_of(story: Story) -> None:
    changes(story, CUT, 2, 3.2, duration=2700)
    seen(story, CUT, 1, 0, 9)


def two_of_one_version(story: Story) -> None:
    changed(story, duration=2700)
    changes(story, CUT, 2, 4, duration=3600)


def answered_otherwise(story: Story) -> None:
    told = changes(story, CUT, 2, 3.2, duration=2700)
    told["values"]["duration"] = 3600
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 2, 4, 9, duration=3600)


def another_day_too(story: Story) -> None:
    """Of exceptions one day is asked for, and the others stay."""
    changes(story, ADA, 2, 3.2, "unknown", exceptions={"2027-01-15": []})
    seen(story, ADA, 1, 0, 3.5)
    seen(story, ADA, 2, 4, 9, exceptions={"2027-01-15": [], "2027-01-16": []})


@pytest.mark.parametrize(
    "fault",
    [
        known_otherwise,
        known_otherwise_from_the_beginning,
        asked_for_by_nobody,
        more_than_was_asked_for,
        one_change_twice,
        back_again,
        never_heard_of,
        two_of_one_version,
        answered_otherwise,
        another_day_too,
    ],
)
def test_a_change_that_is_not_followed_is_found(fault: Callable[[Story], None]) -> None:
    story = Story()
    fault(story)
    assert FOLLOWED in story.broken()


def test_a_change_that_was_never_answered_may_have_come_or_not() -> None:
    story = Story()
    changes(story, CUT, 2, 3.2, "unknown", duration=2700)
    changes(story, CUT, 2, 3.3, "unknown", duration=3600)
    seen(story, CUT, 1, 0, 3.5)
    seen(story, CUT, 2, 4, 9, duration=3600)
    assert story.broken() == set()


def test_a_change_that_was_sent_again_may_have_come_twice() -> None:
    story = Story()
    changes(story, CUT, 3, 3.2, duration=2700)
    seen(story, CUT, 1, 0, 3.2)
    seen(story, CUT, 2, 3.3, 3.4, duration=2700)
    seen(story, CUT, 3, 3.6, 9, duration=2700)
    assert story.broken() == set()


def test_places_are_as_many_as_the_class_had_when_they_were_taken() -> None:
    story = Story()
    changed(story, "class", since=5.4, until=5.2, capacity=3)
    for place, at in enumerate((4, 4.6, 6)):
        requested(story, f"c{place}", at=at, service_id="class")
    assert story.broken() == set()
    requested(story, "d", at=5.5, service_id="class")
    assert story.broken() == {OVERLAP}


def test_more_at_once_than_there_are_places_are_found_whoever_came_last() -> None:
    story = Story()
    for place in range(3):
        requested(story, f"c{place}", at=5 + place / 10, service_id="class")
    assert story.broken() == {OVERLAP}


def test_a_place_that_was_taken_before_there_were_as_many_is_found() -> None:
    story = Story()
    changed(story, "class", since=7, until=6.9, capacity=3)
    for place, at in enumerate((4, 4.6, 6)):
        requested(story, f"c{place}", at=at, service_id="class")
    assert story.broken() == {OVERLAP}


def lowered(story: Story, places: int) -> None:
    """From 4 to 2 at 7.5 s, with so many taken before."""
    changed(story, "class", since=4, until=3.5, capacity=4)
    changes(story, "class", 3, 7, capacity=2)
    story.records[-3]["until"] = 7.4  # of version 2
    seen(story, "class", 3, 7.5, 9)
    for place in range(places):
        requested(story, f"c{place}", at=4.2 + place * 0.6, service_id="class")


def test_places_that_were_taken_stay_when_a_class_has_fewer() -> None:
    story = Story()
    lowered(story, 4)
    assert story.broken() == set()


def test_a_class_that_has_fewer_places_than_are_taken_takes_nobody() -> None:
    story = Story()
    lowered(story, 2)
    assert story.broken() == set()
    requested(story, "d", at=8, service_id="class")
    assert story.broken() == {OVERLAP}


def test_what_was_no_class_when_it_was_booked_is_joined_by_nobody() -> None:
    story = Story()
    changed(story, "class", since=4, until=3.5, capacity=1)
    story.records[-1]["until"] = 6
    changes(story, "class", 3, 6.1, capacity=2)
    seen(story, "class", 3, 6.6, 9)
    requested(story, service_id="class")
    assert story.broken() == set()
    requested(story, "c", at=7, service_id="class")
    assert story.broken() == {OVERLAP}


def test_the_same_of_what_stands_at_the_end() -> None:
    story = Story()
    changed(story, "class", since=4, until=3.5, capacity=3)
    for place in range(3):
        requested(story, f"c{place}", at=5 + place, service_id="class", ran_out=None)
    assert OVERLAP not in story.broken()
    requested(story, "d", at=8, service_id="class", ran_out=None)
    assert OVERLAP in story.broken()


def test_a_move_back_to_what_it_has_is_no_new_taking() -> None:
    """Bea moves to where she is, long after her service has become another."""
    story = Story()
    longer(story)
    story.op("reschedule", 5, {"id": A, "starts_at": LATER}, "ok", answer(A, 2, starts_at=LATER))
    story.op("book", 6, wish("bea@x", consent=True), "ok", answer(A, 1))
    assert story.broken() == set()
