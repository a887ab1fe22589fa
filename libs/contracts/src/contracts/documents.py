"""Everything in docs/events as text, made from the models: schemas, the AsyncAPI document, the index page.

Called by `python -m contracts` and by the test that keeps the committed files true.
"""

import json
from pathlib import PurePosixPath
from typing import Any

from pydantic.json_schema import models_json_schema

from contracts.model import Event
from contracts.registry import EVENTS
from contracts.schemas import event_schemas, key_of, summary
from contracts.topics import ALL_TOPICS, TOPICS, Topic

Documents = dict[PurePosixPath, str]

_TENANT_TOPIC = "tenant.{slug}.events.v1"
_TENANT_EVENTS = (
    "booking.appointment.v1",
    "booking.waitlist.v1",
    "notification.message.v1",
    "billing.subscription.v1",
)
_TITLE = "Slotwright events"


def documents() -> Documents:
    """Path below docs/events to the file's whole text."""
    files = {
        PurePosixPath("schemas", f"{event_type}.json"): _json(schema)
        for event_type, schema in event_schemas().items()
    }
    files[PurePosixPath("asyncapi.json")] = _json(asyncapi())
    files[PurePosixPath("README.md")] = index()
    return files


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: topics, who writes and reads them, messages with their CloudEvents headers."""
    _map, schemas = models_json_schema(
        [(event, "validation") for event in EVENTS], ref_template="#/components/schemas/{model}"
    )
    channels = {topic.name: _channel(topic) for topic in TOPICS} | {_TENANT_TOPIC: _tenant_channel()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": _TITLE,
            "version": "1",
            "description": "CloudEvents 1.0 in binary mode on Kafka. Readers ignore fields they do not know; "
            "delivery is at least once, in order within a key; a reader drops repeats by `ce_id`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": _operations(),
        "components": {
            "messages": {event.TYPE: _message(event) for event in EVENTS},
            "messageTraits": {"cloudEvent": {"headers": _headers(), "contentType": "application/json"}},
            "schemas": schemas["$defs"],
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "messages": {e.TYPE: {"$ref": f"#/components/messages/{e.TYPE}"} for e in topic.events},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": _topic_configuration(topic),
                "bindingVersion": "0.5.0",
            }
        },
    }


def _topic_configuration(topic: Topic) -> dict[str, Any]:
    return {
        name: [value] if name == "cleanup.policy" else int(value) for name, value in topic.config().items()
    }


def _tenant_channel() -> dict[str, Any]:
    return {
        "address": _TENANT_TOPIC,
        "description": "The business's own copy of its events, which it reads with its own user.",
        "parameters": {"slug": {"description": "The Tenant's name."}},
        "messages": {
            e.TYPE: {"$ref": f"#/components/messages/{e.TYPE}"} for e in EVENTS if e.TOPIC in _TENANT_EVENTS
        },
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in TOPICS:
        for action, verb, names in (
            ("send", "publishes", topic.publishers),
            ("receive", "reads", topic.readers),
        ):
            for name in sorted(names):
                operations[f"{name}.{verb}.{topic.name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "summary": f"{name} {verb} {topic.name}.",
                }
    return operations


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": summary(event),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": key_of(event)}, "bindingVersion": "0.5.0"}
        },
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": text | {"description": "Unique; a message that comes twice has it twice."},
            "ce_source": text | {"description": "The publishing service."},
            "ce_type": text,
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_subject": text | {"description": "The Kafka key."},
            "ce_tenantid": {"type": "string", "format": "uuid"},
            "traceparent": text | {"description": "W3C trace context."},
            "content-type": text | {"description": "Absent from a tombstone."},
        },
    }


def index() -> str:
    """The page that a person reads first."""
    lines = [
        f"# {_TITLE}",
        "",
        "<!-- Written by `python -m contracts docs/events`; edit libs/contracts instead. -->",
        "",
        "What Slotwright's parts tell each other over Kafka, and what a business reads from its own topic:",
        "[CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md)",
        "in binary mode, so the attributes are headers (`ce_id`, `ce_type`, `ce_time`, `ce_source`,",
        "`ce_subject`, `ce_tenantid`, and `traceparent`) and the value is the JSON object alone.",
        "",
        "- Delivery is at least once: drop repeats by `ce_id`.",
        "- Order holds within a key. Later records of an aggregate carry a higher `version` or `generation`.",
        "- Ignore fields and types that you do not know; publishers may add some. A change that would break a",
        "  reader becomes a new type, `….v2`, beside the old one.",
        "- A person's name, address and number travel only in compacted topics, where a tombstone (no value)",
        "  erases them; everything else carries ids and times.",
        "",
        "[`asyncapi.json`](asyncapi.json) is the AsyncAPI 3 document of all of this,",
        "[`schemas/`](schemas) has a JSON Schema for each event, and [`released/`](released) the schemas that",
        "the last release promised.",
        "",
        "## Topics",
        "",
        "| topic | kept | partitions | written by | read by |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{topic.name}` | {_kept(topic)} | {topic.partitions} | {_names(topic.publishers)} "
        f"| {_names(topic.readers)} |"
        for topic in ALL_TOPICS
    ]
    lines += [
        f"| `{_TENANT_TOPIC}` | as the Tenant says | as the Tenant says | booking, notification, billing "
        "| the business itself |",
        "| `tenant.{slug}.dlq.v1` | as the Tenant says | 1 | the business itself | the business itself |",
        "",
        f"`{_TENANT_TOPIC}` holds the events of {_list(_TENANT_EVENTS)} that are the business's own.",
    ]
    for topic in TOPICS:
        lines += ["", f"## {topic.name}"]
        for event in topic.events:
            lines += ["", *_section(event)]
    return "\n".join(lines) + "\n"


def _section(event: type[Event]) -> list[str]:
    schema = event.model_json_schema(mode="validation")
    required = set(schema.get("required", ()))
    lines = [
        f"### {event.TYPE}",
        "",
        f"{summary(event)} Key: `{key_of(event)}`. [Schema](schemas/{event.TYPE}.json).",
        "",
        "| field | type | always there | |",
        "|---|---|---|---|",
    ]
    for name, field in schema["properties"].items():
        words = " ".join(str(field.get("description", "")).split())
        always = "yes" if name in required else "no"
        lines.append(f"| `{name}` | {_type(field)} | {always} | {words} |")
    return lines


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in field:
        return " or ".join(_type(item) for item in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    return str(field.get("format") or field.get("type", "any"))


def _kept(topic: Topic) -> str:
    return "compacted" if topic.retention_hours is None else f"{topic.retention_hours // 24} days"


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _list(names: tuple[str, ...]) -> str:
    return f"{', '.join(f'`{name}`' for name in names[:-1])} and `{names[-1]}`"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
