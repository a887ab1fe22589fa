"""`make settings`: writes the tables of docs/settings.md from the settings classes; nobody keeps a second copy.

What stands between the tables is written by hand. A test fails when a table is not what this would write.
"""

import ast
import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from devstack.cluster import ROOT
from devstack.services import HTTP_SERVICES
from servicekit.mail import SmtpSettings
from servicekit.outbound import OutboundSettings
from servicekit.settings import DatabaseSettings, KafkaSettings, Settings, TokenSettings

FILE = ROOT / "docs" / "settings.md"
SHARED: dict[str, type[BaseSettings]] = {
    "database": DatabaseSettings,
    "Kafka": KafkaSettings,
    "tokens": TokenSettings,
    "mail": SmtpSettings,
    "outgoing calls": OutboundSettings,
}
"""What several parts take beside `Settings`, as the page calls it."""
PARTS = {name: name for name in ("gateway", *HTTP_SERVICES)} | {"operator": "tenant_operator"}
"""The parts with their packages."""
_UNITS = {
    "seconds": "seconds",
    "timeout": "seconds",
    "minutes": "minutes",
    "days": "days",
    "bytes": "bytes",
    "minute": "so many a minute",
    "second": "so many a second",
}
"""By the last word of a setting's name."""
_TABLE = re.compile(r"(<!-- settings of (.+?) -->\n\n).*?(\n<!-- end -->)", re.DOTALL)


def settings_of(part: str) -> type[Settings]:
    """A part's own class, which derives from Settings."""
    kind: type[Settings] = import_module(f"{PARTS[part]}.app").SERVICE.settings
    return kind


@cache
def shared_by(part: str) -> tuple[str, ...]:
    """Which of SHARED a part reads: those whose class one of its modules imports."""
    package: ModuleType = import_module(PARTS[part])
    folder = Path(package.__path__[0])
    names = {
        alias.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return tuple(name for name, kind in SHARED.items() if kind.__name__ in names)


def own_fields(part: str) -> dict[str, FieldInfo]:
    """What only this part takes, or few do."""
    common = Settings.model_fields
    return {name: each for name, each in settings_of(part).model_fields.items() if name not in common}


def tables() -> dict[str, str]:
    """Each table by its name in the page."""
    found = {"parts": _parts(), "every part": _table(Settings, Settings.model_fields)}
    found |= {name: _table(kind, kind.model_fields) for name, kind in SHARED.items()}
    own = {part: own_fields(part) for part in PARTS}
    return found | {part: _table(settings_of(part), fields) for part, fields in own.items() if fields}


def written(page: str) -> str:
    """The page with its tables as they should be. Raises ValueError where one is missing, or is of nothing."""
    wanted = tables()
    there = [name for _, name, _ in _TABLE.findall(page)]
    if sorted(there) != sorted(wanted):
        raise ValueError(f"{FILE.name} has tables of {sorted(there)}, and there are {sorted(wanted)}")
    return _TABLE.sub(lambda found: found[1] + wanted[found[2]] + found[3], page)


def variable(kind: type[BaseSettings], name: str) -> str:
    """The environment variable of a setting."""
    return f"{kind.model_config['env_prefix']}{name}".upper()


def _parts() -> str:
    rows = (
        (part, ", ".join((*shared_by(part), *(["its own"] if own_fields(part) else [])))) for part in PARTS
    )
    return _rows(("part", "takes, beside what every part takes"), rows)


def _table(kind: type[BaseSettings], fields: dict[str, FieldInfo]) -> str:
    rows = (
        (f"`{variable(kind, name)}`", _values(name, field), _default(field), field.description or "")
        for name, field in fields.items()
    )
    return _rows(("variable", "values", "default", "what it is for"), rows)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "must be set"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "–"
    if isinstance(value, list | tuple):
        value = list(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(name: str, field: FieldInfo) -> str:
    (kind,) = (each for each in _alternatives(field.annotation) if each is not NoneType)
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind is SecretStr:
        return f"secret{_range(field)}"
    if kind in {int, float}:
        return f"{_UNITS.get(name.rsplit('_', 1)[-1], 'a number')}{_range(field)}"
    if origin is dict:
        return "JSON object"
    return "JSON array" if origin in {list, tuple} else "text"


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union, without what is said of them."""
    members = get_args(kind) if NoneType in get_args(kind) else (kind,)
    return tuple(get_args(each)[0] if hasattr(each, "__metadata__") else each for each in members)


def _range(field: FieldInfo) -> str:
    """The limits that pydantic keeps of a field, in words."""
    told = {
        "min_length": "{} characters or more",
        "ge": "{} or more",
        "gt": "more than {}",
        "le": "{} at most",
    }
    found = (
        words.format(getattr(limit, name))
        for limit in field.metadata
        for name, words in told.items()
        if getattr(limit, name, None) is not None
    )
    return "".join(f", {each}" for each in found)


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text("utf-8")), "utf-8")
