"""The checker on a class of two with Ada while the run went on; at its end all of it had been given up."""

import pytest

from chaos.story import CUT, B, Story, requested

OVERLAP = {"no overlap beyond capacity"}


def test_as_many_as_it_has_places_are_no_fault_and_one_more_is() -> None:
    story = Story()
    requested(story, B, at=5, service_id="class")
    requested(story, "c", at=6, service_id="class")
    assert story.broken() == set()
    requested(story, "d", at=7, service_id="class")
    assert story.broken() == OVERLAP


def test_a_place_that_somebody_has_asked_to_give_up_is_free() -> None:
    story = Story()
    requested(story, B, at=5, service_id="class")
    requested(story, "c", at=6, service_id="class")
    story.op("cancel", 7, {"id": "c"}, "unknown")
    requested(story, "d", at=7.1, service_id="class")
    assert story.broken() == set()


@pytest.mark.parametrize("first", [CUT, "class"])
def test_the_same_person_has_no_class_and_cut_at_once(first: str) -> None:
    story = Story()
    requested(story, B, at=5, service_id=first)
    requested(story, "c", at=6, service_id="class" if first == CUT else CUT)
    assert story.broken() == OVERLAP


def test_the_same_person_has_no_two_classes_at_once() -> None:
    story = Story()
    story.setup["tenants"][0]["services"].append(story.setup["tenants"][0]["services"][1] | {"id": "talk"})
    requested(story, B, at=5, service_id="class")
    requested(story, "c", at=6, service_id="talk")
    assert story.broken() == OVERLAP
