"""One notification process for the tests of a module; each test makes businesses of its own. Webhooks have a
receiver, and for what takes days a world without a process."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from integration.notification.hooks import Hooks
from integration.notification.world import World
from servicekit.testing.tokens import TokenMinter
from support.broker import Broker
from support.databases import Databases, ServiceDatabase
from support.processes import served_keys
from support.receiver import Receiver, receiving


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


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
async def hooks(
    service_database: Callable[[str], ServiceDatabase], receiver: Receiver
) -> AsyncIterator[Hooks]:
    made = Hooks(service_database("notification"), receiver)
    await made.open()
    try:
        yield made
    finally:
        await made.db.close()
