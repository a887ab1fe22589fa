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

import httpx
import yaml

from devstack.cluster import KIND_CONFIG, Cluster, build, run
from devstack.processes import free_port
from devstack.story import Places, Story
from support.events import until

_PORTS = {30080: "gateway", 30025: "mail", 30094: "kafka", 30111: "stripe", 30090: "prometheus"}
"""The NodePorts of dev/cluster/kind.yaml."""
_MANY = 1_000_000


@dataclass(frozen=True)
class Ground:
    """A cluster with nothing of ours in it. `ports` are by the names of _PORTS; the files say what differs here."""

    cluster: Cluster
    ports: dict[str, int]
    backing_values: Path
    platform_values: Path

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def mail(self) -> str:
        return f"http://127.0.0.1:{self.ports['mail']}"

    @property
    def kubeconfig(self) -> Path:
        assert self.cluster.kubeconfig is not None
        return self.cluster.kubeconfig

    def story(self, password: str | None = None) -> Story:
        """The demo's story, told in this cluster."""
        return Story(Places(self.gateway, self.mail, self.kubeconfig), password)

    def lift_limits(self, tenant: str) -> None:
        """So that its plan's limit refuses no load; the gateway has heard of it at the end."""
        limits = {"spec": {"limits": {"requestsPerMinute": _MANY}}}
        self.cluster.kubectl("patch", "tenant", tenant, "--type=merge", "--patch", json.dumps(limits))

        def heard() -> bool:
            answer = httpx.get(f"{self.gateway}/v1/public/{tenant}", timeout=30)
            return f"q={_MANY};" in answer.headers.get("RateLimit-Policy", "")

        until(heard, "the gateway has heard of the new limit")

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Those that are not on their way out."""
        found = json.loads(self.cluster.kubectl("get", "pods", "-o", "json", "--selector", selector))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@dataclass(frozen=True)
class World(Ground):
    """With Secrets, CRDs and backing installed; `tag` is that of all our images, which the node has."""

    tag: str

    def install(self, *more: str) -> None:
        """Installs or upgrades the platform and waits until all of it is ready."""
        self.cluster.platform(self.tag, ["--values", str(self.platform_values), *more])


@contextmanager
def made_ground(name: str) -> Iterator[Ground]:
    """A cluster that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="slotwright-e2e-") as home:
        ports = {what: free_port() for what in _PORTS.values()}
        config = yaml.safe_load(KIND_CONFIG.read_text("utf-8"))
        for mapping in config["nodes"][0]["extraPortMappings"]:
            mapping["hostPort"] = ports[_PORTS[mapping["containerPort"]]]
        made = Ground(
            Cluster(name, kubeconfig=Path(home, "kubeconfig")),
            ports,
            _written(Path(home, "backing.yaml"), _backing_values(ports)),
            _written(Path(home, "platform.yaml"), _platform_values(ports)),
        )
        try:
            made.cluster.create(_written(Path(home, "kind.yaml"), config))
            yield made
        finally:
            run("kind", "delete", "cluster", "--name", name)


@contextmanager
def made_world(name: str) -> Iterator[World]:
    """A cluster with everything but the platform; gone at the end."""
    tag = build()
    with made_ground(name) as ground:
        ground.cluster.load(tag)
        ground.cluster.make_secrets()
        ground.cluster.crds()
        ground.cluster.backing(tag, ["--values", str(ground.backing_values)])
        yield World(ground.cluster, ground.ports, ground.backing_values, ground.platform_values, tag)


def _written(file: Path, values: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(values), "utf-8")
    return file


def _backing_values(ports: dict[str, int]) -> dict[str, Any]:
    return {
        "kafka": {"external": {"advertised": f"127.0.0.1:{ports['kafka']}"}},
        "stripe": {"publicUrl": f"http://127.0.0.1:{ports['stripe']}"},
    }


def _platform_values(ports: dict[str, int]) -> dict[str, Any]:
    gateway = {
        # All load comes from one address here.
        "SLOTWRIGHT_ADDRESS_REQUESTS_PER_MINUTE": str(_MANY),
        # What services say of themselves is asked for anew each time.
        "SLOTWRIGHT_OPENAPI_SECONDS": "0",
    }
    return {
        "global": {"slotwright": {"publicUrl": f"http://127.0.0.1:{ports['gateway']}"}},
        "gateway": {"env": gateway},
        "operator": {"tenantKafkaBootstrap": f"127.0.0.1:{ports['kafka']}"},
    }
