"""What the operator costs: against a plain script, over a restart, in memory, for a change and for a changed plan.

Run by `make bench-operator`. A real API server, Kafka and the Stripe stand-in, fresh for each run; `components.py`
stands for the services, `plain_script.py` is what is compared with. All share the machine: times are for comparing.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from plot import write_plot

from contracts.platform import TenantChanged
from devstack.processes import free_port
from support.api_server import ApiServer
from support.broker import Broker
from support.events import until
from support.operator_world import plan, tenant
from support.processes import Running, run_service_by
from support.programs import from_nothing

Body = dict[str, Any]

_KIB = 1024
_CREATORS = 16
_SECONDS = 600
_SEED = 20261127
_TENANTS = "/apis/slotwright.io/v1alpha1/tenants"


_COLUMNS = (
    "tenants",
    "all Ready",
    "writes each",
    "restart",
    "its writes",
    "change p50",
    "change p99",
    "plan edit",
    "beside p99",
    "idle p99",
    "memory each",
)


@dataclass
class Stack:
    """The servers of one run, with a plan `pro` and another, `solo`."""

    api: ApiServer
    broker: Broker
    folder: Path
    env: dict[str, str]

    @contextmanager
    def operator(self) -> Iterator[Running]:
        """An operator with its usual settings, ready."""
        with run_service_by(from_nothing, "tenant_operator", "run", self.folder, self.env) as running:
            yield running

    @contextmanager
    def components(self) -> Iterator[None]:
        script = Path(__file__).with_name("components.py")
        with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            try:
                yield
            finally:
                process.terminate()

    def create(self, tenants: Sequence[Body]) -> None:
        """All at once, over so many connections."""

        async def creating() -> None:
            with self.api.admin() as admin:
                headers, base = admin.headers, admin.base_url
            limits = httpx.Limits(max_connections=_CREATORS)
            room = asyncio.Semaphore(_CREATORS)
            async with (
                httpx.AsyncClient(base_url=base, headers=headers, verify=False, limits=limits) as client,  # noqa: S501 - the test server's own
                asyncio.TaskGroup() as group,
            ):

                async def one(body: Body) -> None:
                    async with room:
                        (await client.post(_TENANTS, json=body, timeout=60)).raise_for_status()

                for body in tenants:
                    group.create_task(one(body))

        asyncio.run(creating())


@contextmanager
def made_stack() -> Iterator[Stack]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwright-bench-")))
        api = stack.enter_context(closing(ApiServer()))
        broker = stack.enter_context(closing(Broker()))
        env = broker.service_env("operator") | {"PUBLIC_URL": "https://book.example"}
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        port = free_port()
        for name, value in env.items():
            patch.setenv(f"SLOTWRIGHT_{name}", value)
        patch.setenv("SLOTWRIGHT_STRIPE_API_KEY", "sk_test_bench")
        patch.setenv("SLOTWRIGHT_STRIPE_API_BASE", f"http://127.0.0.1:{port}")
        patch.setenv("KUBECONFIG", str(api.kubeconfig(folder)))
        standin = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "stripe_standin"],
                env=os.environ
                | {
                    "STRIPE_STANDIN_PORT": str(port),
                    "STRIPE_STANDIN_API_KEY": "sk_test_bench",
                },
                stdout=(folder / "stripe.log").open("wb"),
                stderr=subprocess.STDOUT,
            )
        )
        stack.callback(standin.terminate)
        until(lambda: _answers(f"http://127.0.0.1:{port}/_standin/health"), "the stand-in answers")
        for name in ("pro", "solo"):
            assert api.create(plan(name)).status_code == 201
        yield Stack(api, broker, folder, env)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def named(number: int) -> list[Body]:
    return [tenant(f"shop-{index:05}", "pro") for index in range(number)]


def metric(running: Running, name: str, *, but: Mapping[str, str] | None = None, **labels: str) -> float:
    """The sum of all samples of that name with these labels, without those with the labels in `but`."""
    total = 0.0
    for line in httpx.get(f"{running.url}/metrics", timeout=30).text.splitlines():
        sample, _, value = line.rpartition(" ")
        said = dict(re.findall(r'(\w+)="([^"]*)"', sample))
        if sample.partition("{")[0] != name or (but is not None and said.items() >= but.items()):
            continue
        if said.items() >= labels.items():
            total += float(value)
    return total


def writes(running: Running) -> float:
    """Requests that changed something at the API server, the Lease's apart."""
    return metric(running, "slotwright_operator_api_writes_total", but={"what": "lease"})


