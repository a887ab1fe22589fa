"""One notification process for the tests of a module; each test makes businesses of its own."""

from collections.abc import Iterator

import pytest

from integration.notification.world import World
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases
from support.processes import served_keys


@pytest.fixture(scope="module")
def world(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Running, in its role `all`, with an SMTP server of its own."""
    minter = TokenMinter(issuer="https://book.example")
    with served_keys(minter) as jwks_url:
        made = World(
            databases.for_service("notification"),
            broker,
            minter,
            jwks_url,
            tmp_path_factory.mktemp("notification"),
        )
        made.start()
        try:
            yield made
        finally:
            made.close()
