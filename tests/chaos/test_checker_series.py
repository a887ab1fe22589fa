"""The checker on recurring appointments: Ivo's, on two days at the same time on the wall."""

from collections.abc import Callable
from typing import Any

import pytest

from chaos.story import ADA, LATER, START, Story, answer, placed

FIRST, SECOND, THIRD = (f"2027-01-{day}T08:00:00+00:00" for day in (16, 17, 18))
WHOLE, CANCELLED = "a series is booked whole", "a series is cancelled whole"
THERE, ASKED = "acknowledged is there, refused is not", "refused is not, unknown is once at most"
DAYS = {"s1": FIRST, "s2": SECOND}


def series(
    story: Story,
    outcome: str = "ok",
    *,
    skip: bool = False,
    there: dict[str, str] | None = None,
    skipped: tuple[str, ...] = (),
    count: int = 2,
    **args: Any,
) -> None:
    """What was asked for and answered, and what is there of it."""
    there = DAYS if there is None else there
    rule = {"every": "day", "interval": 1, "count": count}
    wish: dict[str, Any] = {
        "email": "ivo@x",
        "consent": False,
        "phone": None,
        "service_id": "cut",
        "starts_at": FIRST,
    }
    wish |= {"staff_id": None, "rule": rule, "skip": skip} | args
    told: dict[str, Any] = {"id": "s", "zone": "Europe/Lisbon", "skipped": list(skipped)}
    told["appointments"] = [answer(key, 1, "pending", starts_at) for key, starts_at in there.items()]
    story.op("book-series", 5, wish, outcome, told if outcome == "ok" else None)
    for key, starts_at in there.items():
        placed(story, key, "ivo", starts_at, at=5.2, series_id="s")


def rows(story: Story) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = story.final["booking"]["appointments"]
    return [row for row in found if row["series_id"] == "s"]


def forget(story: Story, key: str) -> None:
    """All traces of one of them, but for what was answered."""
    booking = story.final["booking"]
    booking["appointments"] = [row for row in booking["appointments"] if row["id"] != key]
    booking["allocations"] = [row for row in booking["allocations"] if row["appointment_id"] != key]
    story.final["messages"] = [item for item in story.final["messages"] if item["appointment_id"] != key]
    for topic, events in story.final["topics"].items():
        story.final["topics"][topic] = [item for item in events if item["data"]["appointment_id"] != key]


def cancelled(story: Story, *keys: str, at: float = 7, told: bool = True, by: str = "staff") -> None:
    """So they are at the end."""
    for row in rows(story):
        if row["id"] in keys:
            row |= {"version": 2, "status": "cancelled"}
            data = {"cancelled_by": by, "occurred_at": "2027-01-15T06:00:07+00:00"}
            events = story.final["topics"]["booking.appointment.v1"]
            kind, starts_at = "booking.appointment.cancelled.v1", DAYS[row["id"]]
            events.append(story.event(len(events) + 1, kind, row["id"], 2, starts_at, **data))
            message = story.message("cancelled", 2, "suppressed")
            message |= {"id": f"cancelled {row['id']}", "appointment_id": row["id"]}
            story.final["messages"].append(message)
            became = story.final["topics"]["notification.message.v1"]
            became.append(story.became(len(became) + 1, message["id"], "suppressed", row["id"]))
    for item in story.final["booking"]["allocations"]:
        if item["appointment_id"] in keys:
            item["state"] = "released"


def rest(
    story: Story, *keys: str, outcome: str = "ok", begin: str | None = None, status: str = "cancelled"
) -> None:
    """The business cancels what is still to come, and is answered that."""
    told = [answer(key, 2, status, DAYS[key]) for key in keys]
    args = {"series_id": "s", "from": begin}
    story.op("cancel-series", 7, args, outcome, told if outcome == "ok" else None)


def test_a_series_that_stands_breaks_nothing() -> None:
    story = Story()
    series(story)
    assert story.broken() == set()


def test_so_does_one_that_nobody_was_answered_of_which_there_is_all_or_nothing() -> None:
    for there in (DAYS, {}):
        story = Story()
        series(story, "unknown", there=there)
        assert story.broken() == set()


def test_so_does_one_that_may_skip_of_which_some_is_there() -> None:
    story = Story()
    series(story, "unknown", skip=True, there={"s2": SECOND})
    assert story.broken() == set()
    story = Story()
    series(story, skip=True, there={"s2": SECOND}, skipped=(FIRST,))
    assert story.broken() == set()


def test_one_that_is_cancelled_breaks_nothing_whether_that_was_answered_or_not() -> None:
    for outcome in ("ok", "unknown"):
        story = Story()
        series(story)
        cancelled(story, "s1", "s2")
        rest(story, "s1", "s2", outcome=outcome)
        assert story.broken() == set()


def test_one_of_which_the_first_was_kept_breaks_nothing() -> None:
    story = Story()
    series(story)
    cancelled(story, "s2")
    rest(story, "s2", begin=SECOND)
    assert story.broken() == set()


def test_the_clock_on_the_wall_recurs_when_the_clocks_change() -> None:
    """On 28 March it is summer in Lisbon; at half past one there is no such time, and 01:00 UTC is meant."""
    for first, second in (
        ("2027-03-27T09:00:00+00:00", "2027-03-28T08:00:00+00:00"),
        ("2027-03-27T01:30:00+00:00", "2027-03-28T01:00:00+00:00"),
    ):
        story = Story()
        series(story, starts_at=first, there={"s1": first, "s2": second})
        assert story.broken() == set()
    story = Story()
    series(story, starts_at=first, there={"s1": first, "s2": "2027-03-28T01:30:00+00:00"})
    assert WHOLE in story.broken()