def until_ready(running: Running, number: int) -> None:
    """Looks every quarter of a second."""
    deadline = time.monotonic() + _SECONDS
    while metric(running, "slotwright_operator_tenants", condition="Ready", status="True") < number:
        assert time.monotonic() < deadline, "the tenants did not become Ready"
        time.sleep(0.25)


def resident(running: Running) -> int:
    """Bytes of the operator's process that no other shares."""
    uss: int = psutil.Process(running.process.pid).memory_full_info().uss
    return uss


@dataclass(frozen=True)
class Provisioned:
    seconds: float
    writes: float


def by_script(number: int) -> Provisioned:
    with made_stack() as stack:
        given = {"plan": stack.api.get("Plan", "pro"), "tenants": named(number)}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("plain_script.py"))],
            input=json.dumps(given).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        return Provisioned(**json.loads(done.stdout))


def by_operator(stack: Stack, running: Running, number: int) -> Provisioned:
    before = writes(running)
    begun = time.perf_counter()
    stack.create(named(number))
    until_ready(running, number)
    return Provisioned(time.perf_counter() - begun, (writes(running) - before) / number)


def change(stack: Stack, name: str, said: str) -> float:
    """Seconds from a change of a tenant until its status is about it, and Ready."""
    begun = time.perf_counter()
    generation = stack.api.patch("Tenant", name, {"spec": {"displayName": said}}).json()["metadata"][
        "generation"
    ]

    def settled() -> bool:
        body = stack.api.get("Tenant", name)
        assert body is not None
        ready = next(item for item in body["status"]["conditions"] if item["type"] == "Ready")
        return (ready["status"], ready["observedGeneration"]) == ("True", generation)

    while not settled():
        assert time.perf_counter() - begun < 60, f"{name} did not settle"
        time.sleep(0.01)
    return time.perf_counter() - begun


def changes(stack: Stack, names: Sequence[str], count: int) -> list[float]:
    """One after the other, of tenants drawn by lot."""
    lot = random.Random(_SEED)  # noqa: S311 - a choice, no secret
    return sorted(change(stack, lot.choice(names), f"Changed {number}") for number in range(count))


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Published:
    """Follows the records that services read, from now on."""

    def __init__(self, stack: Stack) -> None:
        self._client = Consumer({**stack.broker.super_user(), "group.id": "bench.published"})
        found = []
        for number in (
            self._client.list_topics(TenantChanged.TOPIC, timeout=10).topics[TenantChanged.TOPIC].partitions
        ):
            _, end = self._client.get_watermark_offsets(TopicPartition(TenantChanged.TOPIC, number))
            found.append(TopicPartition(TenantChanged.TOPIC, number, end))
        self._client.assign(found)

    def until(self, number: int, bookings: int) -> None:
        """So many tenants have that limit."""
        told: set[bytes] = set()
        deadline = time.monotonic() + 120
        while len(told) < number:
            assert time.monotonic() < deadline, f"only {len(told)} of {number} were published"
            for message in self._client.consume(1000, 0.05):
                value = message.value()
                if value is not None and f'"bookings_per_month":{bookings},'.encode() in value:
                    told.add(message.key() or b"")

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True)
class Grown:
    """What was measured with so many tenants."""

    tenants: int
    provisioned: Provisioned
    restart: float
    restart_writes: float
    change: list[float]
    edit: float
    beside: list[float]
    beside_idle: list[float]
    bytes_each: float


