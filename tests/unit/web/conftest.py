"""A browser of web's pages, and the scripted gateway behind them; see support.web_site."""

from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web as aio
from aiohttp.test_utils import TestServer

from support.web_site import Browser, Script, site


@pytest.fixture
async def gateway() -> AsyncIterator[Script]:
    script = Script()
    app = aio.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    server = TestServer(app)
    await server.start_server()
    script.url = str(server.make_url("")).rstrip("/")
    yield script
    await server.close()


@pytest.fixture
async def browser(gateway: Script) -> AsyncIterator[Browser]:
    app, service = site(gateway.url)
    await service.gateway.open()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with Browser(transport=transport, base_url="http://slotwright.test") as client:
        yield client
    await service.gateway.close()
