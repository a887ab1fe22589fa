"""The compatibility check finds what breaks a reader, and lets pass what does not.

Each case mutates a real schema. The second half proves the check against pydantic itself: what it calls a break
makes some reader refuse some message.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model

from contracts.compatibility import breaks
from contracts.schemas import event_schemas

Schema = dict[str, Any]
Mutation = Callable[[Schema], object]

BOOKED = "booking.appointment.booked.v1"
SUPPRESSED = "notification.message.suppressed.v1"
TENANT = "platform.tenant.changed.v1"


def found(event_type: str, mutate: Mutation) -> list[str]:
    released = {event_type: event_schemas()[event_type]}
    current = copy.deepcopy(released)
    mutate(current[event_type])
    return [str(item) for item in breaks(released, current)]


def optional_field(schema: Schema) -> None:
    schema["properties"]["room"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def reworded(schema: Schema) -> None:
    schema["description"] = "Other words."
    schema["properties"]["version"]["title"] = "Revision"


@pytest.mark.parametrize("mutate", [lambda schema: None, optional_field, reworded])
def test_what_breaks_nobody_passes(mutate: Mutation) -> None:
    assert found(BOOKED, mutate) == []


def new_required(schema: Schema) -> None:
    schema["properties"]["room"] = {"type": "string"}
    schema["required"].append("room")


BREAKING: list[tuple[str, str, Mutation, str]] = [
    ("removed field", BOOKED, lambda s: s["properties"].pop("price"), "/price: the field was removed"),
    (
        "retyped field",
        BOOKED,
        lambda s: s["properties"]["version"].update(type="string"),
        "/version: the type",
    ),
    (
        "other format",
        BOOKED,
        lambda s: s["properties"]["starts_at"].update(format="date"),
        "/starts_at: format changed",
    ),
    (
        "no more format",
        BOOKED,
        lambda s: s["properties"]["service_id"].pop("format"),
        "/service_id: format changed",
    ),
    ("new required field", BOOKED, new_required, "/room: a new field is required"),
    ("required is optional", BOOKED, lambda s: s["required"].remove("starts_at"), "may be missing now"),
    ("optional is required", BOOKED, lambda s: s["required"].append("price"), "is required now"),
    (
        "enum value removed",
        BOOKED,
        lambda s: s["properties"]["source"]["enum"].remove("waitlist"),
        "'waitlist' was removed",
    ),
    (
        "enum value added",
        SUPPRESSED,
        lambda s: s["properties"]["reason"]["enum"].append("holiday"),
        "'holiday' was added",
    ),
    ("tighter bound", BOOKED, lambda s: s["properties"]["version"].update(minimum=2), "minimum changed"),
    ("null taken away", BOOKED, lambda s: s["properties"]["price"]["anyOf"].pop(), "null is no longer"),
    (
        "null added",
        SUPPRESSED,
        lambda s: s["properties"].update(
            message_id={"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
        ),
        "null may come now",
    ),
    (
        "change in a nested record",
        TENANT,
        lambda s: s["$defs"]["Owner"]["properties"].pop("email"),
        "/owner/email: the field was removed",
    ),
    (
        "change below an alternative",
        BOOKED,
        lambda s: s["$defs"]["Money"]["properties"]["amount"].update(type="number"),
        "/price/amount: the type",
    ),
    (
        "change of a map's values",
        TENANT,
        lambda s: s["properties"]["features"]["additionalProperties"].update(type="string"),
        "/features/*: the type",
    ),
    (
        "change of a list's items",
        BOOKED,
        lambda s: s["properties"]["staff_ids"]["items"].update(type="integer"),
        "/staff_ids/[]: the type",
    ),
    (
        "other default",
        TENANT,
        lambda s: s["properties"]["deletion_policy"].update(default="Delete"),
        "default changed",
    ),
    ("other topic", BOOKED, lambda s: s.update({"x-topic": "elsewhere.v1"}), "x-topic changed"),
]


@pytest.mark.parametrize(
    ("event_type", "mutate", "expected"), [case[1:] for case in BREAKING], ids=[case[0] for case in BREAKING]
)
def test_what_breaks_a_reader_is_named(event_type: str, mutate: Mutation, expected: str) -> None:
    faults = found(event_type, mutate)
    assert len(faults) == 1, faults
    assert expected in faults[0]


def test_a_removed_event_is_named() -> None:
    released = event_schemas()
    current = {name: schema for name, schema in released.items() if name != BOOKED}
    assert [item.event_type for item in breaks(released, current)] == [BOOKED]


def test_a_new_event_is_welcome() -> None:
    current = event_schemas()
    released = {name: schema for name, schema in current.items() if name != BOOKED}
    assert breaks(released, current) == []


def model(**fields: Any) -> type[BaseModel]:
    return create_model("Reader", **fields)


Text = (str, ...)


@pytest.mark.parametrize(
    ("old", "new", "message", "direction"),
    [
        pytest.param(model(a=Text), model(a=Text, b=Text), {"a": "x"}, "backward", id="new-required"),
        pytest.param(model(a=Text, b=Text), model(a=Text), {"a": "x"}, "forward", id="removed"),
        pytest.param(model(a=(int, ...)), model(a=(bool, ...)), {"a": 7}, "backward", id="retyped"),
        pytest.param(model(a=Text), model(a=(str | None, ...)), {"a": None}, "forward", id="null-may-come"),
        pytest.param(model(a=(str | None, ...)), model(a=Text), {"a": None}, "backward", id="null-gone"),
    ],
)
def test_what_is_called_a_break_is_one(
    old: type[BaseModel], new: type[BaseModel], message: dict[str, object], direction: str
) -> None:
    writer, reader = (old, new) if direction == "backward" else (new, old)
    TypeAdapter(writer).validate_python(message)
    with pytest.raises(ValidationError):
        TypeAdapter(reader).validate_python(message)
    assert breaks({"e": old.model_json_schema()}, {"e": new.model_json_schema()})
