"""A sample of any event, made from its published schema; for tests that must not miss one."""

from typing import Any
from uuid import UUID

from contracts.model import Event
from contracts.schemas import event_schema

_TEXTS = {
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
            value = _TEXTS.get(schema.get("format", ""), plain)
        case {"type": "integer"}:
            value = schema.get("minimum", 3)
        case _:
            value = True
    return value


def event_of(model: type[Event], **fields: Any) -> Event:
    """The sample, with some fields of the caller's."""
    schema = event_schema(model)
    return model.model_validate(sample(schema, schema) | fields)
