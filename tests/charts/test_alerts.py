"""What each alert fires on and what it is silent on, by Prometheus' own engine: alerts/<chart>.yaml.

Those files are what `promtool test rules` takes, with `rules.yaml` in place of what their chart renders.
"""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.cluster import run
from support.charts import HERE, ROOT, Body, needed, objects, render

_FILES = sorted((HERE / "alerts").glob("*.yaml"))
_ON = {"metrics": {"prometheusRule": {"enabled": True}}}


def _groups(chart: str) -> list[Body]:
    bodies = objects(render(chart, needed(chart), _ON))
    (groups,) = [body["spec"]["groups"] for body in bodies if body["kind"] == "PrometheusRule"]
    return [dict(group) for group in groups]


def _alerts(chart: str) -> set[str]:
    return {rule["alert"] for group in _groups(chart) for rule in group["rules"]}


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_alerts_fire_on_what_they_are_for_and_on_nothing_else(file: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": _groups(file.stem)}), "utf-8")
    (tmp_path / file.name).write_text(file.read_text("utf-8"), "utf-8")
    run("promtool", "test", "rules", str(tmp_path / file.name))


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(file: Path) -> None:
    cases = [case for test in _read(file)["tests"] for case in test["alert_rule_test"]]
    for alert in _alerts(file.stem):
        assert {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert} == {True, False}, (
            alert
        )


def test_every_alert_of_any_service_is_one_of_those() -> None:
    """Booking has all that a service can have; what the others have differs by their names alone."""
    everything = objects(render("slotwright", HERE / "values" / "production.yaml"))
    groups = [body["spec"]["groups"] for body in everything if body["kind"] == "PrometheusRule"]
    found = {rule["alert"] for group in chain.from_iterable(groups) for rule in group["rules"]}
    assert found == {alert for file in _FILES for alert in _alerts(file.stem)}


def test_every_alert_stands_in_the_docs() -> None:
    told = (ROOT / "docs" / "install.md").read_text("utf-8") + (ROOT / "docs" / "tenants.md").read_text(
        "utf-8"
    )
    assert [
        alert for file in _FILES for alert in sorted(_alerts(file.stem)) if f"`{alert}`" not in told
    ] == []


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return found
