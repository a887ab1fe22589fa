"""What the platform takes in a cluster: images, time to ready, memory, and failures during a rolling upgrade.

Run by `make bench-cluster`, in a kind cluster of its own that is removed again. Memory is each pod's working set by
the kubelet; Kubernetes evicts by that figure. "Under load" is the demo's story and then the rolling upgrade's
requests.
"""

import json
import secrets
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from devstack.cluster import IMAGES, image, run
from devstack.story import SLUG
from e2e.load import reading, under_load
from e2e.world import World, made_world

_BASE = "python:3.13-slim"
_RATE = 100
"""Requests a second."""
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_MIB = 2**20


def image_bytes(name: str) -> int:
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", name))


def memory(world: World) -> dict[str, int]:
    """Bytes of each pod's working set, by the name of its part."""
    (node,) = world.cluster.kubectl("get", "nodes", "-o", "name").split()
    stats = json.loads(world.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node[5:]}/proxy/stats/summary"))
    parts = {
        pod["metadata"]["name"]: pod["metadata"]["labels"]["app.kubernetes.io/name"]
        for pod in world.pods("app.kubernetes.io/name")
        if pod["status"]["phase"] == "Running"
    }
    return {
        parts[pod["podRef"]["name"]]: pod["memory"]["workingSetBytes"]
        for pod in stats["pods"]
        if pod["podRef"]["namespace"] == world.cluster.namespace and pod["podRef"]["name"] in parts
    }


def requested(pods: list[dict[str, Any]]) -> int:
    """Bytes of memory that all containers together ask for."""
    asked = [
        container["resources"]["requests"]["memory"]
        for pod in pods
        if pod["status"]["phase"] == "Running"
        for container in pod["spec"]["containers"]
    ]
    return sum(int(quantity[:-2]) * _UNITS[quantity[-2:]] for quantity in asked)


def main() -> int:
    begun = time.monotonic()
    with made_world(f"slotwright-bench-{secrets.token_hex(3)}") as world:
        world.furnish()
        print(f"images built, cluster and backing ready: {time.monotonic() - begun:.0f} s\n")
        base = image_bytes(_BASE)
        print(f"images over {_BASE} ({base / _MIB:.0f} MiB):")
        for name in IMAGES:
            print(f"  {name:15} {(image_bytes(image(name, world.tag)) - base) / _MIB:5.0f} MiB")

        begun = time.monotonic()
        world.install()
        print(f"\nhelm install to all ready: {time.monotonic() - begun:.0f} s")
        platform = world.pods("app.kubernetes.io/part-of=slotwright")
        print(
            f"memory that the platform's {len(platform)} pods ask for: {requested(platform) / _MIB:.0f} MiB"
        )
        print(
            f"and with what it stands on here: {requested(world.pods('app.kubernetes.io/name')) / _MIB:.0f} MiB"
        )
        # The kubelet looks every ten seconds or so.
        time.sleep(30)
        idle = memory(world)
        with closing(world.story()) as story:
            for step in story.steps():
                step.tell()
        world.lift_limits(SLUG)

        begun = time.monotonic()
        with under_load(world.gateway, _RATE, reading(f"/v1/public/{SLUG}")) as load:
            world.cluster.kubectl(
                *("rollout", "restart", "deployment"),
                *("--selector", "app.kubernetes.io/part-of=slotwright"),
            )
            for name in world.cluster.kubectl("get", "deployments", "-o", "name").split():
                world.cluster.kubectl("rollout", "status", name, "--timeout=10m")
            loaded = memory(world)
        took = time.monotonic() - begun
        total = load.outcomes.total()
        print(f"\nall services rolled at {total / took:.0f} requests/s of {_RATE} wished, {took:.0f} s:")
        print(f"  {total} requests, {sum(load.failures.values())} failed {load.failures or ''}")
        seconds = sorted(load.seconds)
        p50, p99 = seconds[len(seconds) // 2] * 1000, seconds[len(seconds) * 99 // 100] * 1000
        print(f"  p50 {p50:.0f} ms, p99 {p99:.0f} ms")

        print("\nmemory (MiB), idle and under load:")
        for name in sorted(idle):
            print(f"  {name:15} {idle[name] / _MIB:5.0f} {loaded.get(name, 0) / _MIB:5.0f}")
        print(f"  {'all':15} {sum(idle.values()) / _MIB:5.0f} {sum(loaded.values()) / _MIB:5.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
