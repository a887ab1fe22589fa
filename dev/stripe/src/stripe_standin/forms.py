"""Form encoding as Stripe reads it: `items[0][price]=…&metadata[tenant_id]=…&expand[]=…`.

Values stay strings: the parameter models convert them. Used by the app for bodies and query strings.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from stripe_standin.errors import ApiError

_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH = 8


def parse_form(encoded: str) -> dict[str, Any]:
    """Nested dicts, and lists where every key of a level is a number or empty. Raises ApiError."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        match = _NAME.match(name)
        if match is None:
            raise ApiError(f"Invalid parameter name: {name}", param=name)
        path = [match[1], *_PART.findall(match[2])]
        if len(path) > _MAX_DEPTH:
            raise ApiError(f"Parameter is nested too deeply: {name}", param=name)
        _put(root, path, value, name)
    return {key: _lists(value) for key, value in root.items()}


def _put(level: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for index, part in enumerate(path):
        key = part or str(len(level))
        if index == len(path) - 1:
            level[key] = value
            return
        below = level.setdefault(key, {})
        if not isinstance(below, dict):
            raise ApiError(f"Invalid parameter, given both as a value and an object: {name}", param=name)
        level = below


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    converted = {key: _lists(item) for key, item in value.items()}
    if converted and all(key.isdigit() for key in converted):
        return [converted[key] for key in sorted(converted, key=int)]
    return converted


def bracketed(location: tuple[int | str, ...]) -> str:
    """A parameter's name as Stripe writes it in `param`."""
    first, *rest = location
    return str(first) + "".join(f"[{part}]" for part in rest)
