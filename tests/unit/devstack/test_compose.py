"""dev/compose.yaml says what the charts and the embedded servers say; its dashboard asks for what there is."""

import json
import re
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from devstack import servers
from devstack.compose import FILE, Compose
from devstack.errors import StackError
from devstack.kafka import Kafka
from devstack.services import Wiring
from devstack.state import StackFolder

ROOT = Path(__file__).parents[3]
COMPOSE = FILE.parent / "compose"
SPEC: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, Any] = SPEC["services"]
ELSEWHERE = {
    "advertised.listeners",
    "controller.quorum.voters",
    "listener.name.client.scram-sha-512.sasl.jaas.config",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
}
"""What depends on where a broker runs."""
_METRICS = (
    "servicekit.metrics",
    "gateway.metrics",
    "notification.delivery",
    "scheduler.workers",
    "tenant_operator.metrics",
)


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_outside_the_machine_is_listened_to(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    if "ports" not in service:
        assert service["network_mode"] == "host"
        assert "127.0.0.1" in json.dumps([service.get("command"), service.get("environment")])


@pytest.mark.parametrize("name", SERVICES)
def test_it_is_known_when_a_server_is_ready(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_the_images_are_those_of_the_backing_chart() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "backing" / "values.yaml").read_text("utf-8"))
    for name, service in SERVICES.items():
        if name not in {"stripe", "grafana"}:
            assert service["image"] == chart[name]["image"], name


def test_kafka_is_set_up_as_everywhere(tmp_path: Path) -> None:
    ours = _properties((COMPOSE / "kafka" / "server.properties").read_text("utf-8"))
    embedded = _properties(Kafka(tmp_path)._properties(controller=9093))
    template = (ROOT / "charts" / "backing" / "templates" / "kafka.yaml").read_text("utf-8")
    chart = _properties(template.partition("server.properties: |")[2].partition("run.sh: |")[0])
    for theirs in (embedded, chart):
        assert {key: ours.get(key) for key in theirs if key not in ELSEWHERE} == {
            key: value for key, value in theirs.items() if key not in ELSEWHERE
        }


def test_grafana_is_told_of_prometheus() -> None:
    provisioning = COMPOSE / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["url"].removeprefix("$") in SERVICES["grafana"]["environment"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "slotwright.yaml").read_text("utf-8"))[
        "providers"
    ]
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounts["./compose/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./compose/grafana/provisioning"] == "/etc/grafana/provisioning"
    for panel in _dashboard()["panels"]:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """And for labels that they have."""
    for module in _METRICS:
        import_module(module)
    known = {
        name: {*vars(collector)["_labelnames"], "le", "service"}
        for collector, names in REGISTRY._collector_to_names.items()
        for name in chain(names, (f"{each}_bucket" for each in names))
        if name.startswith("slotwright_")
    }
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 5
    for panel in panels:
        for target in panel["targets"]:
            promql_parser.parse(target["expr"])
            names = re.findall(r"slotwright_\w+", target["expr"])
            assert names
            for name in names:
                assert name in known, name
            labels = {
                label.strip()
                for group in re.findall(r"by \(([^)]*)\)", target["expr"])
                for label in group.split(",")
            } | set(re.findall(r"(\w+)=~?\"", target["expr"]))
            assert labels <= set().union(*(known[name] for name in names)), target["expr"]


# The stack's choice.


def test_a_stack_keeps_to_its_backing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.make()
    wiring = Wiring(folder)
    monkeypatch.setenv("SLOTWRIGHT_BACKING", "compose")
    compose = servers.chosen(folder, wiring)
    monkeypatch.delenv("SLOTWRIGHT_BACKING")
    assert type(servers.chosen(folder, wiring)) is type(compose)
    monkeypatch.setenv("SLOTWRIGHT_BACKING", "embedded")
    with pytest.raises(StackError, match="was made with BACKING=compose"):
        servers.chosen(folder, wiring)


def test_a_backing_that_there_is_not_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.make()
    monkeypatch.setenv("SLOTWRIGHT_BACKING", "podman")
    with pytest.raises(StackError, match="'podman': it can be embedded or compose"):
        servers.chosen(folder, Wiring(folder))


def test_every_variable_of_the_file_is_given_by_the_stack(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.make()
    given = Compose(folder, Wiring(folder)).variables()
    assert set(re.findall(r"\$\{(\w+):-", FILE.read_text("utf-8"))) == set(given)


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (COMPOSE / "grafana" / "dashboards" / "slotwright.json").read_text("utf-8")
    )
    return found


def _properties(text: str) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
