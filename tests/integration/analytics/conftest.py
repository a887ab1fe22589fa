"""One analytics process for the tests of a module; each test makes businesses of its own."""

from collections.abc import Iterator

import pytest

from integration.analytics.world import World
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.processes import served_keys


@pytest.fixture(scope="module")
def world(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Running, in its role `all`."""
    minter = TokenMinter()
    with served_keys(minter) as jwks_url:
        made = World(
            databases.for_service("analytics"), broker, minter, jwks_url, tmp_path_factory.mktemp("analytics")
        )
        made.start()
        try:
            yield made
        finally:
            made.stop()
            made.http.close()
