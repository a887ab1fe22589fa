"""A kind cluster of the tests' own, reached at free ports of this machine's loopback.

Used by tests/e2e and by bench/cluster.py. Everything is installed as docs/install.md and docs/develop.md say, from
the same charts. The files of tests/e2e share one cluster, and each begins with nothing of ours in it: another
cluster with its images takes a minute or two more.
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

from devstack.cluster import KIND_CONFIG, TENANTS_NAMESPACE, Cluster, ClusterError, build, run
from devstack.processes import free_port
from devstack.story import Places, Story
from support.events import until

_PORTS = {30080: "gateway", 30025: "mail", 30094: "kafka", 30111: "stripe", 30090: "prometheus"}
"""The NodePorts of dev/cluster/kind.yaml."""
_MANY = 1_000_000
STANDING: list["World"] = []
"""The clusters that there are now: whose state a test that fails shows."""
_LINES = 60


@dataclass(frozen=True)
class World:
    """The cluster and how it is reached. `ports` are by the names of _PORTS; the files say what differs here."""

    cluster: Cluster
    tag: str
    """That of all our images, which the node has."""
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

    def empty(self) -> None:
        """Takes away whatever there is of ours, in whatever state a test left it; waits until it is gone."""
        kubectl = self.cluster.kubectl
        spaces = [f"namespace/{name}" for name in (self.cluster.namespace, TENANTS_NAMESPACE)]
        kubectl("delete", "--ignore-not-found", "--wait=false", *spaces)
        # Nobody is served any more, for whom they would take their time to end.
        kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
        for space in spaces:
            kubectl("wait", "--for=delete", space, "--timeout=3m")
        crds = [f"crd/{kind}.slotwright.io" for kind in ("tenants", "plans")]
        if kubectl("get", "--ignore-not-found", "-o", "name", *crds):
            # Their finalizers wait for the operator, which has gone.
            for item in kubectl("get", "tenants,plans", "-o", "name").split():
                kubectl("patch", item, "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')
            kubectl("delete", *crds)
        ours = ("--selector", "app.kubernetes.io/part-of=slotwright")
        kubectl("delete", "clusterroles,clusterrolebindings", *ours)
        # Where Plans' events go.
        kubectl("delete", "roles,rolebindings", "--namespace", "default", *ours)

    def furnish(self) -> None:
        """Secrets, CRDs, and the servers that the platform stands on."""
        self.cluster.make_secrets()
        self.cluster.crds()
        self.cluster.backing(self.tag, ["--values", str(self.backing_values)])

    def install(self, *more: str) -> None:
        """Installs or upgrades the platform and waits until all of it is ready."""
        self.cluster.platform(self.tag, ["--values", str(self.platform_values), *more])

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

    def state(self) -> Iterator[tuple[str, str]]:
        """What somebody looks at who finds it broken, by title: pods, events, and the logs of pods in trouble."""
        yield "pods", self._told("get", "pods", "--all-namespaces", "--output=wide")
        yield "tenants", self._told("get", "tenants")
        events = self._told("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp")
        yield "events", "\n".join(events.splitlines()[-_LINES:])
        try:
            pods = self.pods("")
        except ClusterError:
            return
        for pod in pods:
            name = pod["metadata"]["name"]
            for status in pod["status"].get("containerStatuses", []):
                if status["restartCount"]:
                    yield (
                        f"{name}, before its restart",
                        self._told("logs", name, "--previous", "--tail", str(_LINES)),
                    )
                if status["restartCount"] or not status["ready"]:
                    yield name, self._told("logs", name, "--tail", str(_LINES))

    def _told(self, *arguments: str) -> str:
        """kubectl's answer, or why there is none: the test has failed for another reason."""
        try:
            return self.cluster.kubectl(*arguments)
        except ClusterError as error:
            return str(error)


@contextmanager
def made_world(name: str) -> Iterator[World]:
    """A cluster with our images and nothing else of ours; gone at the end."""
    tag = build()
    with tempfile.TemporaryDirectory(prefix="slotwright-e2e-") as home:
        ports = {what: free_port() for what in _PORTS.values()}
        config = yaml.safe_load(KIND_CONFIG.read_text("utf-8"))
        for mapping in config["nodes"][0]["extraPortMappings"]:
            mapping["hostPort"] = ports[_PORTS[mapping["containerPort"]]]
        made = World(
            Cluster(name, kubeconfig=Path(home, "kubeconfig")),
            tag,
            ports,
            _written(Path(home, "backing.yaml"), _backing_values(ports)),
            _written(Path(home, "platform.yaml"), _platform_values(ports)),
        )
        try:
            made.cluster.create(_written(Path(home, "kind.yaml"), config))
            STANDING.append(made)
            made.cluster.load(tag)
            yield made
        except Exception as error:
            # The cluster goes before anybody who needed it has told of it.
            for title, text in made.state():
                error.add_note(f"--- {title}\n{text}")
            raise
        finally:
            STANDING.clear()
            run("kind", "delete", "cluster", "--name", name)


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
