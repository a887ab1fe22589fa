"""Every value does something: each, changed to another that is valid, changes what its chart renders to.

And no change of a value asks for what Kubernetes refuses to change in an object that is there already.
"""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import yaml

from support.charts import ALL, CHARTS, SERVICES, Body, Values, merged, needed, objects, render

HOST = "auth"
"""The service that servicelib's values are tried with: it has a database, Kafka and SMTP."""

Path = tuple[str, ...]

_OTHERS: Mapping[str, object] = {
    "*.affinity": {"podAntiAffinity": {}},
    "*.available": ["consume"],
    "*.bootstrap": "other.example.com:9",
    "*.cpu": "77m",
    "*.egressPorts": [7777],
    "*.externalTrafficPolicy": "Cluster",
    "*.extraRules": [{"record": "other", "expr": "vector(1)"}],
    "*.interval": "7s",
    "*.jwksUrl": "https://other.example.com/keys",
    "*.logLevel": "debug",
    "*.memory": "77Mi",
    "*.nodePort": 30007,
    "*.otlpEndpoint": "http://other.example.com:4318",
    "*.parentRefs": [{"name": "other"}],
    "*.peers.*": [{"ipBlock": {"cidr": "10.7.0.0/16"}}],
    "*.publicUrl": "https://other.example.com",
    "*.pullPolicy": "Always",
    "*.saslMechanism": "PLAIN",
    "*.securityProtocol": "SASL_PLAINTEXT",
    "*.sslMode": "require",
    "*.startTls": True,
    "*.storage": "7Gi",
    "*.strategy": "Recreate",
    "*.tolerations": [{"key": "other", "operator": "Exists"}],
    "*.whenUnsatisfiable": "DoNotSchedule",
    "*.migrations.mode": "hook",
    "*.roles.mode": "apart",
    "*.roles.serve": {"replicas": 7},
    "*.secrets.*.env": "SLOTWRIGHT_OTHER",
    "*.service.type": "NodePort",
    "servicelib.env": {"SLOTWRIGHT_OTHER": "1"},
    "servicelib.secrets": {"encryptionKey": {"env": "SLOTWRIGHT_X", "existingSecret": "x", "key": "x"}},
    "operator.strategy": "RollingUpdate",
}
"""What another value is, where its type does not say."""

_NEEDS: Mapping[str, Values] = {
    "*.autoscaling.*": {"autoscaling": {"enabled": True}},
    "*.autoscaling.enabled": {},
    "*.caSecret.key": {
        "database": {"caSecret": {"name": "a"}},
        "kafka": {"caSecret": {"name": "a"}},
        "global": {
            "slotwright": {"database": {"caSecret": {"name": "a"}}, "kafka": {"caSecret": {"name": "a"}}}
        },
    },
    "*.ingress.*": {"ingress": {"enabled": True, "hosts": ["a.example.com"]}},
    "*.ingress.enabled": {"ingress": {"hosts": ["a.example.com"]}},
    "*.metrics.prometheusRule.*": {"metrics": {"prometheusRule": {"enabled": True}}},
    "*.metrics.prometheusRule.enabled": {},
    "*.metrics.serviceMonitor.*": {"metrics": {"serviceMonitor": {"enabled": True}}},
    "*.metrics.serviceMonitor.enabled": {},
    "*.peers.others": {"networkPolicy": {"egressPorts": [7777]}},
    "*.peers.traces": {"otlpEndpoint": "http://other.example.com:4318"},
    "*.roles.*": {"roles": {"mode": "apart"}},
    "*.roles.mode": {},
    "*.roles.*.maxReplicas": {"roles": {"mode": "apart"}, "autoscaling": {"enabled": True}},
    "*.route.*": {"route": {"enabled": True, "parentRefs": [{"name": "a"}]}},
    "*.route.enabled": {"route": {"parentRefs": [{"name": "a"}]}},
    "*.smtp.username": {"smtp": {"existingSecret": {"name": "a"}}},
    "*.smtp.existingSecret.key": {"smtp": {"existingSecret": {"name": "a"}}},
    "slotwright.global.*.smtp.username": {
        "global": {"slotwright": {"smtp": {"existingSecret": {"name": "a"}}}}
    },
    "slotwright.global.*.smtp.existingSecret.key": {
        "global": {"slotwright": {"smtp": {"existingSecret": {"name": "a"}}}}
    },
    "servicelib.service.nodePort": {"service": {"type": "NodePort"}},
    "servicelib.service.externalTrafficPolicy": {"service": {"type": "NodePort"}},
    "operator.podDisruptionBudget.enabled": {"replicas": 2},
    "backing.kafka.external.advertised": {"kafka": {"external": {"nodePort": 30007}}},
}
"""What must be set for a value to count; the last pattern that fits."""


