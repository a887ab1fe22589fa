"""One billing process and one Stripe stand-in for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.billing.world import World
from support.broker import Broker
from support.databases import Databases


@pytest.fixture(scope="module")
def world(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both processes running; a test that stops one starts it again."""
    folder = Path(tmp_path_factory.mktemp("billing"))
    database = databases.for_service("billing")
    made = World(database, broker.service_env("billing"), broker.super_user(), folder)
    try:
        made.start_stripe()
        made.start_billing()
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def _restored(world: World) -> Iterator[None]:
    """A test that fails half way leaves the next one a whole world."""
    yield
    world.restore()
