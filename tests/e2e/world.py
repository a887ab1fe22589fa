"""A kind cluster of the tests' own with the platform in it, reached at free ports of this machine's loopback.

Used by tests/e2e. Everything is installed as docs/install.md and docs/develop.md say, from the same charts.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devstack.cluster import KIND_CONFIG, Cluster, build, run
from devstack.processes import free_port
from devstack.story import Places, Story

_PORTS = {30080: "gateway", 30025: "mail", 30094: "kafka", 30111: "stripe", 30090: "prometheus"}
"""The NodePorts of dev/cluster/kind.yaml."""


@dataclass(frozen=True)
class World:
    """`tag` is that of all images, `ports` are by the names of _PORTS, `values` a file with what differs here."""

    cluster: Cluster
    tag: str
    ports: dict[str, int]
    values: Path

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def mail(self) -> str:
        return f"http://127.0.0.1:{self.ports['mail']}"

    def story(self, password: str | None = None) -> Story:
        """The demo's story, told in this cluster."""
        assert self.cluster.kubeconfig is not None
        return Story(Places(self.gateway, self.mail, self.cluster.kubeconfig), password)

    def install(self, *more: str, tag: str | None = None) -> None:
        """Installs or upgrades the platform and waits until all of it is ready."""
        self.cluster.platform(tag or self.tag, ["--values", str(self.values), *more])

    def pods(self, selector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self.cluster.kubectl("get", "pods", "-o", "json", "--selector", selector)
        )["items"]
        return found


@contextmanager
def made_world(name: str) -> Iterator[World]:
    """A cluster with CRDs and backing installed, and the platform not yet; gone at the end."""
    tag = build()
    with tempfile.TemporaryDirectory(prefix="slotwright-e2e-") as home:
        ports = {what: free_port() for what in _PORTS.values()}
        cluster = Cluster(name, kubeconfig=Path(home, "kubeconfig"))
        config = yaml.safe_load(KIND_CONFIG.read_text("utf-8"))
        for mapping in config["nodes"][0]["extraPortMappings"]:
            mapping["hostPort"] = ports[_PORTS[mapping["containerPort"]]]
        Path(home, "kind.yaml").write_text(yaml.safe_dump(config), "utf-8")
        values = Path(home, "values.yaml")
        values.write_text(yaml.safe_dump(_values(ports)), "utf-8")
        try:
            cluster.create(Path(home, "kind.yaml"))
            cluster.load(tag)
            cluster.make_secrets()
            cluster.crds()
            cluster.backing(
                tag,
                [
                    *("--set-string", f"kafka.external.advertised=127.0.0.1:{ports['kafka']}"),
                    *("--set-string", f"stripe.publicUrl=http://127.0.0.1:{ports['stripe']}"),
                ],
            )
            yield World(cluster, tag, ports, values)
        finally:
            run("kind", "delete", "cluster", "--name", name)


def _values(ports: dict[str, int]) -> dict[str, Any]:
    many = {"SLOTWRIGHT_ADDRESS_REQUESTS_PER_MINUTE": "1000000"}
    return {
        "global": {"slotwright": {"publicUrl": f"http://127.0.0.1:{ports['gateway']}"}},
        # All load comes from one address here.
        "gateway": {"env": many},
        "operator": {"tenantKafkaBootstrap": f"127.0.0.1:{ports['kafka']}"},
    }
