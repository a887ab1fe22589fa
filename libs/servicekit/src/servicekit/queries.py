"""Named SQL: a service's statements stand in `queries.sql` beside its store, each under `-- name: …`.

-- name: staff_by_id
-- One staff member; deleted ones too, as old appointments name them.
SELECT … WHERE tenant_id = app_tenant() AND staff_id = %(staff_id)s
"""

import re
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)


def values_of(item: "DataclassInstance") -> dict[str, Any]:
    """A dataclass's fields by name, as a statement's values. dataclasses.asdict copies each of them, and slowly."""
    return {field.name: getattr(item, field.name) for field in fields(item)}


class Queries:
    """The statements of one file, as attributes; bytes, which psycopg takes where a literal is asked for."""

    def __init__(self, package: str, filename: str = "queries.sql") -> None:
        text = files(package).joinpath(filename).read_text("utf-8")
        parts = _NAME.split(text)
        names = parts[1::2]
        if len(set(names)) != len(names):
            raise ValueError(f"{package}/{filename} names a query twice")
        self._source = f"{package}/{filename}"
        self._statements = {
            name: body.strip().encode() for name, body in zip(names, parts[2::2], strict=True)
        }

    def __getattr__(self, name: str) -> bytes:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no query named {name!r}") from None
