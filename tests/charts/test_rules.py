"""Alerts are queries that Prometheus can run, on metrics and labels that the code exports."""

import re
from typing import TypeVar

import promql_parser
import pytest
from prometheus_client.metrics import MetricWrapperBase

from servicekit import metrics
from support.charts import HERE, SERVICES, Body, objects, render
from tenant_operator import metrics as operator_metrics

_FROM_PROMETHEUS = {"namespace", "pod"}
"""Labels that Prometheus puts to a pod's samples."""
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_Node = TypeVar("_Node", bound=promql_parser.Expr)


@pytest.fixture(scope="module", params=["production", "everything"])
def rules(request: pytest.FixtureRequest) -> list[Body]:
    found = [
        rule
        for body in objects(render("slotwright", HERE / "values" / f"{request.param}.yaml"))
        if body["kind"] == "PrometheusRule"
        for group in body["spec"]["groups"]
        for rule in group["rules"]
    ]
    assert {"SlotwrightServerErrors", "SlotwrightConsumerBehind"} <= {rule["alert"] for rule in found}
    return found


def _exported() -> dict[str, set[str]]:
    """Each series of servicekit's and the operator's with its labels."""
    return {
        f"{family._name}{suffix}": {*family._labelnames, *(["le"] if suffix == "_bucket" else [])}
        for family in (*vars(metrics).values(), *vars(operator_metrics).values())
        if isinstance(family, MetricWrapperBase)
        for suffix in _SUFFIXES[str(family._type)]
    }


def _parts(expr: str, kind: type[_Node]) -> list[_Node]:
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expr), found.append)
    return [node for node in found if isinstance(node, kind)]


def test_rules_ask_for_what_the_code_exports(rules: list[Body]) -> None:
    exported = _exported()
    for rule in rules:
        selectors = _parts(rule["expr"], promql_parser.VectorSelector)
        assert selectors
        for selector in selectors:
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= exported[str(selector.name)] | _FROM_PROMETHEUS, rule["expr"]
        for aggregate in _parts(rule["expr"], promql_parser.AggregateExpr):
            if aggregate.modifier:
                assert all(set(aggregate.modifier.labels) <= exported[str(each.name)] for each in selectors)


def test_a_rule_finds_its_services_pods_and_no_others(rules: list[Body]) -> None:
    for rule in rules:
        service = rule.get("labels", {}).get("service")
        for selector in _parts(rule["expr"], promql_parser.VectorSelector):
            matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
            if service:
                assert matchers["namespace"] == "slotwright"
                assert re.fullmatch(matchers["pod"], f"slotwright-{service}-serve-6d5f-x")
                others = [f"slotwright-{other}-6d5f-x" for other in SERVICES if other != service]
                assert not [pod for pod in others if re.fullmatch(matchers["pod"], pod)]


def test_words_name_only_labels_that_the_alert_has(rules: list[Body]) -> None:
    for rule in rules:
        asked = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        kept = {
            label
            for aggregate in _parts(rule["expr"], promql_parser.AggregateExpr)
            if aggregate.modifier
            for label in aggregate.modifier.labels
        }
        assert asked <= kept | set(rule.get("labels", {})), rule["alert"]
