"""contracts stays light: anyone who reads the events can depend on it, with pydantic alone."""

import ast
import sys
from pathlib import Path

import contracts

ALLOWED = sys.stdlib_module_names | {"contracts", "pydantic"}


def test_contracts_imports_pydantic_only() -> None:
    (folder,) = contracts.__path__
    for path in Path(folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= ALLOWED, path
