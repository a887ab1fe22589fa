"""The checker on reminders: asked for and withdrawn for a reason, and come due at their time."""

from collections.abc import Callable

import pytest

from chaos.story import ISO, LATER, START, B, Story

ASKED = "booking.reminder.v1"
DUE = "scheduler.reminder.v1"


def asked_for_another_time(story: Story) -> None:
    story.final["topics"][ASKED][2]["data"]["due_at"] = LATER


def withdrawn_though_it_stands(story: Story) -> None:
    story.final["topics"][ASKED].append(story.withdrawn(2))


def withdrawn_when_it_was_over(story: Story) -> None:
    """The move came when the first start's reminder had come due."""
    story.final["topics"]["booking.appointment.v1"][1]["data"]["occurred_at"] = "2027-01-15T07:00:00+00:00"


def withdrawn_and_never_asked_for(story: Story) -> None:
    story.final["topics"][ASKED].append(story.withdrawn(7))


def due_and_never_asked_for(story: Story) -> None:
    story.final["topics"][DUE].append(story.due(7, 2))


def due_at_another_time(story: Story) -> None:
    story.final["topics"][DUE][0]["data"]["due_at"] = "2027-01-15T07:59:59+00:00"


def due_for_another(story: Story) -> None:
    story.final["topics"][DUE][0]["data"]["appointment_id"] = B


def due_too_early(story: Story) -> None:
    story.final["topics"][DUE][0]["data"]["fired_at"] = "2027-01-15T07:59:59.9+00:00"


def due_when_it_had_begun(story: Story) -> None:
    story.final["topics"][DUE][0]["data"]["fired_at"] = LATER


def due_when_no_clock_had_come_so_far(story: Story) -> None:
    story.mark("quiet", START)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (asked_for_another_time, "a reminder is asked for once"),
        (withdrawn_though_it_stands, "a reminder is asked for once"),
        (withdrawn_when_it_was_over, "a reminder is asked for once"),
        (withdrawn_and_never_asked_for, "a reminder is asked for once"),
        (due_and_never_asked_for, "a reminder comes due at its time"),
        (due_at_another_time, "a reminder comes due at its time"),
        (due_for_another, "a reminder comes due at its time"),
        (due_too_early, "a reminder comes due at its time"),
        (due_when_it_had_begun, "a reminder comes due at its time"),
        (due_when_no_clock_had_come_so_far, "a reminder comes due at its time"),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def test_what_comes_due_in_the_very_moment_is_no_fault() -> None:
    story = Story()
    story.final["topics"][DUE][0]["data"]["fired_at"] = ISO
    assert story.broken() == set()


def test_what_was_over_when_the_next_version_came_need_not_be_withdrawn() -> None:
    """The first start's reminder came due, and the appointment was moved in the same moment."""
    story = Story()
    withdrawn_when_it_was_over(story)
    del story.final["topics"][ASKED][1]
    assert "a reminder is asked for once" not in story.broken()
