"""What the parts tell each other, and how long Kafka keeps it."""

import re
from pathlib import Path

from contracts.registry import EVENTS
from contracts.topics import DEAD_LETTERS, TOPICS

_ROOT = Path(__file__).parents[2]


def test_a_reader_that_was_away_for_as_long_as_anything_is_kept_still_hears_what_was_erased() -> None:
    """Of a compacted topic's key nothing else is left to tell that a person is to be forgotten."""
    kept = max(topic.retention_hours or 0 for topic in (*TOPICS, *DEAD_LETTERS)) * 3600 * 1000
    tombstones = {
        topic.name: int(topic.config().get("delete.retention.ms", 0)) for topic in TOPICS if topic.compacted
    }
    assert "booking.customer.v1" in tombstones
    assert {name: long for name, long in tombstones.items() if long < kept} == {}


def test_no_topic_is_made_and_granted_for_events_that_no_part_knows() -> None:
    parts = [*_ROOT.glob("services/*/src"), *_ROOT.glob("operator/src"), *_ROOT.glob("libs/servicekit/src")]
    source = "\n".join(path.read_text("utf-8") for part in parts for path in part.rglob("*.py"))
    known = set(re.findall(r"\w+", source))
    assert [event.TYPE for event in EVENTS if event.__name__ not in known] == []
    assert [topic.name for topic in TOPICS if not topic.events] == []
