"""What the operator's client of the API server does at its end, against a server that does not answer."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tenant_operator.cluster import Cluster
from tenant_operator.errors import ClusterFailedError

_TIME = "2026-11-30T12:00:00.000000Z"


class SilentServer:
    """Answers its first request, and keeps those that follow waiting until its `end`."""

    def __init__(self) -> None:
        self._answered = False
        self.asked_again = asyncio.Event()
        self.end = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.Response:
        if self._answered:
            self.asked_again.set()
            await self.end.wait()
        self._answered = True
        return web.json_response({"metadata": {"name": "riverside"}, "eventTime": _TIME})


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SilentServer]:
    """One that KUBECONFIG leads to."""
    made, app = SilentServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://{host}:{port}"}}],
        "users": [{"name": "test", "user": {}}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config), "utf-8")
    monkeypatch.setenv("KUBECONFIG", str(file))
    yield made
    made.end.set()
    await runner.cleanup()


async def test_a_request_under_way_when_it_is_closed_fails_like_one_that_is_not_answered(
    server: SilentServer,
) -> None:
    """As when the Lease is lost: passes are under way then, and their failures are no faults of the operator's."""
    cluster = Cluster("slotwright", "slotwright-tenants")
    await cluster.open()
    assert await cluster.read("Tenant", "riverside") is not None
    reading = asyncio.create_task(cluster.read("Tenant", "riverside"))
    await server.asked_again.wait()
    await cluster.close()
    with pytest.raises(ClusterFailedError):
        await reading
    with pytest.raises(ClusterFailedError):
        await cluster.read("Tenant", "riverside")


_USED = """
import asyncio, contextlib, sys
import tenant_operator.app
from tenant_operator.cluster import Cluster
from tenant_operator.errors import ClusterFailedError

async def use():
    cluster = Cluster("slotwright", "slotwright-tenants")
    await cluster.open()
    event = {"metadata": {"namespace": "default"}, "eventTime": sys.argv[1]}
    for request in (
        cluster.read("Tenant", "x"), cluster.read_lease("x"), cluster.read_secret("x"), cluster.create_event(event)
    ):
        with contextlib.suppress(ClusterFailedError):
            await request
    await cluster.close()

before = set(sys.modules)
asyncio.run(use())
print(*(name for name in sys.modules.keys() - before if name.startswith("kubernetes")))
"""


async def test_its_requests_import_nothing(server: SilentServer) -> None:
    """The library imports what it is asked for when it is asked: seconds in which no Lease is renewed."""
    server.end.set()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _USED, _TIME, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    assert told.decode().split() == []
