"""The checker on wishes that have become something else: another service, another start, somebody else."""

from collections.abc import Callable

import pytest

from chaos.story import ADA, LATER, A, Story, asked_for, unheard


def another_service(story: Story) -> None:
    asked_for(story, service_id="class")


def told_of_another_service(story: Story) -> None:
    story.final["topics"]["booking.appointment.v1"][0]["data"]["service_id"] = "class"


def another_start(story: Story) -> None:
    asked_for(story, starts_at=LATER)


def somebody_else(story: Story) -> None:
    asked_for(story, staff_id="eve")


def another_start_unheard(story: Story) -> None:
    unheard(story)
    asked_for(story, starts_at=LATER)


def somebody_else_unheard(story: Story) -> None:
    unheard(story)
    asked_for(story, staff_id="eve")


def moved_to_somebody_else(story: Story) -> None:
    (move,) = (record for record in story.records if record.get("kind") == "reschedule")
    move["args"]["staff_id"] = "eve"


def moved_to_somebody_else_unheard(story: Story) -> None:
    unheard(story)
    moved_to_somebody_else(story)


def answered_as_with_somebody_else(story: Story) -> None:
    (booked,) = (record for record in story.records if record["type"] == "outcome" and record["op"] == 0)
    booked["answer"]["staff_ids"] = ["eve"]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (another_service, "acknowledged is there, refused is not"),
        (another_start, "acknowledged is there, refused is not"),
        (somebody_else, "acknowledged is there, refused is not"),
        (moved_to_somebody_else, "acknowledged is there, refused is not"),
        (told_of_another_service, "one event a change, in order"),
        (another_start_unheard, "refused is not, unknown is once at most"),
        (somebody_else_unheard, "refused is not, unknown is once at most"),
        (moved_to_somebody_else_unheard, "refused is not, unknown is once at most"),
        (answered_as_with_somebody_else, "refused is not, unknown is once at most"),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def test_what_was_asked_for_by_name_and_never_answered_is_no_fault() -> None:
    story = Story()
    unheard(story)
    asked_for(story, staff_id=ADA)
    assert story.broken() == set()


def test_a_move_to_nobody_in_particular_explains_what_a_move_to_somebody_does_not() -> None:
    """Neither was answered, and both have happened: to Ada, whom one had named, and to Eve, whom none had."""
    story = Story()
    unheard(story)
    story.op("reschedule", 4, {"id": A, "starts_at": LATER, "staff_id": ADA}, "unknown")
    told = story.event(3, "booking.appointment.rescheduled.v1", A, 3, LATER, staff_ids=["eve"])
    story.final["topics"]["booking.appointment.v1"].append(told)
    broken = "refused is not, unknown is once at most"
    assert broken not in story.broken()
    (move,) = (record for record in story.records if record.get("kind") == "reschedule" and record["at"] == 2)
    move["args"]["staff_id"] = ADA
    assert broken in story.broken()
