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
from support.samples import event_of

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


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
        ({"ce_id": "x" * 256}, "ce_id"),
        ({"ce_id": "a\0b"}, "ce_id"),
    ],
)
def test_wrong_headers_are_named(changes: dict[str, str | None], reason: str) -> None:
    headers, data = wire(event_of(AppointmentCancelled), **changes)
    with pytest.raises(MalformedEventError, match=reason):
        parse_headers(headers, data)


@pytest.mark.parametrize("header", ["0196f6a0-0000-7000-8000-000000000001", None])
def test_data_of_another_tenant_than_the_header_names_is_refused(header: str | None) -> None:
    headers, data = wire(event_of(AppointmentCancelled), ce_tenantid=header)
    with pytest.raises(MalformedEventError, match="ce_tenantid is not the tenant of the data"):
        parse_headers(headers, data).event()


def test_a_time_that_has_no_utc_is_refused() -> None:
    headers, data = wire(event_of(AppointmentCancelled))
    assert data is not None
    late = data.replace(b"2026-03-29T01:30:00Z", b"9999-12-31T23:59:59-14:00")
    assert late != data
    with pytest.raises(MalformedEventError, match="starts_at"):
        parse_headers(headers, late).event()


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
