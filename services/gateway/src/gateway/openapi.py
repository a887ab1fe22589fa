"""Merges the services' OpenAPI documents into the platform's one: pure functions, called by gateway.documents.

It has of each service what the gateway routes to it. A component whose name several services use for different
things gets its service's name as a prefix; those that agree are kept once. FastAPI's own form of validation errors,
which no route of ours answers, is replaced by the problems of RFC 9457.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.routing import Access, route

Document = dict[str, Any]

_OPERATIONS = ("get", "put", "post", "delete", "patch", "head", "options")
_FRAMEWORK = frozenset({"HTTPValidationError", "ValidationError"})
_PREFIX = "#/components/"
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_PROBLEM: Document = {
    "title": "Problem",
    "description": "RFC 9457. Every error has this form; `type` leads to an explanation.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, `?name`, `path:name` or `header:name`.",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}
_INTRODUCTION = (
    "Appointments for many businesses. Public routes need no token; the others take "
    "`Authorization: Bearer …` from `POST /v1/sessions`. Errors are problems (RFC 9457), lists are cursor pages "
    "with `Link` headers, creating requests take an `Idempotency-Key`, edits take `If-Match`."
)


def merge(documents: Mapping[str, Document], *, missing: list[str], public_url: str) -> Document:
    """The one document. `missing` are the services whose document could not be had; the answer says so."""
    parts = {service: _routed_part(service, document) for service, document in sorted(documents.items())}
    clashes = _clashes(parts)
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Slotwright", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": public_url}],
        "paths": {},
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "tags": [],
    }
    operation_ids: set[str] = set()
    for service, part in parts.items():
        renamed = {(kind, name): f"{service}_{name}" for kind, name in clashes if name in _names(part, kind)}
        _rename(part, renamed)
        for kind, named in part["components"].items():
            merged["components"].setdefault(kind, {}).update(
                {renamed.get((kind, name), name): value for name, value in named.items()}
            )
        for path, operations in part["paths"].items():
            for operation in _operations(operations):
                _make_unique(operation, service, operation_ids)
            merged["paths"].setdefault(path, {}).update(operations)
        merged["tags"] += [
            {"name": name, "x-service": service}
            for name in sorted(_tags(part))
            if name not in {tag["name"] for tag in merged["tags"]}
        ]
    if missing:
        note = f"\n\nNot complete at the moment: {', '.join(missing)} could not be reached."
        merged["info"]["description"] += note
        merged["x-missing-services"] = missing
    return merged


def _routed_part(service: str, document: Document) -> Document:
    """What of a service's document clients can reach, with problems for its errors; the rest is left out."""
    paths: Document = {}
    for path, item in document.get("paths", {}).items():
        kept = {key: copy.deepcopy(value) for key, value in item.items() if key not in _OPERATIONS}
        for method, operation in item.items():
            if method not in _OPERATIONS:
                continue
            routed = route(method.upper(), path)
            if routed is None or routed.rule.upstream != service or routed.rule.access is Access.PAGE:
                continue
            kept[method] = _with_problems(copy.deepcopy(operation), routed.rule.access)
        if any(method in kept for method in _OPERATIONS):
            paths[path] = kept
    components = {
        kind: {name: copy.deepcopy(value) for name, value in named.items() if name not in _FRAMEWORK}
        for kind, named in document.get("components", {}).items()
    }
    return {"paths": paths, "components": _used(paths, components)}


def _with_problems(operation: Document, access: Access) -> Document:
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    responses["default"] = {
        "description": "Any error, as a problem (RFC 9457).",
        "content": {"application/problem+json": {"schema": _PROBLEM_REF}},
    }
    if access is Access.TOKEN:
        operation["security"] = [{"token": []}]
    return operation


def _used(paths: Document, components: Document) -> Document:
    """The components that the paths reach, directly or through others."""
    found: Document = {}
    waiting = list(_references(paths))
    while waiting:
        kind, name = waiting.pop()
        if name in found.get(kind, {}) or name not in components.get(kind, {}):
            continue
        found.setdefault(kind, {})[name] = components[kind][name]
        waiting += _references(components[kind][name])
    return found


def _clashes(parts: Mapping[str, Document]) -> set[tuple[str, str]]:
    """Components that are not the same in every service that has them, in themselves or in what they refer to."""
    forms: dict[tuple[str, str], set[str]] = {}
    for part in parts.values():
        for kind, named in part["components"].items():
            for name, value in named.items():
                forms.setdefault((kind, name), set()).add(json.dumps(value, sort_keys=True))
    clashes = {key for key, texts in forms.items() if len(texts) > 1}
    # A service's component must not replace the one schema that is the gateway's own.
    clashes |= forms.keys() & {("schemas", "Problem")}
    shared = {
        key for key in forms if sum(key[1] in _names(part, key[0]) for part in parts.values()) > 1
    } - clashes
    grew = True
    while grew:
        grew = False
        for kind, name in sorted(shared - clashes):
            value = next(
                part["components"][kind][name] for part in parts.values() if name in _names(part, kind)
            )
            if clashes.intersection(_references(value)):
                clashes.add((kind, name))
                grew = True
    return clashes


def _names(part: Document, kind: str) -> Document:
    named: Document = part["components"].get(kind, {})
    return named


def _references(node: Any) -> Iterator[tuple[str, str]]:
    """Every component that is referred to, as its kind and name."""
    for value in _reference_values(node):
        kind, _, name = value.removeprefix(_PREFIX).partition("/")
        yield kind, name


def _reference_values(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and value.startswith(_PREFIX):
                yield value
            elif key == "mapping" and isinstance(value, dict):
                yield from (text for text in value.values() if str(text).startswith(_PREFIX))
            else:
                yield from _reference_values(value)
    elif isinstance(node, list):
        for item in node:
            yield from _reference_values(item)


def _rename(node: Any, renamed: Mapping[tuple[str, str], str]) -> None:
    """Points references at the new names, in place; those in a discriminator's mapping too."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value.startswith(_PREFIX):
                kind, _, name = value.removeprefix(_PREFIX).partition("/")
                if (kind, name) in renamed:
                    node[key] = f"{_PREFIX}{kind}/{renamed[kind, name]}"
            else:
                _rename(value, renamed)
    elif isinstance(node, list):
        for item in node:
            _rename(item, renamed)


def _operations(item: Document) -> list[Document]:
    return [operation for method, operation in item.items() if method in _OPERATIONS]


def _tags(part: Document) -> set[str]:
    return {
        tag
        for item in part["paths"].values()
        for operation in _operations(item)
        for tag in operation.get("tags", ())
    }


def _make_unique(operation: Document, service: str, taken: set[str]) -> None:
    name = operation.get("operationId")
    if name is None:
        return
    if name in taken:
        name = operation["operationId"] = f"{service}_{name}"
    taken.add(name)
