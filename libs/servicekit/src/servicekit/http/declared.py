"""Refuses what a route does not take: query parameters it does not name, a body where it has none, and control
characters in its path and query, which no name of ours holds and PostgreSQL would not store.

FastAPI checks what a route declares and passes over the rest; a misspelt filter would answer everything. What is
declared is read from the app's own OpenAPI document, so that it can be no other list than the published one.
servicekit.http.routes puts `refuse_undeclared` before every route of a router that stands in the document.
"""

import json
from itertools import islice
from typing import Any

from fastapi import Request

from servicekit.errors import FieldError, Invalid
from servicekit.http.models import control_character_fault
from servicekit.http.problems import MAX_FIELD_ERRORS, pointer

_WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})
"""The methods whose body is checked. In others a body has no meaning (RFC 9110 §9.3), and is ignored."""


async def refuse_undeclared(request: Request) -> None:
    """A dependency. Raises Invalid naming each parameter or field."""
    operation = _operation(request)
    if operation is None:
        return
    known = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"}
    errors = [
        FieldError(f"?{name}", "is not a parameter here")
        for name in dict.fromkeys(request.query_params)
        if name not in known
    ]
    given = [("path:", name, value) for name, value in request.path_params.items()]
    given += [("?", name, value) for name, value in request.query_params.multi_items() if name in known]
    errors += [
        FieldError(f"{place}{name}", fault)
        for place, name, value in given
        if (fault := control_character_fault(value)) is not None
    ]
    if request.method in _WITH_BODIES and "requestBody" not in operation:
        errors += _unwanted(await request.body())
    if errors:
        errors = errors[:MAX_FIELD_ERRORS]
        raise Invalid(
            "; ".join(f"{item.pointer}: {item.detail}" for item in errors[:5]), errors=tuple(errors)
        )


def _operation(request: Request) -> dict[str, Any] | None:
    """What the document says of this route; None for a page, which is not in it."""
    paths = request.app.openapi()["paths"]
    found: dict[str, Any] | None = paths.get(request.scope["route"].path_format, {}).get(
        request.method.lower()
    )
    return found


def _unwanted(body: bytes) -> list[FieldError]:
    """The faults of a body where none is taken. `{}` is none: some clients always send some JSON."""
    if not body.strip():
        return []
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        return [FieldError(pointer(name), "is not a field here") for name in islice(fields, MAX_FIELD_ERRORS)]
    return [FieldError("/", "this request takes no body")]
