"""JSON Schema (2020-12) of every event, and where it travels; the source of all that stands in docs/events.

Called by `contracts.documents` (which writes the files), `contracts.compatibility`'s caller and the tests. A schema
says what a reader of this version accepts: a field with a default may be missing.
"""

import inspect
from typing import Any

from contracts.model import Event, TenantEvent
from contracts.registry import EVENTS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schema(event: type[Event]) -> Schema:
    """One event's schema, with its topic and key under `x-topic` and `x-key`."""
    schema = event.model_json_schema(mode="validation")
    return {
        "$schema": DIALECT,
        "$id": f"urn:slotwright:event:{event.TYPE}",
        "x-topic": event.TOPIC,
        "x-key": key_of(event),
        "description": summary(event),
    } | {name: value for name, value in schema.items() if name != "description"}


def event_schemas() -> dict[str, Schema]:
    """CloudEvents type to schema, of all events."""
    return {event.TYPE: event_schema(event) for event in EVENTS}


def key_of(event: type[Event]) -> str:
    """The form of the Kafka key, for people."""
    if issubclass(event, TenantEvent):
        return "<tenant_id>/<aggregate_id>" if event.key is TenantEvent.key else "<tenant_id>"
    return "<aggregate_id>"


def summary(event: type[Event]) -> str:
    """What the event tells: its docstring's first paragraph, or that of the family it belongs to."""
    for cls in event.__mro__:
        if cls in {Event, TenantEvent}:
            break
        if cls.__doc__:
            return " ".join(inspect.cleandoc(cls.__doc__).split("\n\n")[0].split())
    module = inspect.getmodule(event)
    return " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())
