"""The checker on rooms, of which two are alike, and on a team of two, booked by whoever comes after Bea."""

from collections.abc import Callable

import pytest

from chaos.story import ADA, BATH, EVE, ISO, LATER, ROOM, TEAM, B, Story, changes, requested, seen, wish

WHOLE, OFFERED, ROOMS = (
    "all that it needs is taken",
    "what is taken was offered",
    "no more at once than there are rooms",
)
AGREE, KEPT = "allocations and appointments agree", "a hold is kept"


def bathes(story: Story, key: str, who: str, *, at: float = 5, ran_out: str | None = ISO) -> None:
    requested(story, key, at=at, service_id=BATH, takes=(who, ROOM), ran_out=ran_out)


def moves(story: Story, *, ran_out: str | None = ISO) -> None:
    requested(story, service_id=TEAM, takes=(ADA, EVE), ran_out=ran_out)


def rooms(story: Story, capacity: int) -> None:
    """From 7 s on there are so many."""
    changes(story, ROOM, 2, 6.2, capacity=capacity)
    seen(story, ROOM, 1, 0, 6.5)
    seen(story, ROOM, 2, 7, 9, capacity=capacity)


@pytest.mark.parametrize("ran_out", [ISO, None])
def test_two_rooms_at_once_and_a_team_break_nothing(ran_out: str | None) -> None:
    story = Story()
    bathes(story, B, ADA, ran_out=ran_out)
    bathes(story, "c", EVE, at=5.6, ran_out=ran_out)
    assert {WHOLE, OFFERED, ROOMS, AGREE}.isdisjoint(story.broken())
    story = Story()
    moves(story, ran_out=ran_out)
    assert {WHOLE, OFFERED, ROOMS, AGREE}.isdisjoint(story.broken())


def no_room(story: Story) -> None:
    requested(story, service_id=BATH)


def nobody_beside_the_room(story: Story) -> None:
    requested(story, service_id=BATH, takes=(ROOM,))


def a_room_too_many(story: Story) -> None:
    requested(story, takes=(ADA, ROOM))


def half_a_team(story: Story) -> None:
    requested(story, service_id=TEAM)


def one_too_many(story: Story) -> None:
    requested(story, takes=(ADA, EVE))


def a_hold_of_half_a_team(story: Story) -> None:
    story.hold("h", 5, ISO, expires_at=LATER, service_id=TEAM)


def no_row_for_the_room(story: Story) -> None:
    bathes(story, B, ADA, ran_out=None)
    story.final["booking"]["allocations"].pop()


def no_row_for_the_room_of_what_ran_out(story: Story) -> None:
    bathes(story, B, ADA)
    story.final["booking"]["allocations"].pop()


def a_room_for_less_than_the_buffers(story: Story) -> None:
    bathes(story, B, ADA)
    story.final["booking"]["allocations"][-1]["end"] -= 300


def somebody_who_does_not_perform_it(story: Story) -> None:
    moves(story)
    changes(story, TEAM, 2, 3.2, staff=[ADA, "ivo"])
    seen(story, TEAM, 1, 0, 3.5)
    seen(story, TEAM, 2, 4, 9, staff=[ADA, "ivo"])


def more_at_the_end_than_there_are(story: Story) -> None:
    story.setup["tenants"][0]["rooms"][0]["capacity"] = 1
    bathes(story, B, ADA, ran_out=None)
    bathes(story, "c", EVE, at=5.6, ran_out=None)
    story.records = [record for record in story.records if record["at"] < 4 or record["type"] != "outcome"]


def more_at_one_moment_than_there_are(story: Story) -> None:
    story.setup["tenants"][0]["rooms"][0]["capacity"] = 1
    bathes(story, B, ADA)
    bathes(story, "c", EVE, at=5.6)


def one_more_when_there_are_fewer(story: Story) -> None:
    rooms(story, 1)
    bathes(story, B, ADA)
    bathes(story, "c", EVE, at=8)


def one_more_before_there_were_as_many(story: Story) -> None:
    story.setup["tenants"][0]["rooms"][0]["capacity"] = 1
    bathes(story, B, ADA)
    bathes(story, "c", EVE, at=5.6)
    rooms(story, 3)


def the_other_one_of_a_held_team(story: Story) -> None:
    held_team(story)
    requested(story, "c", at=5.5, takes=(EVE,))


def held_team(story: Story) -> None:
    story.hold("h", 5, ISO, expires_at=LATER, service_id=TEAM)
    rows = story.final["booking"]["allocations"]
    rows.append(rows[-1] | {"id": "of h too", "resource_id": EVE})


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (no_room, WHOLE),
        (nobody_beside_the_room, WHOLE),
        (a_room_too_many, WHOLE),
        (half_a_team, WHOLE),
        (one_too_many, WHOLE),
        (a_hold_of_half_a_team, WHOLE),
        (no_row_for_the_room, AGREE),
        (no_row_for_the_room_of_what_ran_out, OFFERED),
        (a_room_for_less_than_the_buffers, OFFERED),
        (somebody_who_does_not_perform_it, OFFERED),
        (more_at_the_end_than_there_are, ROOMS),
        (more_at_one_moment_than_there_are, ROOMS),
        (one_more_when_there_are_fewer, ROOMS),
        (one_more_before_there_were_as_many, ROOMS),
        (the_other_one_of_a_held_team, KEPT),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def test_a_team_is_held_whole_and_booked_as_it_was_held() -> None:
    story = Story()
    held_team(story)
    assert story.broken() == set()
    story = Story()
    held_team(story)
    moves(story)
    for record in story.records:
        if record.get("args", {}).get("email") == f"{B}@x":
            record["args"] |= wish(f"{B}@x", service_id=TEAM, hold_id="h")
    for row in story.final["booking"]["allocations"]:
        if row["hold_id"] == "h":
            row["hold_id"] = None
    assert {WHOLE, OFFERED, ROOMS, KEPT}.isdisjoint(story.broken())


def test_rooms_that_were_taken_stay_when_there_are_fewer() -> None:
    story = Story()
    rooms(story, 1)
    bathes(story, B, ADA)
    bathes(story, "c", EVE, at=5.6)
    assert story.broken() == set()


def begins_at(story: Story, who: str, opens: str) -> None:
    """From 4 s on somebody's hours begin then."""
    weekly = [[day, opens, "00:00"] for day in range(7)]
    changes(story, who, 2, 3.2, weekly=weekly)
    seen(story, who, 1, 0, 3.5)
    seen(story, who, 2, 4, 9, weekly=weekly)


def test_a_colleague_joins_what_one_of_the_team_begins_in_the_hours_of_both() -> None:
    story = Story()
    moves(story)
    begins_at(story, EVE, "07:50")
    assert story.broken() == set()
    begins_at(story, ADA, "07:50")
    assert story.broken() == {OFFERED}


def test_nobody_joins_a_team_before_their_hours() -> None:
    story = Story()
    moves(story)
    begins_at(story, EVE, "08:15")
    assert story.broken() == {OFFERED}
