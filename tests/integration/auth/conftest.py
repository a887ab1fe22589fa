"""One auth process for the tests of a module; each test makes businesses and people of its own."""

from collections.abc import Iterator

import pytest

from integration.auth.world import World
from support.broker import Broker
from support.databases import Databases
from support.mail import Mailpit


@pytest.fixture(scope="module")
def still_world(
    databases: Databases, broker: Broker, mailpit: Mailpit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The parts around auth, with auth itself not started."""
    made = World(databases.for_service("auth"), broker, mailpit, tmp_path_factory.mktemp("auth"))
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def world(still_world: World) -> Iterator[World]:
    """auth running in all its roles."""
    with still_world.running():
        yield still_world
