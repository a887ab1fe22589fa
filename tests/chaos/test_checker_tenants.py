"""The checker on whose an event is, in each topic, and on who is to find an appointment."""

from typing import Any

import pytest

from chaos.story import OTHER, A, B, Story, T

APART = "tenants are apart"
TOPICS = [name for name, events in Story().final["topics"].items() if events]


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("wrong", [{"key": f"{OTHER}/{A}"}, {"key": f"{T}/{B}"}, {"tenant": OTHER}])
def test_an_event_under_another_key_or_header_is_found(topic: str, wrong: dict[str, Any]) -> None:
    story = Story()
    story.final["topics"][topic][0] |= wrong
    assert APART in story.broken()


@pytest.mark.parametrize("topic", TOPICS)
def test_an_event_that_says_that_it_is_another_business_s_is_found(topic: str) -> None:
    story = Story()
    story.final["topics"][topic][0]["data"]["tenant_id"] = OTHER
    assert APART in story.broken()


@pytest.mark.parametrize("topic", TOPICS)
def test_events_of_another_business_s_appointment_are_found(topic: str) -> None:
    """They agree with each other, and not with the row."""
    story = Story()
    event = story.final["topics"][topic][0]
    event |= {"key": f"{OTHER}/{A}", "tenant": OTHER}
    event["data"]["tenant_id"] = OTHER
    assert APART in story.broken()


@pytest.mark.parametrize("kind", ["read", "cancel"])
def test_what_was_acknowledged_and_is_not_found_by_its_owner_is_found(kind: str) -> None:
    story = Story()
    story.op(kind, 4, {"id": A}, "refused", problem="not-found")
    assert story.broken() == {"acknowledged is there, refused is not"}


def test_who_reads_too_early_or_gets_no_answer_or_is_another_business_may_find_nothing() -> None:
    story = Story()
    story.op("read", 1.2, {"id": A}, "refused", problem="not-found")
    story.op("read", 4, {"id": A}, "unknown", problem="unavailable")
    story.op("peek", 4, {"id": A}, "refused", problem="not-found", tenant=OTHER)
    assert story.broken() == set()
