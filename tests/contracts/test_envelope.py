"""An event survives the way through Kafka's headers and bytes; anything else is refused with the reason."""

from datetime import UTC, datetime
from typing import Any, get_args, get_origin
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contracts.booking import AppointmentCancelled
from contracts.envelope import Envelope, MalformedEventError, parse_headers
from contracts.model import Event, TenantEvent
from contracts.registry import EVENTS
from contracts.schemas import event_schema

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


TEXTS = {
    "uuid": str(UUID(int=7)),
    "date-time": "2026-03-29T01:30:00Z",
    "date": "2026-03-29",
    "time": "09:00:00",
}


def sample(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """A value that the schema accepts: the least one, but with every field present."""
    match schema:
        case {"$ref": str(reference)}:
            value = sample(root["$defs"][reference.rsplit("/", 1)[1]], root)
        case {"anyOf": [first, *_]}:
            value = sample(first, root)
        case {"enum": [first, *_]} | {"const": first}:
            value = first
        case {"type": "object", "properties": fields}:
            value = {name: sample(field, root) for name, field in fields.items()}
        case {"type": "object", "additionalProperties": values}:
            value = {"a": sample(values, root)}
        case {"type": "array", "items": items}:
            value = [sample(items, root)]
        case {"type": "string"}:
            plain = "EUR" if "A-Z" in schema.get("pattern", "") else "riverside"
            value = TEXTS.get(schema.get("format", ""), plain)
        case {"type": "integer"}:
            value = schema.get("minimum", 3)
        case _:
            value = True
    return value


def event_of(model: type[Event]) -> Event:
    schema = event_schema(model)
    return model.model_validate(sample(schema, schema))


def wire(event: Event, **changes: Any) -> tuple[list[tuple[str, bytes]], bytes | None]:
    envelope = Envelope(
        id=str(uuid4()),
        source="booking",
        type=event.TYPE,
        time=NOW,
        subject=event.key,
        tenant_id=getattr(event, "tenant_id", None),
        data=event.model_dump_json().encode(),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    headers = envelope.headers() | changes
    return [(name, value.encode()) for name, value in headers.items() if value is not None], envelope.data


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.TYPE)
def test_every_event_comes_back_as_it_was(model: type[Event]) -> None:
    event = event_of(model)
    headers, data = wire(event)
    envelope = parse_headers(headers, data)
    assert envelope.event() == event
    assert envelope.time == NOW
    assert envelope.subject == event.key
    assert envelope.traceparent is not None
    assert envelope.tenant_id == getattr(event, "tenant_id", None)


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.TYPE)
def test_what_is_written_satisfies_the_published_schema(model: type[Event]) -> None:
    event = event_of(model)
    validator = Draft202012Validator(event_schema(model), format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(event.model_dump(mode="json"))


@pytest.mark.parametrize("model", [m for m in EVENTS if issubclass(m, TenantEvent)], ids=lambda m: m.TYPE)
def test_tenant_events_are_keyed_by_tenant(model: type[TenantEvent]) -> None:
    assert event_of(model).key.startswith(str(UUID(int=7)))


def test_a_field_from_the_future_is_ignored() -> None:
    event = event_of(AppointmentCancelled)
    headers, data = wire(event)
    assert data is not None
    later = data.removesuffix(b"}") + b',"room":"blue"}'
    assert parse_headers(headers, later).event() == event


def test_a_tombstone_has_headers_and_no_data() -> None:
    event = event_of(AppointmentCancelled)
    headers, _data = wire(event)
    envelope = parse_headers(headers, None)
    with pytest.raises(MalformedEventError, match="tombstone"):
        envelope.event()
    assert "content-type" not in envelope.headers()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_id": None}, "ce_id is missing"),
        ({"ce_type": None}, "ce_type is missing"),
        ({"ce_source": ""}, "ce_source is missing"),
        ({"ce_specversion": "0.3"}, "0.3"),
        ({"ce_time": "yesterday"}, "ce_time"),
        ({"ce_time": "2026-03-29T01:30:00"}, "no offset"),
        ({"ce_tenantid": "riverside"}, "ce_tenantid"),
    ],
)
def test_wrong_headers_are_named(changes: dict[str, str | None], reason: str) -> None:
    headers, data = wire(event_of(AppointmentCancelled), **changes)
    with pytest.raises(MalformedEventError, match=reason):
        parse_headers(headers, data)


def test_bytes_that_are_no_text_are_refused() -> None:
    headers, data = wire(event_of(AppointmentCancelled))
    with pytest.raises(MalformedEventError, match="UTF-8"):
        parse_headers([*headers, ("x", b"\xff")], data)


def test_no_headers_at_all_are_refused() -> None:
    with pytest.raises(MalformedEventError, match="missing"):
        parse_headers(None, b"{}")


def test_an_unknown_type_is_named() -> None:
    headers, data = wire(event_of(AppointmentCancelled), ce_type="booking.appointment.eaten.v1")
    with pytest.raises(MalformedEventError, match=r"booking\.appointment\.eaten\.v1"):
        parse_headers(headers, data).event()


@given(st.binary(max_size=200))
def test_no_bytes_get_past_as_anything_else(data: bytes) -> None:
    headers, _data = wire(event_of(AppointmentCancelled))
    with pytest.raises(MalformedEventError):
        parse_headers(headers, data).event()


def test_a_refusal_quotes_no_value() -> None:
    event = event_of(AppointmentCancelled)
    headers, data = wire(event)
    assert data is not None
    with pytest.raises(MalformedEventError) as refusal:
        parse_headers(headers, data.replace(b'"customer"', b'"ada@riverside.example"')).event()
    assert "cancelled_by" in str(refusal.value)
    assert "ada@" not in str(refusal.value)


def test_events_with_people_travel_compacted_only() -> None:
    personal = {"email", "owner_email", "phone", "owner"}
    from contracts.topics import TOPICS

    compacted = {topic.name for topic in TOPICS if topic.compacted}
    for event in EVENTS:
        if personal & event.model_fields.keys():
            assert event.TOPIC in compacted, event
        for field in event.model_fields.values():
            assert get_origin(field.annotation) is not Any
            assert Any not in get_args(field.annotation)