def leaves(values: Values, above: Path = ()) -> Iterator[Path]:
    """Where a chart's values end; a map that is empty by default is one value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


@cache
def _defaults(chart: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHARTS / chart / "values.yaml").read_text("utf-8"))
    return found


_CASES = [(chart, path) for chart in ALL for path in leaves(_defaults(chart))]


@pytest.mark.parametrize(
    ("chart", "path"), _CASES, ids=[f"{chart}:{'.'.join(path)}" for chart, path in _CASES]
)
def test_a_value_changes_what_is_rendered(chart: str, path: Path) -> None:
    rendered = HOST if chart == "servicelib" else chart
    before = merged(needed(rendered), _fitting(_NEEDS, chart, path, {}))
    after = merged(before, _nested(path, _other(chart, path, before)))
    was, now = _render(rendered, json.dumps(before)), _render(rendered, json.dumps(after))
    assert was != now, "a dead value"
    if chart != "backing":  # its volumes cannot grow, and need not
        old, new = _unchangeable(was), _unchangeable(now)
        refused = [key for key in old.keys() & new.keys() if old[key] != new[key]]
        assert not refused, "an upgrade with this change would be refused"


def test_what_is_said_for_all_services_is_as_if_said_to_each() -> None:
    schema = json.loads((CHARTS / "slotwright" / "values.schema.json").read_text("utf-8"))
    shared = schema["properties"]["global"]["properties"]["slotwright"]["properties"]
    own = set(leaves(_defaults(HOST)))
    given: dict[str, Any] = {}
    for path in leaves(_defaults("servicelib")):
        if path[0] in shared and path not in own:
            needs = _fitting(_NEEDS, "servicelib", path, {})
            given = merged(given, {key: needs[key] for key in needs if key in shared})
            given = merged(given, _nested(path, _other("servicelib", path, {})))
    assert set(given) == set(shared)
    assert render(HOST, given) == render(HOST, {"global": {"slotwright": given}})


@cache
def _render(chart: str, values: str) -> str:
    return render(chart, json.loads(values))


def _other(chart: str, path: Path, given: Values) -> object:
    defaults = [_defaults("servicelib"), _defaults(HOST)] if chart == "servicelib" else [_defaults(chart)]
    value: Any = merged(*defaults, given)
    for key in path:
        value = value[key]
    fallback: object = None
    if isinstance(value, bool):
        fallback = not value
    elif isinstance(value, int):
        fallback = value + 1
    elif isinstance(value, str):
        fallback = "other"
    elif isinstance(value, list):
        fallback = ["other"]
    elif value == {}:
        fallback = {"example.com/other": "value"}
    result = _fitting(_OTHERS, chart, path, fallback)
    assert result is not None, "_OTHERS must say what another value is"
    assert result != value
    return result


def _fitting(table: Mapping[str, Any], chart: str, path: Path, fallback: Any) -> Any:
    name = ".".join((chart, *path))
    found = [value for pattern, value in table.items() if fnmatchcase(name, pattern)]
    return _of_chart(chart, found[-1]) if found else fallback


def _of_chart(chart: str, values: Any) -> Any:
    """Without what another chart's schema would refuse."""
    if isinstance(values, Mapping) and "global" in values and chart != "slotwright":
        return {key: value for key, value in values.items() if key != "global"}
    if isinstance(values, Mapping) and "global" in values:
        return {"global": values["global"]}
    return values


def _nested(path: Path, value: object) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@cache
def _unchangeable(text: str) -> dict[tuple[str, str], str]:
    """Of each object, the fields that the API server refuses to change."""
    return {
        (body["kind"], body["metadata"]["name"]): json.dumps(_fixed(body), sort_keys=True)
        for body in objects(text)
        if "helm.sh/hook" not in body["metadata"].get("annotations", {})
    }


def _fixed(body: Body) -> object:
    if body["kind"] == "Job":
        return body["spec"]["template"]
    if body["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
        return body["roleRef"]
    return body["spec"]["selector"] if body["kind"] == "Deployment" else None


def test_every_service_is_tried() -> None:
    assert {chart for chart, _ in _CASES} >= {*SERVICES, "servicelib", "slotwright", "backing", "crds"}
