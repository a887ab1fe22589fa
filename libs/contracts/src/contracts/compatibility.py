"""Whether a change of an event's schema breaks somebody who reads it; run by `python -m contracts … --check`.

Two promises are held, since messages and programs of both versions live side by side:
- backward: today's readers understand every message written by the released version (topics keep messages for
  days, compacted ones for good);
- forward: readers of the released version, a business's own among them, understand every message written today.

What may change: a field with a default may be added, an event type may be added, words may change. Whatever else
is wanted is a new version of the event beside the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_WORDS = frozenset({"title", "description", "examples", "$schema", "$id", "$comment", "deprecated"})
_STRUCTURE = frozenset({"properties", "required", "$defs", "enum", "anyOf", "items", "additionalProperties"})


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that would break a reader: where, and who it would break."""

    event_type: str
    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.event_type}{self.path}: {self.detail}"


def breaks(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[Break]:
    """Everything in `current` that breaks a promise made by `released`; both map event types to schemas."""
    found: list[Break] = []
    for event_type, old in released.items():
        new = current.get(event_type)
        if new is None:
            found.append(Break(event_type, "", "the event is gone; its readers wait for it"))
            continue
        comparison = _Comparison(event_type, old, new)
        comparison.compare("", old, new)
        found.extend(comparison.found)
    return found


class _Comparison:
    """Walks two versions of one schema side by side."""

    def __init__(self, event_type: str, old_root: Schema, new_root: Schema) -> None:
        self._event_type = event_type
        self._old_root = old_root
        self._new_root = new_root
        self.found: list[Break] = []

    def _add(self, path: str, detail: str) -> None:
        self.found.append(Break(self._event_type, path, detail))

    def compare(self, path: str, old: Schema, new: Schema) -> None:
        old, new = _resolved(self._old_root, old), _resolved(self._new_root, new)
        if "anyOf" in old or "anyOf" in new:
            self._alternatives(path, old, new)
            return
        if old.get("type") != new.get("type"):
            self._add(path, f"the type changed from {old.get('type')} to {new.get('type')}")
            return
        self._keywords(path, old, new)
        self._values(path, old, new)
        self._properties(path, old, new)
        for keyword in ("items", "additionalProperties"):
            before, after = old.get(keyword), new.get(keyword)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                self.compare(f"{path}/{'*' if keyword == 'additionalProperties' else '[]'}", before, after)
            elif before != after:
                self._add(path, f"{keyword} changed")

    def _keywords(self, path: str, old: Schema, new: Schema) -> None:
        for keyword in sorted((old.keys() | new.keys()) - _WORDS - _STRUCTURE):
            before, after = old.get(keyword), new.get(keyword)
            if before != after:
                self._add(path, f"{keyword} changed from {before!r} to {after!r}")

    def _values(self, path: str, old: Schema, new: Schema) -> None:
        before, after = old.get("enum"), new.get("enum")
        if before is None or after is None:
            if before != after:
                self._add(path, "the list of allowed values came or went")
            return
        for value in before:
            if value not in after:
                self._add(path, f"the value {value!r} was removed; released messages hold it")
        for value in after:
            if value not in before:
                self._add(path, f"the value {value!r} was added; released readers refuse it")

    def _properties(self, path: str, old: Schema, new: Schema) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            if name not in after:
                self._add(f"{path}/{name}", "the field was removed; released readers look for it")
                continue
            if name in required_before and name not in required_after:
                self._add(f"{path}/{name}", "the field may be missing now; released readers require it")
            if name in required_after and name not in required_before:
                self._add(f"{path}/{name}", "the field is required now; released messages may lack it")
            self.compare(f"{path}/{name}", before[name], after[name])
        for name in after:
            if name not in before and name in required_after:
                self._add(f"{path}/{name}", "a new field is required; released messages lack it")

    def _alternatives(self, path: str, old: Schema, new: Schema) -> None:
        self._keywords(path, _outside(old), _outside(new))
        before = [_resolved(self._old_root, item) for item in old.get("anyOf", [old])]
        after = [_resolved(self._new_root, item) for item in new.get("anyOf", [new])]
        by_type_before = {str(item.get("type")): item for item in before}
        by_type_after = {str(item.get("type")): item for item in after}
        if len(by_type_before) < len(before) or len(by_type_after) < len(after):
            if before != after:  # alternatives of one type cannot be matched up: any change counts
                self._add(path, "the alternatives changed")
            return
        for kind, item in by_type_before.items():
            if kind in by_type_after:
                self.compare(path, item, by_type_after[kind])
            else:
                self._add(path, f"{kind} is no longer accepted; released messages hold it")
        for kind in by_type_after.keys() - by_type_before.keys():
            self._add(path, f"{kind} may come now; released readers refuse it")


def _resolved(root: Schema, schema: Schema) -> Schema:
    """Follows `$ref`; what stands beside it (a description, a default) stays."""
    while "$ref" in schema:
        target: Schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _outside(schema: Schema) -> Schema:
    """What stands beside the alternatives; for a schema without any, its default alone."""
    if "anyOf" in schema:
        return schema
    return {name: value for name, value in schema.items() if name == "default"}