def half(story: Story) -> None:
    series(story)
    forget(story, "s2")


def half_unheard(story: Story) -> None:
    series(story, "unknown", there={"s1": FIRST})


def half_acknowledged(story: Story) -> None:
    series(story, there={"s1": FIRST})


def skipped_unasked(story: Story) -> None:
    series(story, there={"s1": FIRST}, skipped=(SECOND,))


def left_out_unsaid(story: Story) -> None:
    series(story, skip=True, there={"s1": FIRST})


def one_too_many(story: Story) -> None:
    series(story)
    placed(story, "s3", "ivo", THIRD, at=5.2, series_id="s")


def one_too_many_unheard(story: Story) -> None:
    series(story, "unknown", skip=True, there=DAYS | {"s3": THIRD})


def another_day_unheard(story: Story) -> None:
    series(story, "unknown", there={"s1": FIRST, "s3": THIRD})


def by_another_clock(story: Story) -> None:
    series(story)
    story.records[-1]["answer"]["zone"] = "Asia/Kathmandu"


def of_two_series(story: Story) -> None:
    series(story, "unknown")
    rows(story)[1]["series_id"] = "another"


def of_another_service(story: Story) -> None:
    series(story, "unknown", service_id="class")


def refused_and_there(story: Story) -> None:
    series(story, "refused")


def with_somebody_else(story: Story) -> None:
    series(story, staff_id="eve")


def answered_in_two_ways(story: Story) -> None:
    series(story)
    told = story.records[-1]["answer"]
    story.op("book-series", 6, story.records[-2]["args"], "ok", told | {"id": "another"})


def one_stands(story: Story) -> None:
    series(story)
    cancelled(story, "s1")
    rest(story, "s1")


def one_behind_that_moment_stands(story: Story) -> None:
    series(story)
    rest(story, begin=SECOND)


def one_before_that_moment_is_cancelled(story: Story) -> None:
    series(story)
    cancelled(story, "s1", "s2")
    rest(story, "s1", "s2", begin=SECOND)


def one_before_that_moment_is_cancelled_unheard(story: Story) -> None:
    series(story)
    cancelled(story, "s1", "s2")
    rest(story, outcome="unknown", begin=SECOND)


def answered_and_not_cancelled(story: Story) -> None:
    series(story)
    rest(story, "s1", "s2", status="pending")


def cancelled_by_nobody(story: Story) -> None:
    series(story)
    cancelled(story, "s1")


def refused_and_cancelled(story: Story) -> None:
    series(story)
    cancelled(story, "s1", "s2")
    rest(story, outcome="refused")


def given_to_somebody_else(story: Story) -> None:
    """Jan has the second day, too, while the series has it, and it is nobody's at the end."""
    series(story)
    args: dict[str, Any] = {
        "email": "jan@x",
        "service_id": "cut",
        "starts_at": SECOND,
        "staff_id": None,
        "hold_id": None,
    }
    args |= {"consent": False, "phone": None}
    story.op("book", 6, args, "ok", answer("j", 1, "pending", SECOND))
    placed(story, "j", "jan", SECOND, at=6.2)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (half, WHOLE),
        (half, THERE),
        (half_unheard, WHOLE),
        (half_acknowledged, WHOLE),
        (skipped_unasked, WHOLE),
        (left_out_unsaid, WHOLE),
        (one_too_many, WHOLE),
        (one_too_many_unheard, WHOLE),
        (another_day_unheard, WHOLE),
        (by_another_clock, WHOLE),
        (of_two_series, WHOLE),
        (of_another_service, WHOLE),
        (answered_in_two_ways, WHOLE),
        (refused_and_there, THERE),
        (with_somebody_else, THERE),
        (one_stands, CANCELLED),
        (one_behind_that_moment_stands, CANCELLED),
        (one_before_that_moment_is_cancelled, CANCELLED),
        (one_before_that_moment_is_cancelled_unheard, ASKED),
        (answered_and_not_cancelled, CANCELLED),
        (cancelled_by_nobody, ASKED),
        (refused_and_cancelled, ASKED),
        (given_to_somebody_else, "no overlap beyond capacity"),
    ],
)
def test_a_fault_is_found(fault: Callable[[Story], None], rule: str) -> None:
    story = Story()
    fault(story)
    assert rule in story.broken()


def moved(story: Story, at: float) -> None:
    """The first one, to a day before the series, an hour later."""
    earlier = LATER
    args = {"id": "s1", "starts_at": earlier}
    story.op("reschedule", at, args, "ok", answer("s1", 2, "pending", earlier))
    events = story.final["topics"]["booking.appointment.v1"]
    told = {"occurred_at": "2027-01-15T06:00:06+00:00"}
    events.append(
        story.event(len(events) + 1, "booking.appointment.rescheduled.v1", "s1", 2, earlier, **told)
    )
    rows(story)[0].update({"version": 2, "starts_at": START + 3600, "ends_at": START + 5400})
    for item in story.final["booking"]["allocations"]:
        if item["appointment_id"] == "s1":
            item |= {"begin": START + 3600, "end": START + 5700, "resource_id": ADA}


def test_one_that_is_moved_before_that_moment_stands_rightly() -> None:
    """Whether it was moved before its series was cancelled from then on, or meanwhile."""
    for at in (6.0, 7.2):
        story = Story()
        series(story)
        cancelled(story, "s2")
        rest(story, "s2", begin=FIRST)
        assert CANCELLED in story.broken()
        moved(story, at)
        assert CANCELLED not in story.broken()
