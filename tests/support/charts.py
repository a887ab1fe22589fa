"""Our charts as Helm renders them, for tests/charts; `make charts-golden` runs it to write the golden renders."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devstack.cluster import NAMESPACE, run

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
HERE = ROOT / "tests" / "charts"
GOLDEN = HERE / "golden"
SERVICES = sorted(path.parent.parent.name for path in CHARTS.glob("*/charts/servicelib"))
"""The charts that are made of servicelib."""
ALL = sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml"))

Body = dict[str, Any]
Values = Mapping[str, Any]

NEEDED: Values = {
    "publicUrl": "https://booking.example.com",
    "database": {"host": "db.example.com"},
    "kafka": {"bootstrap": "kafka.example.com:9093"},
    "smtp": {"host": "mail.example.com"},
}
"""What a service's chart must be told."""
SHARED: Values = {"global": {"slotwright": NEEDED}}
"""What the chart of all must be told."""

CASES: Mapping[str, tuple[str, Path | Values]] = {
    "kind-platform": ("slotwright", ROOT / "dev" / "cluster" / "platform.yaml"),
    "kind-backing": ("backing", ROOT / "dev" / "cluster" / "backing.yaml"),
    "production": ("slotwright", HERE / "values" / "production.yaml"),
    "booking": ("booking", NEEDED),
    "crds": ("crds", {}),
}
"""The golden renders: chart and values."""


def needed(chart: str) -> Values:
    """The least values with which the chart renders."""
    if chart in SERVICES:
        return NEEDED
    return SHARED if chart == "slotwright" else {}


def render(chart: str, *values: Path | Values) -> str:
    """What `helm template` prints. Raises ClusterError with Helm's complaint."""
    release = chart if chart in {"backing", "crds"} else "slotwright"
    given = merged(*(each for each in values if not isinstance(each, Path)))
    files = [f"--values={each}" for each in values if isinstance(each, Path)]
    # Of our own: what a render is must not depend on the Helm that makes it.
    where = ("--namespace", NAMESPACE, "--kube-version", "1.34.3")
    return run(
        "helm",
        "template",
        release,
        str(CHARTS / chart),
        *where,
        *files,
        "--values=-",
        given=json.dumps(given),
    )


def objects(text: str) -> list[Body]:
    """The Kubernetes objects of a render."""
    # The loader in C: the one in Python takes seconds for the platform.
    return [body for body in yaml.load_all(text, yaml.CSafeLoader) if body]


def merged(*values: Values) -> dict[str, Any]:
    """Values over values, as Helm puts them: maps are merged, all else is replaced."""
    result: dict[str, Any] = {}
    for each in values:
        for key, value in each.items():
            below = result.get(key)
            if isinstance(value, Mapping) and isinstance(below, Mapping):
                value = merged(below, value)  # noqa: PLW2901
            result[key] = value
    return result


if __name__ == "__main__":
    for name, (chart, values) in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(render(chart, values), "utf-8")
