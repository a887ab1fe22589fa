"""How long Kafka keeps what the parts tell each other."""

from contracts.topics import DEAD_LETTERS, TOPICS


def test_a_reader_that_was_away_for_as_long_as_anything_is_kept_still_hears_what_was_erased() -> None:
    """Of a compacted topic's key nothing else is left to tell that a person is to be forgotten."""
    kept = max(topic.retention_hours or 0 for topic in (*TOPICS, *DEAD_LETTERS)) * 3600 * 1000
    tombstones = {
        topic.name: int(topic.config().get("delete.retention.ms", 0)) for topic in TOPICS if topic.compacted
    }
    assert "booking.customer.v1" in tombstones
    assert {name: long for name, long in tombstones.items() if long < kept} == {}