def grown(number: int) -> Grown:
    """Everything but the comparison, with so many tenants on `pro` and one on `solo`."""
    with made_stack() as stack, stack.components():
        with stack.operator() as running:
            time.sleep(2)
            empty = resident(running)
            provisioned = by_operator(stack, running, number)
            each = (resident(running) - empty) / number
            stack.create([tenant("other", "solo")])
            until_ready(running, number + 1)
        begun = time.perf_counter()
        with stack.operator() as running:
            # Ready for changes: the probe says so, and a change is seen through.
            change(stack, "shop-00000", "After the restart")
            restart = time.perf_counter() - begun
        with stack.operator() as running:
            time.sleep(3)
            restart_writes = writes(running)
            names = [body["metadata"]["name"] for body in named(number)]
            one = changes(stack, names, 100)
            idle = changes(stack, ["other"], 20)
            with closing(Published(stack)) as published:
                begun = time.perf_counter()
                stack.api.patch("Plan", "pro", {"spec": {"limits": {"bookingsPerMonth": 4321}}})
                beside = changes(stack, ["other"], max(3, number // 100))
                published.until(number, 4321)
                edit = time.perf_counter() - begun
            until_ready(running, number + 1)
        return Grown(number, provisioned, restart, restart_writes, one, edit, beside, idle, each)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--growth", type=int, nargs="*", default=[10, 100, 1000, 5000])
    parser.add_argument("--plot", type=Path, help="where to write the growth as an SVG")
    arguments = parser.parse_args()
    number = arguments.tenants
    print(f"{number} tenants at once, seed {_SEED}; script and operator in turn:")
    ratios, more = [], []
    for _ in range(arguments.pairs):
        script = by_script(number)
        with made_stack() as stack, stack.components(), stack.operator() as running:
            operator = by_operator(stack, running, number)
        ratios.append(operator.seconds / script.seconds)
        more.append(operator.writes - script.writes)
        print(
            f"  script {script.seconds:5.1f} s, {script.writes:.2f} writes each; operator"
            f" {operator.seconds:5.1f} s, {operator.writes:.2f}; ratio {ratios[-1]:.2f}"
        )
    if ratios:
        print(
            f"  median: {statistics.median(ratios):.2f} times, {statistics.median(more):+.2f} writes a tenant"
        )
    print()
    print(_row(*_COLUMNS))
    found = []
    for size in arguments.growth:
        found.append(grown(size))
        print(_row(*_cells(found[-1])), flush=True)
    if arguments.plot:
        _plot(arguments.plot, found)
    return 0


def _plot(path: Path, found: Sequence[Grown]) -> None:
    series = {
        "all Ready": [(got.tenants, got.provisioned.seconds) for got in found],
        "restart": [(got.tenants, got.restart) for got in found],
        "plan edit": [(got.tenants, got.edit) for got in found],
        "one change, p99": [(got.tenants, percentile(got.change, 0.99)) for got in found],
    }
    write_plot(path, series, across="tenants", up="seconds")


def _cells(got: Grown) -> list[str]:
    return [
        str(got.tenants),
        f"{got.provisioned.seconds:.1f} s",
        f"{got.provisioned.writes:.2f}",
        f"{got.restart:.1f} s",
        f"{got.restart_writes:.0f}",
        f"{statistics.median(got.change):.3f} s",
        f"{percentile(got.change, 0.99):.3f} s",
        f"{got.edit:.2f} s",
        f"{percentile(got.beside, 0.99):.3f} s",
        f"{percentile(got.beside_idle, 0.99):.3f} s",
        f"{got.bytes_each / _KIB:.1f} KiB",
    ]


def _row(*cells: str) -> str:
    return "| " + " | ".join(f"{cell:>12}" for cell in cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
