"""How much a request costs through the gateway, against the same request straight to its service.

Run by `make bench-gateway`. It starts business and a gateway as processes on a real Postgres and Kafka, and loads
the one and the other in turn, pair by pair, so that a machine whose speed drifts slows both. Printed are requests a
second of each run, each pair's ratio, and the medians. The load shares the machine with what it loads: figures are
for comparing, not for sizing.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.events import Topics, until
from support.processes import run_service_by, served_keys
from support.programs import from_nothing
from support.tenants import new_tenant

PUBLIC_URL = "http://127.0.0.1:8080"
PATH = "/v1/business"


@dataclass(frozen=True)
class Run:
    """One load: requests a second, and the latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


async def load(url: str, token: str, *, seconds: float, clients: int) -> Run:
    """As many requests as `clients` make one after another within `seconds`. Raises when one is not a 200."""
    headers = {"Authorization": f"Bearer {token}"}
    took: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        started = time.perf_counter()
        end = started + seconds

        async def client() -> None:
            while (begun := time.perf_counter()) < end:
                async with session.get(url + PATH, headers=headers) as response:
                    await response.read()
                    response.raise_for_status()
                took.append((time.perf_counter() - begun) * 1000)

        await asyncio.gather(*(client() for _ in range(clients)))
        elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(took, n=100)
    return Run(len(took) / elapsed, cuts[49], cuts[98])


def told(name: str, run: Run) -> str:
    return f"{name} {run.rate:7.0f}/s  p50 {run.p50:6.2f} ms  p99 {run.p99:6.2f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwright-bench-")))
        databases, broker = Databases(), Broker()
        stack.callback(databases.close)
        stack.callback(broker.close)
        minter = TokenMinter(issuer=PUBLIC_URL)
        jwks = stack.enter_context(served_keys(minter))
        common = {"jwks_url": jwks, "public_url": PUBLIC_URL, "log_level": "warning"}
        database = databases.for_service("business").settings.database_url.get_secret_value()
        own = {"database_url": database, **common, **broker.service_env("business")}
        business = stack.enter_context(run_service_by(from_nothing, "business", "all", folder, own))
        own = {"upstreams": json.dumps({"business": business.url}), **common, **broker.service_env("gateway")}
        gateway = stack.enter_context(run_service_by(from_nothing, "gateway", "all", folder, own))
        tenant = new_tenant()
        Topics(broker.super_user()).publish(tenant)
        token = minter.token(tenant.tenant_id)

        def measure(url: str, seconds: float) -> Run:
            return asyncio.run(load(url, token, seconds=seconds, clients=options.clients))

        until(lambda: _answers(gateway.url, token), "business and the gateway know the tenant")
        for url in (business.url, gateway.url):
            measure(url, 1)
        direct: list[Run] = []
        through: list[Run] = []
        for number in range(options.pairs):
            # Which goes first changes from pair to pair.
            order = [(direct, business.url), (through, gateway.url)]
            for runs, url in order if number % 2 == 0 else reversed(order):
                runs.append(measure(url, options.seconds))
            ratio = through[-1].rate / direct[-1].rate
            print(
                f"pair {number + 1}: {told('direct', direct[-1])} | {told('gateway', through[-1])} | {ratio:.3f}"
            )
        ratios = [b.rate / a.rate for a, b in zip(direct, through, strict=True)]
        for name, runs in (("direct ", direct), ("gateway", through)):
            middle = Run(
                *(statistics.median(getattr(run, part) for run in runs) for part in ("rate", "p50", "p99"))
            )
            print(f"median  {told(name, middle)}")
        print(
            f"ratio gateway/direct: median {statistics.median(ratios):.3f}, "
            f"{min(ratios):.3f} to {max(ratios):.3f}, {options.pairs} pairs, {options.clients} clients"
        )
    return 0


def _answers(url: str, token: str) -> bool:
    async def ask() -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url + PATH, headers={"Authorization": f"Bearer {token}"}) as response,
        ):
            return response.status == 200

    return asyncio.run(ask())


if __name__ == "__main__":
    raise SystemExit(main())
