"""docs/events is what the models say, and keeps what the last release promised."""

import json
from pathlib import Path

import jsonschema

from contracts.__main__ import drift, main, released_schemas
from contracts.compatibility import breaks
from contracts.documents import asyncapi
from contracts.registry import EVENTS
from contracts.schemas import event_schemas
from contracts.topics import TOPICS

EVENT_DOCS = Path(__file__).parents[2] / "docs" / "events"


def test_committed_documents_are_up_to_date() -> None:
    assert drift(EVENT_DOCS) == []


def test_nothing_breaks_a_reader_of_the_last_release() -> None:
    assert breaks(released_schemas(EVENT_DOCS), event_schemas()) == []


def test_a_release_was_promised() -> None:
    assert released_schemas(EVENT_DOCS)


def test_every_schema_is_valid_json_schema() -> None:
    for schema in event_schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_types_and_topics_follow_the_naming_rule() -> None:
    for event in EVENTS:
        context, aggregate, past, version = event.TYPE.split(".")
        assert event.TOPIC.rsplit(".", 1)[1] == version, event
        assert event.TOPIC.split(".")[0] == context, event
        assert past
        assert aggregate


def test_every_event_travels_on_exactly_one_listed_topic() -> None:
    carried = [event.TYPE for topic in TOPICS for event in topic.events]
    assert sorted(carried) == sorted(event.TYPE for event in EVENTS)


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        if isinstance(node, list):
            return [ref for value in node for ref in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        node: object = document
        for part in reference.removeprefix("#/").split("/"):
            assert isinstance(node, dict)
            assert part in node, reference
            node = node[part]


def test_the_command_writes_checks_and_releases(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--check"]) == 1
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    assert main([str(tmp_path), "--release"]) == 0
    stale = tmp_path / "schemas" / "booking.appointment.forgotten.v1.json"
    stale.write_text("{}")
    assert main([str(tmp_path), "--check"]) == 1
    assert main([str(tmp_path)]) == 0
    assert not stale.exists()


def test_the_check_fails_when_a_released_field_is_gone(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--release"]) == 0
    promised = tmp_path / "released" / "booking.appointment.booked.v1.json"
    schema = json.loads(promised.read_text())
    schema["properties"]["room"] = {"type": "string"}
    promised.write_text(json.dumps(schema))
    assert main([str(tmp_path), "--check"]) == 1
    assert main([str(tmp_path), "--release"]) == 1
    assert "room" in promised.read_text(), "a breaking change must not become the promise"
