"""What the tests of the charts need, which `make init` does not bring: `make test` leaves this folder out."""

import shutil

import pytest

_TOOLS = ("helm", "helm-unittest", "helm-docs", "kubectl", "promtool")


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    """Ends the whole run with one line: a test that is left out because a tool is missing proves nothing."""
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    if missing:
        pytest.exit(f"tests/charts needs {', '.join(missing)} on PATH: docs/develop.md says how.", 1)
