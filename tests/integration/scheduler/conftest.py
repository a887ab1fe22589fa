"""A database and a consumer group of its own for each test; the test starts the processes it wants."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from integration.scheduler.world import World
from servicekit.db import Database
from support.broker import Broker
from support.databases import ServiceDatabase


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase], broker: Broker, tmp_path: Path) -> World:
    """Nothing runs yet."""
    return World(service_database("scheduler"), broker, tmp_path)


@pytest.fixture
async def db(world: World) -> AsyncIterator[Database]:
    """The scheduler's own way to its database, for its loops turn by turn."""
    database = Database(world.settings, application="scheduler")
    await database.open()
    yield database
    await database.close()
