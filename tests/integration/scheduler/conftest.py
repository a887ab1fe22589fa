"""A database and a consumer group of its own for each test; the test starts the processes it wants."""

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.scheduler.world import World
from support.broker import Broker
from support.databases import ServiceDatabase


@pytest.fixture
def world(service_database: Callable[[str], ServiceDatabase], broker: Broker, tmp_path: Path) -> World:
    """Nothing runs yet."""
    return World(service_database("scheduler"), broker, tmp_path)
