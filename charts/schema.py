"""Writes each chart's values.schema.json: what servicelib's schema allows, and what the chart has beside it.

`make charts` runs it; a test fails when a schema is not what it would write. Helm resolves no reference from one
chart's schema to another's, so each carries the whole.
"""

import json
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parent
PLATFORM = "slotwright"
_SHARED = (
    "publicUrl",
    "jwksUrl",
    "logLevel",
    "otlpEndpoint",
    "image",
    "database",
    "kafka",
    "smtp",
    "migrations",
    "roles",
    "replicas",
    "topologySpread",
    "networkPolicy",
    "metrics",
    "development",
    "drainSeconds",
    "platform",
    "autoscaling",
    "podDisruptionBudget",
    "nodeSelector",
    "tolerations",
    "priorityClassName",
    "resources",
)
"""What may stand under `global.slotwright`."""


def services() -> list[str]:
    """The charts that are servicelib's one include."""
    return sorted(path.parent.parent.name for path in CHARTS.glob("*/charts/servicelib"))


def schema_of(name: str) -> dict[str, Any]:
    """A service's schema."""
    schema = _base()
    values = yaml.safe_load((CHARTS / name / "values.yaml").read_text("utf-8"))
    properties = schema["properties"]
    known = {key: {"$ref": "#/definitions/secret"} for key in values.get("secrets", {})}
    properties["secrets"] = {"type": "object", "additionalProperties": False, "properties": known}
    for key, value in values.items():
        if key not in properties:
            properties[key] = {"type": _type(value)}
    properties["enabled"] = {"type": "boolean", "description": "Whether the umbrella chart installs it."}
    properties["servicelib"] = {"type": "object"}
    properties["global"] = _global("#/properties")
    return {**schema, "title": f"Values of {name}"}


def umbrella_schema() -> dict[str, Any]:
    """The schema of the chart of all; each service's own values are checked by its own schema."""
    base = _base()
    parts = {name: {"type": "object"} for name in services()}
    return {
        "$schema": base["$schema"],
        "title": f"Values of {PLATFORM}",
        "type": "object",
        "additionalProperties": False,
        "properties": {"global": _global("#/definitions/service"), **parts},
        "definitions": {**base["definitions"], "service": {key: base["properties"][key] for key in _SHARED}},
    }


def plain_schema(name: str) -> dict[str, Any]:
    """The schema of a chart without servicelib: what its values are by default is what they may be."""
    values = yaml.safe_load((CHARTS / name / "values.yaml").read_text("utf-8"))
    head = {"$schema": _base()["$schema"], "title": f"Values of {name}"}
    # Helm gives every chart the globals.
    schema = _like(values)
    return {**head, **schema, "properties": {**schema["properties"], "global": {"type": "object"}}}


def _like(value: object, key: str = "") -> dict[str, Any]:
    """The schema of values like this one."""
    if key == "resources":
        return {"type": "object"}
    if key == "nodePort":
        return {"type": "integer", "anyOf": [{"const": 0}, {"minimum": 30000, "maximum": 32767}]}
    if isinstance(value, dict):
        properties = {name: _like(each, name) for name, each in value.items()}
        return {"type": "object", "additionalProperties": False, "properties": properties}
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "string", "minLength": 1}}
    return {"type": _type(value)}


def _global(where: str) -> dict[str, Any]:
    shared = {key: {"$ref": f"{where}/{key}"} for key in _SHARED}
    return {
        "type": "object",
        "properties": {PLATFORM: {"type": "object", "additionalProperties": False, "properties": shared}},
    }


def _base() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHARTS / "servicelib" / "values.schema.json").read_text("utf-8"))
    return found


def _type(value: object) -> str:
    return {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}[type(value)]


def written() -> dict[Path, str]:
    """Each file with what it should hold."""
    schemas = {name: schema_of(name) for name in services()} | {PLATFORM: umbrella_schema()}
    schemas |= {name: plain_schema(name) for name in ("backing", "crds")}
    return {
        CHARTS / name / "values.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas.items()
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, "utf-8")
