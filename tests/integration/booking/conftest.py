"""One booking process for the tests of a module; each test makes businesses of its own."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from integration.booking.calendars import Importer, Server
from integration.booking.world import World, made_world
from servicekit.db import Database
from servicekit.outbound import OutboundClient, OutboundSettings
from support.databases import Databases


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """booking in its role `serve`; what it publishes stays in its outbox, where tests look.

    A module's `WORLD_ENV` is added to its settings.
    """
    env: dict[str, str] = getattr(request.module, "WORLD_ENV", {})
    with made_world(databases, "serve", tmp_path_factory.mktemp("booking"), **env) as made:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/ada.ics", made.serve)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("/ada.ics"))
        yield made


@pytest.fixture
async def importer(world: World) -> AsyncIterator[Importer]:
    allowed = OutboundSettings(allow_http=True, allowed_networks=(ip_network("127.0.0.0/8"),))
    db = Database(world.database.settings, application="test")
    await db.open()
    try:
        yield Importer(
            db, datetime.now(UTC) + timedelta(minutes=5), OutboundClient(allowed, user_agent="Tests")
        )
    finally:
        await db.close()
